package testservers

import (
	"bytes"
	"testing"
)

// TestNio: two of them understand one another in an encrypted room, and what
// was said before somebody came stays closed to them.
func TestNio(t *testing.T) {
	server := NewDendrite(t, DendriteOptions{})
	alice := Nio(t, server, server.Register(t, "alice"))
	account := server.Register(t, "camille")
	camille := Nio(t, server, account)
	room := alice.Create(NioRoom{Encrypted: true, Invite: []string{camille.UserID}})
	camille.Join(room)
	alice.Await("camille", func(e NioEvent) bool {
		return e.Kind == "m.room.member" && e.Target == camille.UserID && e.Body == "join"
	})
	said := alice.Say(room, "", "bonjour")
	heard := camille.Await("bonjour", func(e NioEvent) bool { return e.Body == "bonjour" })
	if heard.ID != said || heard.Sender != alice.UserID || !heard.Sealed || heard.Kind != "m.text" {
		t.Errorf("said %s, heard %+v", said, heard)
	}
	data := bytes.Repeat([]byte("octets"), 5000)
	camille.Upload(room, said, "fichier.bin", data)
	file := alice.Await("the file", func(e NioEvent) bool { return e.Kind == "m.file" })
	if got := alice.Download(file); !bytes.Equal(got, data) || file.Thread != said {
		t.Errorf("%d bytes came as %d, %+v", len(data), len(got), file)
	}
	camille.Edit(room, camille.Say(room, "", "faute"), "juste")
	alice.Await("the edit", func(e NioEvent) bool { return e.Kind == "edit" && e.Body == "juste" && e.Target != "" })

	late := Nio(t, server, account)
	late.Await("bonjour, closed", func(e NioEvent) bool { return e.ID == said && e.Kind == "unreadable" })
}
