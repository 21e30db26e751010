package playground

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"permanence/bot/chat"
)

// answerText is said to whoever used a button, form or slash command when the
// bot does not answer at all.
var answerText = chat.Text{
	FR: "Pas de réponse du robot pour l’instant : votre geste est enregistré.",
	EN: "No answer from the bot for now: your gesture is recorded.",
}

func noRoom(room string) *chat.Error {
	return refuse(chat.Gone, "le salon #"+room+" n’existe pas", "there is no room #"+room)
}

func noMessage() *chat.Error {
	return refuse(chat.Gone, "ce message n’existe plus", "this message is not there any more")
}

func cannot(fr, en string) *chat.Error {
	return refuse(chat.Permanent, "ce réseau ne connaît pas "+fr, "this network knows no "+en)
}

// enter checks that account may act in room, and makes it a member of a room
// that anybody may enter. The mutex is held.
func (n *Network) enter(by, room string) (*Account, *Room, error) {
	if n.closed {
		return nil, nil, ErrClosed
	}
	a := n.accounts[by]
	if a == nil {
		return nil, nil, refuse(chat.Unauthorised, "le compte "+by+" n’existe pas", "there is no account "+by)
	}
	if err := n.strike(a, room); err != nil {
		return nil, nil, err
	}
	r := n.rooms[room]
	if r == nil {
		return nil, nil, noRoom(room)
	}
	if r.Gone {
		return nil, nil, refuse(chat.Gone, "le salon #"+room+" a été fermé", "the room #"+room+" has been closed")
	}
	if !r.has(by) {
		if !r.open() {
			return nil, nil, refuse(chat.Unauthorised,
				a.Name+" n’est pas membre de #"+room+" ; invitez ce compte", a.Name+" is not a member of #"+room+"; invite the account")
		}
		if _, err := n.commit(Record{Kind: kindJoined, Room: room, By: by}); err != nil {
			return nil, nil, err
		}
	}
	if slices.Contains(r.Muted, by) {
		return nil, nil, refuse(chat.Unauthorised,
			a.Name+" n’a plus le droit d’écrire dans #"+room, a.Name+" may not write in #"+room+" any more")
	}
	return a, r, nil
}

// Post says something. The thread may be named by any message in it.
func (n *Network) Post(ctx context.Context, by string, d Draft) (Message, error) {
	n.mu.Lock()
	a, rec, err := n.post(by, d)
	if err != nil {
		n.mu.Unlock()
		return Message{}, err
	}
	m := n.messages[rec.ID].clone()
	n.mu.Unlock()
	return m, n.receipt(ctx, a, rec.Seq)
}

func (n *Network) post(by string, d Draft) (*Account, Record, error) {
	a, r, err := n.enter(by, d.Room)
	if err != nil {
		return nil, Record{}, err
	}
	if err := n.checkDraft(&d); err != nil {
		return nil, Record{}, err
	}
	if d.Thread != "" {
		root := n.messages[d.Thread]
		if root == nil || root.Room != r.Name {
			return nil, Record{}, noMessage()
		}
		if root.Thread != "" {
			d.Thread = root.Thread
		}
	}
	rec := Record{Kind: kindPosted, Room: r.Name, Thread: d.Thread, By: by, Draft: &d}
	d.Room, d.Thread = "", ""
	rec, err = n.commit(rec)
	return a, rec, err
}

// checkDraft refuses what the network cannot carry and finds the mentions.
func (n *Network) checkDraft(d *Draft) error {
	if n.dress == Poor {
		switch {
		case d.Thread != "":
			return cannot("les fils", "threads")
		case d.ReplyTo != "":
			return cannot("les citations", "replies")
		case len(d.Buttons) > 0:
			return cannot("les boutons", "buttons")
		case len(d.Files) > 0:
			return cannot("les fichiers", "files")
		case d.Key != "":
			return cannot("les clés", "keys")
		case strings.ContainsAny(d.Text, "\r\n"):
			return refuse(chat.Permanent, "une ligne à la fois, s’il vous plaît", "one line at a time, please")
		}
	}
	if !utf8.ValidString(d.Text) {
		return refuse(chat.Permanent, "ce texte n’est pas de l’UTF-8", "this text is not UTF-8")
	}
	if limit := n.dress.Caps().MaxText; utf8.RuneCountInString(d.Text) > limit {
		return refuse(chat.Permanent, "ce message est trop long", "this message is too long")
	}
	if strings.TrimSpace(d.Text) == "" && len(d.Files) == 0 {
		return refuse(chat.Permanent, "ce message est vide", "this message is empty")
	}
	for i, f := range d.Files {
		have, ok := n.files[f.ID]
		if !ok {
			return refuse(chat.Gone, "le fichier n’est plus là", "the file is not there any more")
		}
		d.Files[i] = have
	}
	for _, id := range mentions(d.Text, func(id string) bool { return n.accounts[id] != nil }) {
		if !slices.Contains(d.Mentions, id) {
			d.Mentions = append(d.Mentions, id)
		}
	}
	return nil
}

// message finds a message of room that is still there.
func (n *Network) message(room, id string) (*Message, error) {
	m := n.messages[id]
	if m == nil || m.Deleted || m.Room != room {
		return nil, noMessage()
	}
	return m, nil
}

// Edit replaces the content of a message of one's own.
func (n *Network) Edit(by, room, id string, d Draft) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, _, err := n.enter(by, room); err != nil {
		return err
	}
	if n.dress == Poor {
		return cannot("les corrections", "edits")
	}
	m, err := n.message(room, id)
	if err != nil {
		return err
	}
	if m.By != by {
		return refuse(chat.Unauthorised, "ce message est de quelqu’un d’autre", "this message is somebody else's")
	}
	d.Room, d.Thread, d.Key, d.Part = "", "", "", 0
	if err := n.checkDraft(&d); err != nil {
		return err
	}
	_, err = n.commit(Record{Kind: kindEdited, Room: room, Thread: m.Thread, By: by, Target: id, Revision: m.Revision + 1, Draft: &d})
	return err
}

// Delete removes a message of one's own; programs may remove anybody's.
func (n *Network) Delete(by, room, id string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, _, err := n.enter(by, room)
	if err != nil {
		return err
	}
	if n.dress == Poor {
		return cannot("les suppressions", "deletions")
	}
	m, err := n.message(room, id)
	if err != nil {
		return err
	}
	if m.By != by && !a.Bot {
		return refuse(chat.Unauthorised, "ce message est de quelqu’un d’autre", "this message is somebody else's")
	}
	_, err = n.commit(Record{Kind: kindDeleted, Room: room, Thread: m.Thread, By: by, Target: id})
	return err
}

// React puts an emoji on a message or takes it back (on false). What is so
// already stays so without a record.
func (n *Network) React(by, room, id, emoji string, on bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, _, err := n.enter(by, room); err != nil {
		return err
	}
	if n.dress == Poor {
		return cannot("les réactions", "reactions")
	}
	if emoji == "" || len(emoji) > 64 || !utf8.ValidString(emoji) {
		return refuse(chat.Permanent, "ce n’est pas un émoji", "this is no emoji")
	}
	m, err := n.message(room, id)
	if err != nil {
		return err
	}
	has := slices.ContainsFunc(m.Reactions, func(r Reaction) bool { return r.Emoji == emoji && slices.Contains(r.By, by) })
	if has == on {
		return nil
	}
	kind := kindReacted
	if !on {
		kind = kindUnreacted
	}
	_, err = n.commit(Record{Kind: kind, Room: room, Thread: m.Thread, By: by, Target: id, Emoji: emoji})
	return err
}

// Pin pins a message to its room, or takes the pin back (on false).
func (n *Network) Pin(by, room, id string, on bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, r, err := n.enter(by, room)
	if err != nil {
		return err
	}
	if n.dress == Poor {
		return cannot("les épingles", "pins")
	}
	m, err := n.message(room, id)
	if err != nil {
		return err
	}
	if slices.Contains(r.Pins, id) == on {
		return nil
	}
	kind := kindPinned
	if !on {
		kind = kindUnpinned
	}
	_, err = n.commit(Record{Kind: kind, Room: room, Thread: m.Thread, By: by, Target: id})
	return err
}

// SetTopic sets the topic of a room.
func (n *Network) SetTopic(by, room, topic string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, r, err := n.enter(by, room)
	if err != nil || r.Topic == topic {
		return err
	}
	_, err = n.commit(Record{Kind: kindTopic, Room: room, By: by, Text: topic})
	return err
}

// Join enters a room. Programs may enter team rooms by themselves: they are
// invited by whoever configures them.
func (n *Network) Join(by, room string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, r := n.accounts[by], n.rooms[room]
	switch {
	case a == nil:
		return refuse(chat.Unauthorised, "le compte "+by+" n’existe pas", "there is no account "+by)
	case r == nil || r.Gone:
		return noRoom(room)
	case r.has(by):
		return nil
	case !r.open() && !a.Bot, r.Kind == Direct:
		return refuse(chat.Unauthorised, "il faut une invitation pour entrer dans #"+room, "one must be invited to #"+room)
	}
	_, err := n.commit(Record{Kind: kindJoined, Room: room, By: by})
	return err
}

// Leave leaves a room.
func (n *Network) Leave(by, room, reason string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.rooms[room]
	if r == nil {
		return noRoom(room)
	}
	if !r.has(by) {
		return nil
	}
	_, err := n.commit(Record{Kind: kindLeft, Room: room, By: by, Text: reason})
	return err
}

// OpenDirect finds or makes the direct room of two accounts.
func (n *Network) OpenDirect(by, with string) (room string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.accounts[by]
	if a == nil || n.accounts[with] == nil || by == with {
		return "", refuse(chat.Gone, "il n’y a personne du nom de "+with, "there is nobody named "+with)
	}
	members := []string{by, with}
	slices.Sort(members)
	name := strings.Join(members, "+")
	if err := n.strike(a, name); err != nil {
		return "", err
	}
	if n.rooms[name] != nil {
		return name, nil
	}
	_, err = n.commit(Record{Kind: kindRoom, Room: name, By: by, Info: &Room{Name: name, Kind: Direct, Members: members}})
	return name, err
}

// AddAccount makes a visitor, whom nothing proves, or finds the one of that
// name.
func (n *Network) AddAccount(name string) (Account, error) {
	name = strings.TrimSpace(name)
	id := strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && isHandle(byte(r)) && r != '.' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	if strings.Trim(id, "-") == "" || len(id) > 32 {
		return Account{}, refuse(chat.Permanent,
			"ce nom ne convient pas : 1 à 32 lettres ou chiffres", "this name will not do: 1 to 32 letters or digits")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if have := n.accounts[id]; have != nil {
		return *have, nil
	}
	a := Account{ID: id, Name: name, Role: "visitor"}
	_, err := n.commit(Record{Kind: kindAccount, Account: &a})
	return a, err
}

// AddFile keeps the bytes of a file until a message carries it.
func (n *Network) AddFile(by, name, mediaType string, data []byte) (File, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.accounts[by]
	if a == nil {
		return File{}, refuse(chat.Unauthorised, "le compte "+by+" n’existe pas", "there is no account "+by)
	}
	if err := n.strike(a, ""); err != nil {
		return File{}, err
	}
	if n.dress == Poor {
		return File{}, cannot("les fichiers", "files")
	}
	if len(data) > maxFile {
		return File{}, refuse(chat.Permanent, "ce fichier dépasse 8 Mio", "this file is larger than 8 MiB")
	}
	if name == "" {
		name = "file"
	}
	if data == nil {
		data = []byte{}
	}
	rec, err := n.commit(Record{Kind: kindFile, By: by, Data: data, File: &File{Name: name, Type: mediaType, Size: int64(len(data))}})
	if err != nil {
		return File{}, err
	}
	return n.files[rec.ID], nil
}

// File gives a file and its bytes, which must not be changed.
func (n *Network) File(id string) (File, []byte, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f, ok := n.files[id]
	return f, n.data[id], ok
}

// FindKey gives the messages of account in room that carry key, by part.
func (n *Network) FindKey(by, room, key string) ([]Message, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, _, err := n.enter(by, room); err != nil {
		return nil, err
	}
	if n.dress == Poor {
		return nil, cannot("les clés", "keys")
	}
	var found []Message
	for _, m := range n.byRoom[room] {
		if m.By == by && m.Key == key {
			found = append(found, m.clone())
		}
	}
	slices.SortStableFunc(found, func(a, b Message) int { return a.Part - b.Part })
	return found, nil
}

// Message gives a message as it stands; false where it never was.
func (n *Network) Message(id string) (Message, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.messages[id]
	if m == nil {
		return Message{}, false
	}
	return m.clone(), true
}

// Messages gives what stands in a room, oldest first, deleted messages too.
func (n *Network) Messages(room string) []Message {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]Message, 0, len(n.byRoom[room]))
	for _, m := range n.byRoom[room] {
		out = append(out, m.clone())
	}
	return out
}

// Rooms gives every room, those taken away too.
func (n *Network) Rooms() []Room {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]Room, 0, len(n.roomList))
	for _, name := range n.roomList {
		out = append(out, *n.rooms[name])
	}
	return out
}

// Room gives a room; false where it never was.
func (n *Network) Room(name string) (Room, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.rooms[name]
	if r == nil {
		return Room{}, false
	}
	return *r, true
}

// Account gives an account.
func (n *Network) Account(id string) (Account, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.accounts[id]
	if a == nil {
		return Account{}, false
	}
	return *a, true
}

// Accounts gives every account.
func (n *Network) Accounts() []Account {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]Account, 0, len(n.order))
	for _, id := range n.order {
		out = append(out, *n.accounts[id])
	}
	return out
}
