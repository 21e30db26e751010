package bot_test

import "testing"

// A topic that only operators change: the team is told that it cannot show
// there, by whom it can be helped, and once; the room itself is told all.
func TestStatusTopicWithoutTheRight(t *testing.T) {
	w, aline, _ := operated(t)
	aline.bySomebody(w, "#asso", "Bienvenue")
	aline.say("MODE #asso +t")
	aline.heard(" MODE #asso +t")
	w.post("camille", "equipe", "", "!incident début messagerie : envois retardés")
	aline.ours(w, "#asso", "Messagerie : envois retardés")
	w.find("equipe", "told of the topic", fromBot("il faut être opérateur de #asso"))
	w.post("camille", "equipe", "", "!incident maj identifié : un disque")
	aline.ours(w, "#asso", "un disque")
	w.post("camille", "equipe", "", "!incident fin c'est réparé")
	aline.ours(w, "#asso", "c'est réparé")
	w.find("equipe", "everywhere", fromBot("dite partout"))
	if topic := aline.topicOf("#asso"); topic != "Bienvenue" {
		t.Errorf("the topic: %q", topic)
	}
	if n := w.count(w.rich, "equipe", fromBot("il faut être opérateur de #asso")); n != 1 {
		t.Errorf("told %d times", n)
	}
}
