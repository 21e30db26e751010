package outbox

import (
	"strconv"
	"strings"
)

// tryKey is the key under which a network sees the i-th operation of a
// delivery. A row of state is one row for all that it has been: each revision
// has a key of its own, or a network that knows the key of the last one would
// take the next for the same.
func tryKey(d *Delivery, i int) string {
	key := d.Key
	if !d.Op.IsText() && d.Revision > 1 {
		key += "-r" + strconv.Itoa(d.Revision)
	}
	if i > 0 {
		key += "-" + string(rune('a'+i%26))
	}
	return key
}

// KeyOf is the delivery's key in what a network gives back of it.
func KeyOf(key string) string {
	key, _, _ = strings.Cut(key, "-")
	return key
}
