package checker

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// good is a ledger of a desk that did everything right.
func good() []Fact {
	return []Fact{
		{Kind: Mail, Mark: Mark("mail", 1), Talk: "a", From: "a@customers.example", Opens: true},
		{Kind: Taken, MessageID: "<ack@example.org>", To: []string{"a@customers.example"}, Auto: true, Text: "received"},
		{Kind: Mail, Mark: Mark("mail", 2), Talk: "a", From: "a@customers.example"},
		{Kind: Line, Mark: Mark("line", 1), Talk: "b"},
		{Kind: Line, Mark: Mark("line", 2), Talk: "b"},
		{Kind: Note, Mark: Mark("note", 1), Talk: "a"},
		{Kind: Note, Mark: Mark("note", 2), Talk: "a"},
		{Kind: Gesture, Mark: Mark("note", 2), Talk: "a", ByMail: true},
		{Kind: Taken, MessageID: "<1@example.org>", To: []string{"a@customers.example"}, Text: "say " + Mark("note", 2) + " > " + Mark("mail", 2)},
		{Kind: Told, Mark: Mark("note", 2)},
		{Kind: Note, Mark: Mark("note", 3), Talk: "b"},
		{Kind: Gesture, Mark: Mark("note", 3), Talk: "b"},
		{Kind: Note, Mark: Mark("note", 4), Talk: "b"},
		{Kind: Gesture, Mark: Mark("note", 4), Talk: "b"},
		{Kind: Stop, Mark: Mark("note", 4), Talk: "b"},
		{Kind: TeamSees, ID: "1", Desk: true, Text: "card " + Mark("mail", 1)},
		{Kind: TeamSees, ID: "2", Desk: true, Text: "card " + Mark("line", 1) + " " + Mark("line", 1)},
		{Kind: TeamSees, ID: "3", Thread: "1", Desk: true, Text: Mark("mail", 2)},
		{Kind: TeamSees, ID: "4", Thread: "2", Desk: true, Text: Mark("line", 2)},
		{Kind: TeamSees, ID: "5", Thread: "1", Text: Mark("note", 1)},
		{Kind: TeamSees, ID: "6", Thread: "1", Text: Mark("note", 2), Signs: []string{SentSign}},
		{Kind: TeamSees, ID: "7", Thread: "2", Text: Mark("note", 3), Signs: []string{SentSign}},
		{Kind: TeamSees, ID: "8", Thread: "2", Text: Mark("note", 4)},
		{Kind: PublicSees, ID: "9", Text: Mark("line", 1)},
		{Kind: PublicSees, ID: "10", Thread: "9", Desk: true, Text: Mark("note", 3)},
	}
}

// insert puts facts before the i-th.
func insert(facts []Fact, i int, more ...Fact) []Fact { return slices.Insert(facts, i, more...) }

func TestJudge(t *testing.T) {
	reply := good()[8]
	for name, c := range map[string]struct {
		facts   []Fact
		fault   string // beginning of the only fault, empty for none
		doubles int
	}{
		"good":                   {facts: good()},
		"mail lost":              {facts: slices.Delete(good(), 17, 18), fault: "lost: mail"},
		"line doubled":           {facts: append(good(), Fact{Kind: TeamSees, ID: "11", Thread: "2", Desk: true, Text: Mark("line", 2)}), fault: "doubled: line"},
		"second card":            {facts: append(slices.Delete(good(), 18, 19), Fact{Kind: TeamSees, ID: "11", Desk: true, Text: Mark("line", 2)}), fault: "scattered: b"},
		"out of order":           {facts: append(good(), Fact{Kind: Line, Mark: Mark("line", 3), Talk: "b"}, Fact{Kind: Line, Mark: Mark("line", 4), Talk: "b"}, Fact{Kind: TeamSees, ID: "11", Thread: "2", Desk: true, Text: Mark("line", 4)}, Fact{Kind: TeamSees, ID: "12", Thread: "2", Desk: true, Text: Mark("line", 3)}), fault: "out of order: b"},
		"note echoed":            {facts: append(good(), Fact{Kind: TeamSees, ID: "11", Thread: "1", Desk: true, Text: Mark("note", 1)}), fault: "doubled: the team's own"},
		"reply lost":             {facts: slices.Delete(good(), 8, 9), fault: "lost: reply"},
		"reply lost in channel":  {facts: slices.Delete(good(), 24, 25), fault: "lost: reply"},
		"reply twice in channel": {facts: append(good(), good()[24]), fault: "doubled: reply"},
		"taken twice, killed":    {facts: insert(good(), 8, reply, Fact{Kind: Kill}), doubles: 1},
		"taken twice, cut":       {facts: insert(good(), 8, reply, Fact{Kind: Cut}), doubles: 1},
		"taken twice":            {facts: insert(good(), 8, reply), fault: "doubled: reply"},
		"taken under two names":  {facts: insert(good(), 8, Fact{Kind: Taken, MessageID: "<2@example.org>", Text: reply.Text}, Fact{Kind: Kill}), fault: "doubled: reply"},
		"taken after told":       {facts: insert(good(), 10, Fact{Kind: Kill}, reply), fault: "doubled: reply"},
		"no acknowledgement":     {facts: slices.Delete(good(), 1, 2), fault: "lost: a@customers.example was never told"},
		"two acknowledgements":   {facts: insert(good(), 1, Fact{Kind: Taken, MessageID: "<3@example.org>", To: []string{"a@customers.example"}, Auto: true}, Fact{Kind: Kill}), fault: "doubled: the acknowledgement"},
		"unasked":                {facts: append(good(), Fact{Kind: Taken, MessageID: "<3@example.org>", To: []string{"b@customers.example"}, Auto: true}), fault: "unasked"},
		"leaked by mail":         {facts: append(good(), Fact{Kind: Taken, MessageID: "<3@example.org>", Text: Mark("note", 1)}), fault: "leaked"},
		"leaked in channel":      {facts: append(good(), Fact{Kind: PublicSees, ID: "11", Desk: true, Text: Mark("note", 1)}), fault: "leaked"},
		"stopped and said":       {facts: append(good(), Fact{Kind: PublicSees, ID: "11", Desk: true, Text: Mark("note", 4)}), fault: "leaked: note zqnote00004x of b was stopped"},
		"not told":               {facts: append(slices.Delete(good(), 20, 21), Fact{Kind: TeamSees, ID: "6", Thread: "1", Text: Mark("note", 2), Signs: []string{"⏳"}}), fault: "untold"},
		"stopped and not told":   {facts: append(slices.Delete(good(), 22, 23), Fact{Kind: TeamSees, ID: "8", Thread: "2", Text: Mark("note", 4), Signs: []string{"⏳"}}), fault: "untold"},
		"unknown fact":           {facts: append(good(), Fact{Kind: "rumour"}), fault: "unknown fact"},
		"no answer, not seen":    {facts: good()[:0]},
	} {
		t.Run(name, func(t *testing.T) {
			v := Judge(c.facts)
			if c.fault == "" && len(v.Faults) > 0 || c.fault != "" && (len(v.Faults) != 1 || !strings.HasPrefix(v.Faults[0], c.fault)) {
				t.Errorf("faults %q, want %q", v.Faults, c.fault)
			}
			if v.Doubles != c.doubles {
				t.Errorf("%d doubles, want %d", v.Doubles, c.doubles)
			}
		})
	}
}

func TestRun(t *testing.T) {
	var in, out bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, f := range good() {
		if err := enc.Encode(f); err != nil {
			t.Fatal(err)
		}
	}
	whole := in.String()
	if err := Run(&in, &out); err != nil {
		t.Fatal(err)
	}
	var v Verdict
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Faults) != 0 || v.Mails != 2 || v.Lines != 2 || v.Gestures != 3 {
		t.Errorf("%+v", v)
	}
	for _, bad := range []string{whole[:len(whole)-1], "nonsense\n"} {
		if err := Run(strings.NewReader(bad), &out); err == nil {
			t.Errorf("a broken ledger was judged")
		}
	}
}
