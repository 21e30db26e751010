package bot_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"permanence/adapters/mattermost"
	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
	"permanence/internal/testservers"
)

// matter is a real Mattermost server with a team of ours on it, seen by its
// people.
type matter struct {
	t      *testing.T
	server *testservers.MattermostServer
	team   string
	rooms  map[string]string // channel IDs by name

	us, alice, camille, dominique testservers.MattermostAccount
}

// remark is a post as people get it.
type remark struct {
	ID       string `json:"id"`
	Root     string `json:"root_id"`
	By       string `json:"user_id"`
	Text     string `json:"message"`
	Created  int64  `json:"create_at"`
	Metadata struct {
		Reactions []struct {
			By    string `json:"user_id"`
			Emoji string `json:"emoji_name"`
		} `json:"reactions"`
	} `json:"metadata"`
	Props struct {
		Attachments []struct {
			Actions []struct {
				ID   string `json:"id"`
				Name string `json:"name"`
			} `json:"actions"`
		} `json:"attachments"`
	} `json:"props"`
}

// newMatter makes a team with a public channel "entraide" and the team's
// private one "equipe".
func newMatter(t *testing.T) *matter {
	m := &matter{t: t, server: testservers.Mattermost(t), rooms: map[string]string{}}
	m.us = m.server.Bot(t, "permanence")
	m.alice, m.camille, m.dominique = m.server.User(t, "alice"), m.server.User(t, "camille"), m.server.User(t, "dominique")
	team, name := m.server.Team(t, m.us, m.alice, m.camille, m.dominique)
	m.team = name
	m.rooms["entraide"] = m.server.Channel(t, team, "entraide", "O", m.us, m.alice, m.camille)
	m.rooms["etat"] = m.server.Channel(t, team, "etat", "O", m.us, m.alice)
	m.rooms["equipe"] = m.server.Channel(t, team, "equipe", "P", m.us, m.camille, m.dominique)
	return m
}

// with puts the server beside the other networks as "mm"; agents are the
// team's people.
func (m *matter) with(change func(*bot.Desk)) setup {
	return func(w *world) {
		token := filepath.Join(w.dir, "mm.token")
		must(w.t, os.WriteFile(token, []byte(m.us.Token+"\n"), 0o600))
		d := &w.opt.Desks[0]
		d.Agents = append(d.Agents, bot.AccountRef{Adapter: "mm", Handle: m.camille.Username}, bot.AccountRef{Adapter: "mm", Handle: m.dominique.Username})
		change(d)
		if w.beside == nil {
			w.beside = map[string]func(chat.State) chat.Adapter{}
		}
		w.beside["mm"] = func(state chat.State) chat.Adapter {
			mux := http.NewServeMux()
			web := httptest.NewServer(mux)
			w.t.Cleanup(web.Close)
			a, err := mattermost.New(mattermost.Config{URL: m.server.URL, TokenFile: token}, chat.Env{Name: "mm",
				Rooms: []string{m.room("entraide"), m.room("etat"), m.room("equipe")}, State: state, Mux: callback{mux, web.URL}, Log: w.opt.Log})
			must(w.t, err)
			return a
		}
	}
}

// callback is where the server reaches us.
type callback struct {
	*http.ServeMux
	url string
}

func (c callback) URL(path string) string { return c.url + path }

// press presses a button of a post, by its label.
func (m *matter) press(who testservers.MattermostAccount, r remark, label string) {
	m.t.Helper()
	for _, a := range r.Props.Attachments {
		for _, b := range a.Actions {
			if b.Name == label {
				m.call(who, http.MethodPost, "/api/v4/posts/"+r.ID+"/actions/"+b.ID, map[string]string{}, nil)
				return
			}
		}
	}
	m.t.Fatalf("no button %q on %q: %+v", label, r.Text, r.Props.Attachments)
}

func (m *matter) room(name string) string      { return m.team + "/" + name }
func (m *matter) place(name string) chat.Place { return chat.Place{Adapter: "mm", Room: m.room(name)} }

func (m *matter) call(who testservers.MattermostAccount, method, path string, in, out any) {
	m.t.Helper()
	if err := m.server.Call(m.t.Context(), who.Token, method, path, in, out); err != nil {
		m.t.Fatalf("%s %s: %v", method, path, err)
	}
}

func (m *matter) post(who testservers.MattermostAccount, room, root, text string) (r remark) {
	m.t.Helper()
	m.call(who, http.MethodPost, "/api/v4/posts", map[string]string{"channel_id": m.rooms[room], "root_id": root, "message": text}, &r)
	return r
}

func (m *matter) react(who testservers.MattermostAccount, post, emoji string) {
	m.t.Helper()
	m.call(who, http.MethodPost, "/api/v4/reactions", map[string]string{"user_id": who.ID, "post_id": post, "emoji_name": emoji}, nil)
}

// posts are those of a room as somebody sees them, oldest first.
func (m *matter) posts(who testservers.MattermostAccount, room string) []remark {
	m.t.Helper()
	var list struct{ Posts map[string]remark }
	m.call(who, http.MethodGet, "/api/v4/channels/"+m.rooms[room]+"/posts?per_page=200", nil, &list)
	var out []remark
	for _, r := range list.Posts {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b remark) int { return int(a.Created - b.Created) })
	return out
}

// find waits for a post.
func (m *matter) find(who testservers.MattermostAccount, room, what string, f func(remark) bool) (found remark) {
	m.t.Helper()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		list := m.posts(who, room)
		if i := slices.IndexFunc(list, f); i >= 0 {
			return list[i]
		}
		select {
		case <-tick.C:
		case <-deadline:
			var b strings.Builder
			for _, r := range list {
				fmt.Fprintf(&b, "%s [%s] %s: %q %v\n", r.ID, r.Root, r.By, r.Text, r.Metadata.Reactions)
			}
			m.t.Fatalf("%s: waited in vain: %s\n%s", room, what, b.String())
		}
	}
}

// said is a post of ours with these words.
func (m *matter) said(s string) func(remark) bool {
	return func(r remark) bool { return r.By == m.us.ID && contains(r.Text, s) }
}

// marked is a post with our reaction.
func (m *matter) marked(id, emoji string) func(remark) bool {
	return func(r remark) bool {
		return r.ID == id && slices.ContainsFunc(r.Metadata.Reactions, func(x struct {
			By    string `json:"user_id"`
			Emoji string `json:"emoji_name"`
		}) bool {
			return x.By == m.us.ID && x.Emoji == emoji
		})
	}
}

// TestMailToMattermostAndBack: a mail becomes a card in Mattermost, is claimed,
// answered from its thread, and the bounce of the answer comes back onto the
// message and reopens the ticket.
func TestMailToMattermostAndBack(t *testing.T) {
	m := newMatter(t)
	w := newWorld(t, m.with(func(d *bot.Desk) { d.Rooms = []chat.Place{m.place("equipe")} }))
	w.write(playground.Letter{By: "alice", Subject: "Site en panne", Text: "Bonjour @channel, mon site ne répond plus."})
	card := m.find(m.camille, "equipe", "the card", m.said("Site en panne"))
	if strings.Contains(card.Text, "@channel") {
		t.Errorf("a customer's words ping: %q", card.Text)
	}
	m.press(m.camille, card, "Prendre")
	m.find(m.camille, "equipe", "claimed", func(r remark) bool { return r.ID == card.ID && contains(r.Text, "pris par") })
	draft := m.post(m.camille, "equipe", card.ID, "Bonjour Alice, c’est **réparé**.")
	m.react(m.camille, draft.ID, "envelope")
	sent := w.mail("the answer", func(x playground.Mail) bool { return contains(x.Text, "réparé") })
	m.find(m.camille, "equipe", "📬", m.marked(draft.ID, "mailbox_with_mail"))
	for _, inside := range []string{m.team, m.us.Username, m.camille.Username, m.server.URL} {
		if strings.Contains(fmt.Sprintf("%+v", sent), inside) {
			t.Errorf("the mail shows %q", inside)
		}
	}
	w.accepted(envelope{from: "", to: []string{"support@example.org"}, data: bounce(sent.MessageID)})
	m.find(m.camille, "equipe", "⚠️", m.marked(draft.ID, "warning"))
	m.find(m.camille, "equipe", "the reason", func(r remark) bool { return r.Root == card.ID && contains(r.Text, "Non remis") })
	m.find(m.camille, "equipe", "reopened", func(r remark) bool { return r.ID == card.ID && contains(r.Text, "ouvert ·") })
}

// TestMattermostCustomerTeamOnIRC: a question in a public channel of
// Mattermost, answered by a team on a real IRC server, in the thread of the
// question; corrections and deletions follow.
func TestMattermostCustomerTeamOnIRC(t *testing.T) {
	m := newMatter(t)
	ergo := testservers.Ergo(t, testservers.ErgoOptions{})
	newWorld(t, onErgo(ergo), m.with(func(d *bot.Desk) {
		d.Intakes = append(d.Intakes, bot.Intake{Place: m.place("entraide"), Opens: bot.OnMessage})
		d.Rooms = []chat.Place{{Adapter: "irc", Room: "#salle"}}
	}))
	camille := enter(t, ergo.Addr, "camille", true, "#salle")
	asked := m.post(m.alice, "entraide", "", "Ma liste de diffusion est muette")
	camille.heard("liste de diffusion")
	camille.heard("#1")
	m.post(m.alice, "entraide", asked.ID, "depuis hier soir")
	camille.heard("depuis hier soir")
	m.call(m.alice, http.MethodPut, "/api/v4/posts/"+asked.ID+"/patch", map[string]string{"message": "Ma liste de diffusion est muette depuis lundi"}, nil)
	camille.heard("depuis lundi")
	camille.say("PRIVMSG #salle :#1 je regarde")
	camille.say("PRIVMSG #salle :!r #1 C'est reparti, @channel.")
	answer := m.find(m.alice, "entraide", "the answer", m.said("C'est reparti"))
	if answer.Root != asked.ID {
		t.Errorf("the answer stands in %q, not below the question", answer.Root)
	}
	if strings.Contains(answer.Text, "@channel") {
		t.Errorf("pings everybody: %q", answer.Text)
	}
	for _, r := range m.posts(m.alice, "entraide") {
		if contains(r.Text, "je regarde") {
			t.Error("a note of the team stands in public")
		}
	}
	// The team's own post opens nothing; an agent who answers there has answered.
	m.post(m.camille, "entraide", "", "Pause déjeuner pour l’équipe")
	m.post(m.camille, "entraide", asked.ID, "Vous pouvez vérifier ?")
	camille.heard("Vous pouvez vérifier")
	if n := camille.count("Pause déjeuner"); n != 0 {
		t.Error("the team's chatter became a ticket")
	}
	second := m.post(m.alice, "entraide", asked.ID, "une phrase de trop")
	camille.heard("une phrase de trop")
	m.call(m.alice, http.MethodDelete, "/api/v4/posts/"+second.ID, nil, nil)
	camille.heard("(message effacé)")
	if n := camille.count("C'est reparti"); n > 2 {
		t.Errorf("the answer was echoed: %d times", n)
	}
}

// TestTheCardLeadsToTheQuestion: the card of a question asked in a channel of
// the same network links to it.
func TestTheCardLeadsToTheQuestion(t *testing.T) {
	m := newMatter(t)
	newWorld(t, m.with(func(d *bot.Desk) {
		d.Intakes = append(d.Intakes, bot.Intake{Place: m.place("entraide"), Opens: bot.OnMessage})
		d.Rooms = []chat.Place{m.place("equipe")}
	}))
	asked := m.post(m.alice, "entraide", "", "Où est ma question ?")
	m.find(m.camille, "equipe", "the card and its link", func(r remark) bool {
		return contains(r.Text, "Où est ma question") && contains(r.Text, m.server.URL+"/_redirect/pl/"+asked.ID)
	})
}
