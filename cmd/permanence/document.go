package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// configError is one thing wrong with a configuration: where, and what was
// expected instead.
type configError struct {
	File      string
	Line, Col int    // from 1; 0 where the place is not known
	Key       string // "desks.support.rooms[0]", empty at the top
	Msg       string
}

func (e *configError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Col)
	}
	b.WriteString(": ")
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Msg)
	return b.String()
}

// document is a YAML file that remembers where everything stands. Its values
// are never quoted in errors but where they are names, because a file may hold
// secrets.
type document struct {
	file string
	root ast.Node
}

// parseDocument reads YAML and puts environment variables in. getenv is
// os.LookupEnv but in tests.
func parseDocument(file string, data []byte, getenv func(string) (string, bool)) (*document, error) {
	d := &document{file: file}
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, d.foreign(err)
	}
	switch len(parsed.Docs) {
	case 0:
		return d, nil
	case 1:
		d.root = parsed.Docs[0].Body
	default:
		return nil, d.errorAt(parsed.Docs[1].Body, "one document was expected, and a second one begins here")
	}
	e := &expander{d: d, getenv: getenv}
	if d.root != nil {
		ast.Walk(e, d.root)
	}
	return d, errors.Join(e.errs...)
}

// errorAt makes an error about a node.
func (d *document) errorAt(node ast.Node, format string, args ...any) error {
	e := &configError{File: d.file, Msg: fmt.Sprintf(format, args...)}
	if node == nil {
		return e
	}
	e.Key = strings.TrimPrefix(strings.TrimPrefix(node.GetPath(), "$"), ".")
	tok := node.GetToken()
	if m, ok := node.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		tok = m.Values[0].Key.GetToken() // its own token is the first colon
	}
	if tok != nil && tok.Position != nil {
		e.Line, e.Col = tok.Position.Line, tok.Position.Column
	}
	return e
}

// foreign gives an error of the YAML library our form.
func (d *document) foreign(err error) error {
	var own *configError
	if errors.As(err, &own) {
		return err
	}
	e := &configError{File: d.file, Msg: "this is not YAML: " + err.Error()}
	var ye yaml.Error
	if errors.As(err, &ye) {
		e.Msg = ye.GetMessage()
		if tok := ye.GetToken(); tok != nil && tok.Position != nil {
			e.Line, e.Col = tok.Position.Line, tok.Position.Column
		}
	}
	return e
}

// at finds the node of a path of keys and indices, or the nearest above it.
func (d *document) at(path ...any) ast.Node {
	node := d.root
	for _, step := range path {
		var next ast.Node
		switch step := step.(type) {
		case string:
			for _, v := range values(node) {
				if keyOf(v) == step {
					next = v.Value
					if next == nil || next.Type() == ast.NullType {
						next = v.Key
					}
				}
			}
		case int:
			if s, ok := node.(*ast.SequenceNode); ok && step < len(s.Values) {
				next = s.Values[step]
			}
		}
		if next == nil {
			return node
		}
		node = next
	}
	return node
}

// values are the entries of a mapping; none of anything else.
func values(node ast.Node) []*ast.MappingValueNode {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	case *ast.AnchorNode:
		return values(n.Value)
	}
	return nil
}

func keyOf(v *ast.MappingValueNode) string {
	if s, ok := v.Key.(*ast.StringNode); ok {
		return s.Value
	}
	return v.Key.String()
}

// located puts the file's name into an error of a type that reads itself,
// which does not know it.
func (d *document) located(err error) error {
	var e *configError
	if errors.As(err, &e) && e.File == "" {
		found := *e
		found.File = d.file
		return &found
	}
	return err
}

// decode reads a node into *into, strictly: a key that *into has no field for
// is an error, and so is a value of another kind.
func (d *document) decode(node ast.Node, into any) error {
	if node == nil || node.Type() == ast.NullType {
		return nil
	}
	if err := d.checkShape(node, reflect.TypeOf(into).Elem()); err != nil {
		return err
	}
	if err := yaml.NodeToValue(node, into, yaml.Strict()); err != nil {
		return d.foreign(err)
	}
	return nil
}

// nodeUnmarshaler is what types implement that read themselves; checkShape
// leaves them alone.
var nodeUnmarshaler = reflect.TypeFor[yaml.NodeUnmarshaler]()

// checkShape compares a node with the type that it is to fill, before the
// library does, whose errors neither suggest nor say what was expected.
func (d *document) checkShape(node ast.Node, t reflect.Type) error {
	if node == nil || node.Type() == ast.NullType {
		return nil
	}
	if a, ok := node.(*ast.AliasNode); ok {
		return d.errorAt(a, "aliases (*name) are not supported here: write the value out")
	}
	if reflect.PointerTo(t).Implements(nodeUnmarshaler) {
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		if node.Type() != ast.MappingType && node.Type() != ast.MappingValueType {
			return d.errorAt(node, "expected keys below it: %s", strings.Join(keysOf(t), ", "))
		}
		return d.checkFields(node, t)
	case reflect.Slice:
		s, ok := node.(*ast.SequenceNode)
		if !ok {
			return d.errorAt(node, `expected a list, such as ["one", "two"]`)
		}
		for _, v := range s.Values {
			if err := d.checkShape(v, t.Elem()); err != nil {
				return err
			}
		}
	case reflect.Bool:
		if node.Type() != ast.BoolType {
			return d.errorAt(node, "expected true or false")
		}
	case reflect.Int, reflect.Int64:
		if node.Type() != ast.IntegerType {
			return d.errorAt(node, "expected a whole number")
		}
	case reflect.String:
		if _, ok := node.(ast.ScalarNode); !ok {
			return d.errorAt(node, "expected a text")
		}
	}
	return nil
}

func (d *document) checkFields(node ast.Node, t reflect.Type) error {
	for _, v := range values(node) {
		name := keyOf(v)
		f, ok := fieldOf(t, name)
		if !ok {
			return d.errorAt(v.Key, "%s", unknown("key", name, keysOf(t)))
		}
		if err := d.checkShape(v.Value, f.Type); err != nil {
			return err
		}
	}
	return nil
}

// keysOf are the keys that a struct has in a file, in order.
func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			keys = append(keys, keysOf(t.Field(i).Type)...)
		case name != "" && name != "-":
			keys = append(keys, name)
		}
	}
	return keys
}

func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if options == "inline" {
			if f, ok := fieldOf(f.Type, key); ok {
				return f, true
			}
		} else if name == key && name != "-" {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// unknown says that there is no such thing, and which there are; the nearest
// first where one is near.
func unknown(what, name string, known []string) string {
	msg := fmt.Sprintf("unknown %s %q", what, name)
	best, distance := "", 3
	for _, k := range known {
		if n := editDistance(strings.ToLower(name), k); n < distance && n < len(k) {
			best, distance = k, n
		}
	}
	if best != "" {
		return fmt.Sprintf("%s: did you mean %q?", msg, best)
	}
	if len(known) == 0 {
		return msg
	}
	return msg + ": expected one of " + strings.Join(known, ", ")
}

// editDistance counts the letters to insert, delete, replace or swap.
func editDistance(a, b string) int {
	prev2, prev := []int(nil), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev = prev, row
	}
	return prev[len(b)]
}

// expander replaces ${NAME} in texts by the environment's, and refuses secrets
// that stand in the file.
type expander struct {
	d      *document
	getenv func(string) (string, bool)
	errs   []error
}

var (
	variable = regexp.MustCompile(`\$\{([^}]*)\}?`)
	varName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// secretKeys are the keys whose values must not stand in the file.
func secretKeys() []string { return []string{"password", "token", "secret", "passphrase"} }

func (e *expander) Visit(node ast.Node) ast.Visitor {
	switch n := node.(type) {
	case *ast.MappingValueNode:
		if key := keyOf(n); slices.Contains(secretKeys(), key) {
			s, ok := n.Value.(*ast.StringNode)
			if n.Value.Type() != ast.NullType && (!ok || s.Value != "" && !strings.HasPrefix(s.Value, "${")) {
				e.errs = append(e.errs, e.d.errorAt(n.Key, "a secret does not stand in the configuration: put it into a file that only permanence may read and write %s_file: FILE, or into the environment and write %s: ${NAME}", key, key))
				return nil
			}
		}
	case *ast.StringNode:
		n.Value = variable.ReplaceAllStringFunc(n.Value, func(match string) string {
			name := strings.TrimSuffix(strings.TrimPrefix(match, "${"), "}")
			if !strings.HasSuffix(match, "}") || !varName.MatchString(name) {
				e.errs = append(e.errs, e.d.errorAt(n, "%q: expected the name of an environment variable, such as ${IMAP_PASSWORD}", match))
				return ""
			}
			value, ok := e.getenv(name)
			if !ok {
				e.errs = append(e.errs, e.d.errorAt(n, "the environment variable %s is not set", name))
			}
			return value
		})
	}
	return e
}

// readDocument reads a file of configuration.
func readDocument(file string) (*document, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return parseDocument(file, data, os.LookupEnv)
}
