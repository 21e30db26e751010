package bot_test

import (
	"testing"

	"permanence/adapters/playground"
	"permanence/bot/chat"
)

// TestForms: a slash command without the words that it needs opens a form,
// and the form does what the words would have done.
func TestForms(t *testing.T) {
	w := newWorld(t)
	opens := func(by, room, command, text, form string) *chat.Form {
		t.Helper()
		a, err := w.rich.Slash(t.Context(), by, room, "", "/"+command+" "+text)
		must(t, err)
		if a.Form == nil || a.Form.ID != form {
			t.Fatalf("/%s %s opens %+v (%q), want %s", command, text, a.Form, a.Text, form)
		}
		return a.Form
	}
	submit := func(by, room string, f *chat.Form, fields map[string]string) chat.Answer {
		t.Helper()
		a, err := w.rich.Submit(t.Context(), by, playground.Submission{Room: room, Form: f.ID, Value: f.Value, Fields: fields})
		must(t, err)
		return a
	}
	f := opens("alice", "entraide", "ticket", "", "ticket")
	submit("alice", "entraide", f, map[string]string{"text": "ma question du formulaire"})
	w.card("ma question du formulaire")

	f = opens("camille", "equipe", "ticket", "", "ticket")
	submit("camille", "equipe", f, map[string]string{"first": "zoe@customers.example", "text": "Bonjour, votre nom de domaine expire."})
	if m := w.card("votre nom de domaine expire"); !contains(m.Text, "zoe@customers.example") {
		t.Errorf("the card names nobody: %q", m.Text)
	}
	if a := submit("camille", "equipe", f, map[string]string{"first": "", "text": ""}); a.Text == "" || a.Form != nil {
		t.Errorf("an empty form is answered by %+v", a)
	}

	f = opens("camille", "equipe", "incident", "début", "incident.start")
	submit("camille", "equipe", f, map[string]string{"text": "Messagerie envois retardés"})
	w.find("etat", "start", fromBot("retardés"))
	f = opens("camille", "equipe", "incident", "maj 1", "incident.update")
	submit("camille", "equipe", f, map[string]string{"text": "la cause est connue"})
	w.find("etat", "news", fromBot("la cause est connue"))
	f = opens("camille", "equipe", "incident", "fin", "incident.end")
	submit("camille", "equipe", f, map[string]string{"text": ""})
	w.find("etat", "end", fromBot("est terminé"))
	if a, err := w.rich.Slash(t.Context(), "alice", "entraide", "", "/incident début"); err != nil || a.Form != nil {
		t.Errorf("a customer is offered the form of an incident: %+v %v", a, err)
	}
}
