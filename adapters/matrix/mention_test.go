package matrix_test

import (
	"fmt"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// nameBot gives the bot's account the name that people see.
func (s *scene) nameBot(name string) {
	s.t.Helper()
	c, err := mautrix.NewClient(s.server.URL, id.UserID(s.bot.UserID), s.bot.Token)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.SetDisplayName(deadline(s.t), name); err != nil {
		s.t.Fatal(err)
	}
}

// TestMention: whatever a client makes of a mention, what follows it is for us.
func TestMention(t *testing.T) {
	s := newScene(t)
	s.nameBot("Permanence d’Ici")
	room := s.room("mention")
	mentions(t, s, running(t, chattest.NewInbox(), s.config(), room), room)
}

func mentions(t *testing.T, s *scene, b *bot, room string) {
	me, local := s.bot.UserID, id.UserID(s.bot.UserID).Localpart()
	pill := `<a href=\"https://matrix.to/#/` + me + `\">Permanence d’Ici</a>`
	for _, tt := range []struct {
		name, content, text string
		us                  bool
	}{
		{"account and colon", `"body":"` + me + `: aide"`, "aide", true},
		{"account", `"body":"` + me + ` aide"`, "aide", true},
		{"name and colon", `"body":"Permanence d’Ici: aide"`, "aide", true},
		{"name and comma, in small letters", `"body":"permanence d’ici, aide"`, "aide", true},
		{"at and the account's name", `"body":"@` + local + ` aide"`, "aide", true},
		{"at, name and a space before the colon", `"body":"@Permanence d’Ici : aide"`, "aide", true},
		{"pill, with m.mentions", `"body":"Permanence d’Ici: aide","format":"org.matrix.custom.html","formatted_body":"` + pill + `: aide","m.mentions":{"user_ids":["` + me + `"]}`, "aide", true},
		{"pill, from an older client", `"body":"Permanence d’Ici: aide","format":"org.matrix.custom.html","formatted_body":"` + pill + ` aide"`, "aide", true},
		{"a command behind it", `"body":"Permanence d’Ici: !ticket plus rien","format":"org.matrix.custom.html","formatted_body":"` + pill + `: !ticket plus rien","m.mentions":{"user_ids":["` + me + `"]}`, "!ticket plus rien", true},
		{"in the middle, with m.mentions", `"body":"demande à Permanence d’Ici","m.mentions":{"user_ids":["` + me + `"]}`, "demande à Permanence d’Ici", true},
		{"the name alone is talk", `"body":"Permanence d’Ici est en panne"`, "Permanence d’Ici est en panne", false},
		{"everybody is not us", `"body":"@room au secours","m.mentions":{"room":true}`, "@room au secours", false},
	} {
		sent := s.raw(room, fmt.Sprintf(`{"msgtype":"m.text",%s}`, tt.content))
		p := first(b, tt.name, func(p *chat.Posted) bool { return p.ID == sent })
		if p.Text != tt.text || p.MentionsUs != tt.us {
			t.Errorf("%s: %q, to us %v", tt.name, p.Text, p.MentionsUs)
		}
	}
}
