package outbox

import "testing"

// TestEveryRevisionHasAKeyOfItsOwn: a homeserver that knows a transaction ID
// takes what comes with it for the same event, and a card was drawn once.
func TestEveryRevisionHasAKeyOfItsOwn(t *testing.T) {
	card := &Delivery{Op: Card, Slot: "card", Key: "k3y", Revision: 1}
	seen := map[string]bool{}
	for _, revision := range []int{1, 2, 3} {
		card.Revision = revision
		for i := range 3 {
			key := tryKey(card, i)
			if seen[key] {
				t.Errorf("revision %d, operation %d: %q a second time", revision, i, key)
			}
			if again := tryKey(card, i); again != key {
				t.Errorf("%q, then %q: the same attempt", key, again)
			}
			if base := KeyOf(key); base != "k3y" {
				t.Errorf("KeyOf(%q) = %q", key, base)
			}
			seen[key] = true
		}
	}
	if say := (&Delivery{Op: Say, Key: "k3y", Revision: 2}); tryKey(say, 0) != "k3y" {
		t.Error("a text is said once, whatever its revision")
	}
}
