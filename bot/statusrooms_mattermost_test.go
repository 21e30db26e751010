package bot_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"permanence/bot"
)

// pins are the pinned posts of a room, as somebody sees them.
func (m *matter) pins(room string) (ids []string) {
	m.t.Helper()
	var list struct{ Posts map[string]remark }
	m.call(m.alice, http.MethodGet, "/api/v4/channels/"+m.rooms[room]+"/pinned", nil, &list)
	for id := range list.Posts {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// pings is how often a room has called for somebody who has not looked yet.
func (m *matter) pings(room string) int {
	m.t.Helper()
	var member struct {
		Mentions int `json:"mention_count"`
	}
	m.call(m.alice, http.MethodGet, "/api/v4/channels/"+m.rooms[room]+"/members/"+m.alice.ID, nil, &member)
	return member.Mentions
}

// header is what stands at the top of a room.
func (m *matter) header(room string) string {
	m.t.Helper()
	var channel struct {
		Header string `json:"header"`
	}
	m.call(m.alice, http.MethodGet, "/api/v4/channels/"+m.rooms[room], nil, &channel)
	return channel.Header
}

// statusOn makes "etat" the only status room, and "equipe" the team's.
func (m *matter) statusOn() []setup {
	return []setup{m.with(func(d *bot.Desk) { d.Rooms = append(d.Rooms, m.place("equipe")) }), onlyRoom(m.place("etat"))}
}

// A status room on Mattermost, from the start to the end: a headline that
// follows, its thread, its pin beside somebody else's, a correction of what
// was said, and each word once.
func TestStatusRoomOnMattermost(t *testing.T) {
	m := newMatter(t)
	w := newWorld(t, m.statusOn()...)
	rules := m.post(m.alice, "etat", "", "Les règles de ce salon") // who writes has read
	m.call(m.alice, http.MethodPost, "/api/v4/posts/"+rules.ID+"/pin", nil, nil)
	m.call(m.alice, http.MethodPut, "/api/v4/channels/"+m.rooms["etat"]+"/patch", map[string]string{"header": "Bienvenue  | règles"}, nil)

	m.post(m.camille, "equipe", "", "!incident début messagerie : envois retardés")
	head := m.find(m.alice, "etat", "the headline", m.said("[Incident 1] Messagerie : envois retardés"))
	if head.Root != "" {
		t.Errorf("the headline stands in a thread: %+v", head)
	}
	both := []string{rules.ID, head.ID}
	slices.Sort(both)
	w.await("pinned beside the rules", func() bool { return slices.Equal(m.pins("etat"), both) })

	m.post(m.camille, "equipe", "", "!incident maj identifié : un dique")
	news := m.find(m.alice, "etat", "news", m.said("Cause identifiée"))
	if news.Root != head.ID {
		t.Errorf("the news stand in %q", news.Root)
	}
	m.find(m.alice, "etat", "the headline follows", func(r remark) bool { return r.ID == head.ID && contains(r.Text, "un dique") })
	m.post(m.camille, "equipe", "", "!incident corriger un disque")
	m.find(m.alice, "etat", "corrected", func(r remark) bool { return r.ID == news.ID && contains(r.Text, "un disque") })
	m.find(m.alice, "etat", "the headline too", func(r remark) bool { return r.ID == head.ID && contains(r.Text, "un disque") })

	w.stop() // and whatever is said from here on is said by another run
	w.start()
	m.post(m.camille, "equipe", "", "!incident fin le disque est changé")
	end := m.find(m.alice, "etat", "the end", func(r remark) bool { return r.Root == head.ID && contains(r.Text, "le disque est changé") })
	m.find(m.alice, "etat", "the headline has ended", func(r remark) bool { return r.ID == head.ID && strings.HasPrefix(r.Text, "✅") })
	w.await("unpinned, and the rules are not", func() bool { return slices.Equal(m.pins("etat"), []string{rules.ID}) })
	m.find(m.camille, "equipe", "told everywhere", m.said("dite partout"))

	m.post(m.camille, "equipe", "", "!incident corriger 1 Le disque est changé, tout est revenu.")
	m.find(m.alice, "etat", "the end is corrected", func(r remark) bool { return r.ID == end.ID && contains(r.Text, "tout est revenu") })

	var ours []string
	for _, r := range m.posts(m.alice, "etat") {
		if r.By == m.us.ID {
			ours = append(ours, r.ID)
		}
	}
	if want := []string{head.ID, news.ID, end.ID}; !slices.Equal(ours, want) {
		t.Errorf("our posts are %q, want %q", ours, want)
	}
	if h := m.header("etat"); h != "Bienvenue  | règles" {
		t.Errorf("the header: %q", h)
	}
	if n := m.pings("etat"); n != 0 {
		t.Errorf("alice was called %d times", n)
	}
}

// What is hostile in a title and a text is read as it was typed: nobody is
// called, nothing is drawn, and the headline stays one line.
func TestHostileTitleOnMattermost(t *testing.T) {
	m := newMatter(t)
	w := newWorld(t, m.statusOn()...)
	before := m.pings("etat") // she was called when she was let in
	for _, text := range []string{
		"messagerie : @channel @all @here @" + m.alice.Username + " <script>alert(1)</script> **gras** # titre ![x](http://127.0.0.1:1/x.png) [lien](javascript:alert(1)) \u202eenvers",
		"@channel\n# titre\n@all\n\n| a | b |\n|---|---|\n| @here | @" + m.alice.Username + " |",
	} {
		m.post(m.camille, "equipe", "", "!incident début "+text)
	}
	first := m.find(m.alice, "etat", "the first", m.said("[Incident 1]"))
	second := m.find(m.alice, "etat", "the second", m.said("[Incident 2]"))
	m.post(m.camille, "equipe", "", "!incident maj 1 @channel @"+m.alice.Username+" :\n@all")
	m.find(m.alice, "etat", "news", func(r remark) bool { return r.Root == first.ID })
	m.post(m.camille, "equipe", "", "!incident fin 1 @here merci")
	m.find(m.alice, "etat", "the end", func(r remark) bool { return r.Root == first.ID && contains(r.Text, "merci") })
	m.find(m.alice, "etat", "ended", func(r remark) bool { return r.ID == first.ID && strings.HasPrefix(r.Text, "✅") })
	w.await("one pin is left", func() bool { return slices.Equal(m.pins("etat"), []string{second.ID}) })
	if n := m.pings("etat") - before; n != 0 {
		t.Errorf("alice was called %d times", n)
	}
	m.post(m.us, "etat", "", "@"+m.alice.Username) // and she would have been
	w.await("alice is called", func() bool { return m.pings("etat") == before+1 })
	for _, r := range m.posts(m.alice, "etat") {
		for _, call := range []string{"@channel", "@all", "@here", "@" + m.alice.Username} {
			if strings.Contains(r.Text, call) && r.Text != call {
				t.Errorf("%q calls %s", r.Text, call)
			}
		}
		if r.By != m.us.ID {
			continue
		}
		if strings.Contains(r.Text, "\u202e") {
			t.Errorf("reads backwards: %q", r.Text)
		}
	}
}

// A text that no room takes in one piece: its beginning and the rest stay
// together, and the headline is one message, pinned and unpinned.
func TestLongTextOnMattermost(t *testing.T) {
	m := newMatter(t)
	w := newWorld(t, m.statusOn()...)
	_, err := w.bot.FromMachine(t.Context(), "incident start mail: "+strings.Repeat("très long ", 3000), "fr")
	must(t, err)
	head := m.find(m.alice, "etat", "the headline", m.said("[Incident 1]"))
	w.await("pinned", func() bool { return slices.Equal(m.pins("etat"), []string{head.ID}) })
	_, err = w.bot.FromMachine(t.Context(), "incident end 1 tout est court", "fr")
	must(t, err)
	m.find(m.alice, "etat", "the end", func(r remark) bool { return r.Root == head.ID && contains(r.Text, "tout est court") })
	m.find(m.alice, "etat", "the headline has ended", func(r remark) bool { return r.ID == head.ID && strings.HasPrefix(r.Text, "✅") })
	w.await("unpinned", func() bool { return len(m.pins("etat")) == 0 })
	left := ""
	for _, r := range m.posts(m.alice, "etat") {
		if r.By == m.us.ID && r.ID != head.ID {
			left += r.Text
		}
	}
	if n := strings.Count(left, "tout est court"); n != 1 {
		t.Errorf("the end was said %d times", n)
	}
}
