package sqlstore

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"sync"

	"github.com/jmoiron/sqlx/reflectx"
)

// namedTexts keeps statements that name their values by field (":subject") in
// the form that databases take ("$2"). sqlx would read each text anew at every
// call, which costs as much as a small statement itself.
type namedTexts struct {
	mu   sync.Mutex
	read map[string]namedText
}

type namedText struct {
	query string
	names []string // of $1, $2, …
}

// fieldName finds the names in our own texts, which hold neither strings with
// colons nor casts.
var fieldName = regexp.MustCompile(`:[a-z_]+`)

// of gives the form of query, which is read once.
func (t *namedTexts) of(query string) namedText {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, ok := t.read[query]
	if ok {
		return n
	}
	n.query = fieldName.ReplaceAllStringFunc(query, func(name string) string {
		n.names = append(n.names, name[1:])
		return "$" + strconv.Itoa(len(n.names))
	})
	if t.read == nil {
		t.read = make(map[string]namedText)
	}
	t.read[query] = n
	return n
}

// bind gives the text and the fields of arg, a struct or a pointer to one.
func (t *namedTexts) bind(m *reflectx.Mapper, query string, arg any) (string, []any, error) {
	n := t.of(query)
	v := reflect.Indirect(reflect.ValueOf(arg))
	args := make([]any, 0, len(n.names))
	err := m.TraversalsByNameFunc(v.Type(), n.names, func(i int, path []int) error {
		if len(path) == 0 {
			return fmt.Errorf("no field of %T is named %s", arg, n.names[i])
		}
		args = append(args, reflectx.FieldByIndexesReadOnly(v, path).Interface())
		return nil
	})
	return n.query, args, err
}
