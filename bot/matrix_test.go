package bot_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"permanence/adapters/matrix"
	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
	"permanence/internal/testservers"
)

// homeserver is a real Matrix homeserver with rooms of ours, seen by its
// people over plain HTTP.
type homeserver struct {
	t      *testing.T
	server *testservers.DendriteServer
	rooms  map[string]string // IDs by name
	sent   int

	us, alice, camille testservers.MatrixAccount
}

func newHomeserver(t *testing.T) *homeserver {
	h := &homeserver{t: t, server: testservers.Dendrite(t), rooms: map[string]string{}}
	tail := strings.ToLower(rand.Text()[:8]) // the server is shared
	h.us, h.alice, h.camille = h.server.Register(t, "permanence"+tail), h.server.Register(t, "alice"+tail), h.server.Register(t, "camille"+tail)
	h.room("equipe", h.camille, "private_chat", h.us)
	h.room("entraide", h.alice, "public_chat", h.us, h.camille)
	return h
}

// room makes a room and lets people in; we are invited alone.
func (h *homeserver) room(name string, by testservers.MatrixAccount, preset string, more ...testservers.MatrixAccount) {
	h.t.Helper()
	var invite []string
	for _, a := range more {
		invite = append(invite, a.UserID)
	}
	var made struct {
		ID string `json:"room_id"`
	}
	h.call(by, http.MethodPost, "/createRoom", struct {
		Preset string   `json:"preset"`
		Name   string   `json:"name"`
		Invite []string `json:"invite"`
	}{preset, name, invite}, &made)
	h.rooms[name] = made.ID
	for _, a := range more {
		if a.UserID != h.us.UserID {
			h.call(a, http.MethodPost, "/join/"+url.PathEscape(made.ID), struct{}{}, nil)
		}
	}
}

func (h *homeserver) call(who testservers.MatrixAccount, method, path string, in, out any) {
	h.t.Helper()
	body, err := json.Marshal(in)
	must(h.t, err)
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.server.URL+"/_matrix/client/v3"+path, bytes.NewReader(body))
	must(h.t, err)
	req.Header.Set("Authorization", "Bearer "+who.Token)
	resp, err := http.DefaultClient.Do(req)
	must(h.t, err)
	defer resp.Body.Close()
	var buf bytes.Buffer
	_, err = buf.ReadFrom(resp.Body)
	must(h.t, err)
	if resp.StatusCode != http.StatusOK {
		h.t.Fatalf("%s %s: %s %s", method, path, resp.Status, &buf)
	}
	if out != nil {
		must(h.t, json.Unmarshal(buf.Bytes(), out))
	}
}

// relation ties a message to another one.
type relation struct {
	Type  string `json:"rel_type,omitempty"`
	Event string `json:"event_id,omitempty"`
	Key   string `json:"key,omitempty"`
}

// spoken is a message as people get it.
type spoken struct {
	ID      string `json:"event_id"`
	Kind    string `json:"type"`
	By      string `json:"sender"`
	Content struct {
		Body string `json:"body"`
		New  *struct {
			Body string `json:"body"`
		} `json:"m.new_content"`
		Relates relation `json:"m.relates_to"`
	} `json:"content"`
}

func (h *homeserver) send(who testservers.MatrixAccount, room, kind string, content any) string {
	h.t.Helper()
	h.sent++
	var sent struct {
		ID string `json:"event_id"`
	}
	h.call(who, http.MethodPut, fmt.Sprintf("/rooms/%s/send/%s/t%d", url.PathEscape(h.rooms[room]), kind, h.sent), content, &sent)
	return sent.ID
}

func (h *homeserver) say(who testservers.MatrixAccount, room, thread, text string) string {
	h.t.Helper()
	var in *relation
	if thread != "" {
		in = &relation{Type: "m.thread", Event: thread}
	}
	return h.send(who, room, "m.room.message", struct {
		Type    string    `json:"msgtype"`
		Body    string    `json:"body"`
		Relates *relation `json:"m.relates_to,omitempty"`
	}{"m.text", text, in})
}

func (h *homeserver) react(who testservers.MatrixAccount, room, target, key string) {
	h.t.Helper()
	h.send(who, room, "m.reaction", struct {
		Relates relation `json:"m.relates_to"`
	}{relation{"m.annotation", target, key}})
}

// heard are the messages of a room, oldest first.
func (h *homeserver) heard(who testservers.MatrixAccount, room string) []spoken {
	h.t.Helper()
	var page struct {
		Chunk []spoken `json:"chunk"`
	}
	h.call(who, http.MethodGet, "/rooms/"+url.PathEscape(h.rooms[room])+"/messages?dir=b&limit=200", struct{}{}, &page)
	slices.Reverse(page.Chunk)
	return page.Chunk
}

// find waits for an event.
func (h *homeserver) find(who testservers.MatrixAccount, room, what string, f func(spoken) bool) spoken {
	h.t.Helper()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		list := h.heard(who, room)
		if i := slices.IndexFunc(list, f); i >= 0 {
			return list[i]
		}
		select {
		case <-tick.C:
		case <-deadline:
			var b strings.Builder
			for _, s := range list {
				fmt.Fprintf(&b, "%s %s %s: %q %+v\n", s.ID, s.Kind, s.By, s.Content.Body, s.Content.Relates)
			}
			h.t.Fatalf("%s: waited in vain: %s\n%s", room, what, b.String())
		}
	}
}

// said is a message of ours with these words.
func (h *homeserver) said(s string) func(spoken) bool {
	return func(m spoken) bool {
		return m.By == h.us.UserID && m.Kind == "m.room.message" && m.Content.New == nil && contains(m.Content.Body, s)
	}
}

// marked is our reaction on a message.
func (h *homeserver) marked(target, key string) func(spoken) bool {
	return func(m spoken) bool {
		return m.By == h.us.UserID && m.Kind == "m.reaction" && m.Content.Relates.Event == target && strings.HasPrefix(m.Content.Relates.Key, key)
	}
}

func (h *homeserver) place(name string) chat.Place {
	return chat.Place{Adapter: "matrix", Room: h.rooms[name]}
}

// with puts the homeserver beside the other networks as "matrix".
func (h *homeserver) with(change func(*bot.Desk)) setup {
	return func(w *world) {
		token := filepath.Join(w.dir, "matrix.token")
		must(w.t, os.WriteFile(token, []byte(h.us.Token+"\n"), 0o600))
		d := &w.opt.Desks[0]
		d.Agents = append(d.Agents, bot.AccountRef{Adapter: "matrix", Handle: h.camille.UserID})
		change(d)
		if w.beside == nil {
			w.beside = map[string]func(chat.State) chat.Adapter{}
		}
		w.beside["matrix"] = func(state chat.State) chat.Adapter {
			a, err := matrix.New(matrix.Config{URL: h.server.URL, User: h.us.UserID, TokenFile: token},
				chat.Env{Name: "matrix", Rooms: []string{h.rooms["equipe"], h.rooms["entraide"]}, Invites: []string{h.alice.UserID}, State: state, Log: w.opt.Log})
			must(w.t, err)
			return a
		}
	}
}

// TestMailToMatrixAndBack: mail in, a team on Matrix, mail out; and a question
// in a public room, answered in its thread.
func TestMailToMatrixAndBack(t *testing.T) {
	h := newHomeserver(t)
	w := newWorld(t, h.with(func(d *bot.Desk) {
		d.Rooms = []chat.Place{h.place("equipe")}
		d.Intakes = append(d.Intakes, bot.Intake{Place: h.place("entraide"), Opens: bot.OnMessage})
	}))
	w.write(playground.Letter{By: "alice", Subject: "Site en panne", Text: "Bonjour @room, mon site ne répond plus."})
	card := h.find(h.camille, "equipe", "the card", h.said("Site en panne"))
	note := h.say(h.camille, "equipe", card.ID, "Bonjour Alice, c'est réparé.")
	h.react(h.camille, "equipe", note, "✉️")
	w.mail("the answer", func(m playground.Mail) bool { return contains(m.Text, "c'est réparé") })
	h.find(h.camille, "equipe", "📬", h.marked(note, "📬"))

	asked := h.say(h.alice, "entraide", "", "Ma liste est muette")
	second := h.find(h.camille, "equipe", "the second card", h.said("Ma liste est muette"))
	reply := h.say(h.camille, "equipe", second.ID, "Elle reparle.")
	h.react(h.camille, "equipe", reply, "✉️")
	answer := h.find(h.alice, "entraide", "the answer", h.said("Elle reparle."))
	if r := answer.Content.Relates; r.Type != "m.thread" || r.Event != asked {
		t.Errorf("the answer is not in the thread of the question: %+v", r)
	}
}

// TestInvitedToADirectRoom: who invites us is greeted there, asks and is
// answered there; the room is not left when the ticket closes. An invitation
// of somebody who may not invite us is not accepted.
func TestInvitedToADirectRoom(t *testing.T) {
	h := newHomeserver(t)
	basile := h.server.Register(t, "basile"+strings.ToLower(rand.Text()[:8]))
	newWorld(t, h.with(func(d *bot.Desk) { d.Rooms = []chat.Place{h.place("equipe")} }))
	for name, by := range map[string]testservers.MatrixAccount{"refused": basile, "direct": h.alice} {
		var made struct {
			ID string `json:"room_id"`
		}
		h.call(by, http.MethodPost, "/createRoom", struct {
			Preset string   `json:"preset"`
			Direct bool     `json:"is_direct"`
			Invite []string `json:"invite"`
		}{"trusted_private_chat", true, []string{h.us.UserID}}, &made)
		h.rooms[name] = made.ID
	}
	h.find(h.alice, "direct", "the greeting", h.said("Bonjour ! Écrivez ici votre question"))
	h.say(h.alice, "direct", "", "Mon site est lent")
	card := h.find(h.camille, "equipe", "the card", h.said("Mon site est lent"))
	note := h.say(h.camille, "equipe", card.ID, "Il est rapide de nouveau.")
	h.react(h.camille, "equipe", note, "✉️")
	h.find(h.alice, "direct", "the answer", h.said("Il est rapide de nouveau."))
	h.say(h.camille, "equipe", card.ID, "!fermer")
	h.find(h.camille, "equipe", "closed", func(m spoken) bool { return m.Content.New != nil && contains(m.Content.New.Body, "✅") })
	h.say(h.alice, "direct", "", "Merci beaucoup")
	h.find(h.camille, "equipe", "what came after", h.said("Merci beaucoup"))
	for name, by := range map[string]testservers.MatrixAccount{"refused": basile, "direct": h.alice} {
		var in struct {
			Joined map[string]struct{} `json:"joined"`
		}
		h.call(by, http.MethodGet, "/rooms/"+url.PathEscape(h.rooms[name])+"/joined_members", struct{}{}, &in)
		if _, there := in.Joined[h.us.UserID]; there != (name == "direct") {
			t.Errorf("%s: there: %v", name, there)
		}
	}
}

// TestOneTicketOnThreeNetworks: the team of one ticket is on Matrix, on
// Mattermost and on IRC at once; each sees what the others say, once.
func TestOneTicketOnThreeNetworks(t *testing.T) {
	h, m, ergo := newHomeserver(t), newMatter(t), testservers.Ergo(t, testservers.ErgoOptions{})
	w := newWorld(t, onErgo(ergo), m.with(func(*bot.Desk) {}), h.with(func(d *bot.Desk) {
		d.Rooms = []chat.Place{h.place("equipe"), m.place("equipe"), {Adapter: "irc", Room: "#salle"}}
	}))
	camille := enter(t, ergo.Addr, "camille", true, "#salle")
	w.write(playground.Letter{By: "alice", Subject: "Trois réseaux", Text: "Bonjour"})
	onMatrix := h.find(h.camille, "equipe", "the card", h.said("Trois réseaux"))
	onMattermost := m.find(m.camille, "equipe", "the card", m.said("Trois réseaux"))
	camille.heard("Trois réseaux")

	h.say(h.camille, "equipe", onMatrix.ID, "depuis Matrix")
	m.post(m.camille, "equipe", onMattermost.ID, "depuis Mattermost")
	camille.say("PRIVMSG #salle :#1 depuis IRC")
	h.find(h.camille, "equipe", "Mattermost on Matrix", h.said("depuis Mattermost"))
	h.find(h.camille, "equipe", "IRC on Matrix", h.said("depuis IRC"))
	m.find(m.camille, "equipe", "Matrix on Mattermost", m.said("depuis Matrix"))
	m.find(m.camille, "equipe", "IRC on Mattermost", m.said("depuis IRC"))
	camille.heard("depuis Matrix")
	camille.heard("depuis Mattermost")

	answer := m.post(m.dominique, "equipe", onMattermost.ID, "Réponse pour Alice")
	h.find(h.camille, "equipe", "the draft", h.said("Réponse pour Alice"))
	m.react(m.dominique, answer.ID, "envelope")
	w.mail("the answer", func(x playground.Mail) bool { return contains(x.Text, "Réponse pour Alice") })
	m.find(m.camille, "equipe", "📬", m.marked(answer.ID, "mailbox_with_mail"))

	count := map[string]int{}
	for _, s := range h.heard(h.camille, "equipe") {
		if s.Kind == "m.room.message" && s.Content.New == nil {
			count["matrix "+last(s.Content.Body)]++
		}
	}
	for _, r := range m.posts(m.camille, "equipe") {
		count["mattermost "+last(r.Text)]++
	}
	for _, l := range camille.said("#salle") {
		count["irc "+last(l)]++
	}
	for _, where := range []string{"matrix", "mattermost", "irc"} {
		for _, what := range []string{"depuis Matrix", "depuis Mattermost", "depuis IRC"} {
			want := 1
			if where == "irc" && what == "depuis IRC" {
				want = 0 // said by camille herself
			}
			if n := count[where+" "+what]; n != want {
				t.Errorf("%q stands %d times on %s, want %d", what, n, where, want)
			}
		}
	}
}

// last is what stands behind the last colon: the words of a relayed line.
func last(s string) string {
	if i := strings.LastIndex(s, ": "); i >= 0 {
		s = s[i+2:]
	}
	return strings.TrimSpace(s)
}
