package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"permanence/bot"
	"permanence/bot/chat"
	"permanence/statuspage"
)

const exampleFile = "../../config.example.yaml"

// minimal is the least that a file must say; tests add to it.
const minimal = `name: Test
adapters:
  mail: {type: email, listen: {smtp: "127.0.0.1:2525"}}
  tchat: {type: playground}
desks:
  support:
    rooms: ["tchat:equipe"]
    intakes: ["mail:support@example.org"]
`

func parse(t *testing.T, text string, env map[string]string) (*Loaded, error) {
	t.Helper()
	d, err := parseDocument("permanence.yaml", []byte(text), func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	})
	if err != nil {
		return nil, err
	}
	return load(d)
}

func TestExampleLoads(t *testing.T) {
	t.Setenv("IMAP_PASSWORD", "from the environment")
	l, err := LoadConfig(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	mail, _ := l.Adapters.find("mail")
	cfg := mail.Config.(*mailConfig)
	if cfg.IMAP.Password != "from the environment" {
		t.Errorf("IMAP password = %q, want the environment's", cfg.IMAP.Password)
	}
	if want := filepath.Join(abs(t, "../.."), "smtp.pass"); cfg.SMTP.PasswordFile != want {
		t.Errorf("password_file = %q, want %q beside the configuration", cfg.SMTP.PasswordFile, want)
	}
	if want := "sqlite:" + filepath.Join(abs(t, "../.."), "permanence.db"); l.Database != want {
		t.Errorf("database = %q, want %q", l.Database, want)
	}
	want := []bot.Desk{{
		Name: "support", Title: "Hébergeur associatif", Language: "fr",
		Rooms: []chat.Place{{Adapter: "tchat", Room: "asso/equipe-support"}, {Adapter: "essai", Room: "equipe"}},
		Intakes: []bot.Intake{
			{Place: chat.Place{Adapter: "mail", Room: "support@example.org"}, Opens: bot.OnMessage, Mail: true},
			{Place: chat.Place{Adapter: "essai", Room: "entraide"}, Opens: bot.OnMention},
			{Place: chat.Place{Adapter: "irc", Room: "#asso"}, Opens: bot.OnMention},
			{Place: chat.Place{Adapter: "tchat", Room: "asso/entraide"}, Opens: bot.OnMessage},
			{Place: chat.Place{Adapter: "matrix", Room: "#entraide:example.org"}, Opens: bot.OnMention},
		},
		Agents:   []bot.AccountRef{{Adapter: "tchat", Handle: "camille"}, {Adapter: "essai", Handle: "camille"}},
		Invites:  []bot.AccountRef{{Adapter: "matrix", Handle: "@*:example.org"}},
		HoldMail: 30 * time.Second, HoldChat: 15 * time.Second, HoldOthers: 2 * time.Minute,
		AckMail: true, AckChat: true, AckAfter: 5 * time.Minute, Hours: "le soir, du lundi au jeudi",
		Reopen: 30 * 24 * time.Hour, Claim: 72 * time.Hour, SendEmoji: []string{"✅"},
	}}
	if diff := cmp.Diff(want, l.plan.desks); diff != "" {
		t.Errorf("desks (-want +got):\n%s", diff)
	}
	policy, surge := statuspage.DefaultPolicy(), statuspage.DefaultSurge()
	status := bot.Status{
		Rooms:      []chat.Place{{Adapter: "essai", Room: "etat"}, {Adapter: "irc", Room: "#asso"}},
		Components: statuspage.Components{{ID: "mail", Name: "Messagerie"}, {ID: "web", Name: "Hébergement web"}},
		Language:   "fr", Policy: &policy, Surge: &surge,
	}
	if diff := cmp.Diff(status, l.plan.status); diff != "" {
		t.Errorf("the example does not have the defaults of status (-want +got):\n%s", diff)
	}
	if want := (ExportConfig{Folder: filepath.Join(abs(t, "../.."), "etat"), URL: "https://etat.example.org", Timeout: Duration(time.Minute),
		Push: []string{"rsync", "-a", "--delete", "./", "web@mirror.example.org:/srv/etat/"}}); !reflect.DeepEqual(l.Status.Export, want) {
		t.Errorf("export: %+v, want %+v", l.Status.Export, want)
	}
	if diff := cmp.Diff([]string{"fr", "en"}, l.plan.languages); diff != "" {
		t.Errorf("languages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"entraide", "equipe", "etat"}, slices.Sorted(slices.Values(l.plan.rooms["essai"]))); diff != "" {
		t.Errorf("rooms of essai (-want +got):\n%s", diff)
	}
}

func abs(t *testing.T, path string) string {
	t.Helper()
	p, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestExampleHasEveryKey keeps the example complete.
func TestExampleHasEveryKey(t *testing.T) {
	d, err := readDocumentWith(exampleFile, map[string]string{"IMAP_PASSWORD": "x"})
	if err != nil {
		t.Fatal(err)
	}
	want := func(what any, path ...any) {
		t.Helper()
		for _, key := range fieldsOf(reflect.TypeOf(what), "") {
			full := slices.Clone(path)
			for part := range strings.SplitSeq(key, ".") {
				full = append(full, part)
			}
			if !d.has(full...) {
				t.Errorf("%s does not explain %s", exampleFile, keyString(full))
			}
		}
	}
	want(Config{})
	want(DeskConfig{}, "desks", "support")
	want(IntakeConfig{}, "desks", "support", "intakes", 1)
	want(ComponentConfig{}, "status", "components", 0)
	for _, n := range networks() {
		found := false
		for _, v := range values(d.at("adapters")) {
			if got, err := typeOf(d, keyOf(v), v.Value); err == nil && got.kind == n.kind {
				found = true
				want(n.example, "adapters", keyOf(v))
			}
		}
		if !found {
			t.Errorf("%s has no adapter of type %s", exampleFile, n.kind)
		}
	}
}

func readDocumentWith(file string, env map[string]string) (*document, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseDocument(file, data, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
}

// has reports whether the very path is there.
func (d *document) has(path ...any) bool {
	parent, last := d.at(path[:len(path)-1]...), path[len(path)-1]
	for _, v := range values(parent) {
		if keyOf(v) == last {
			return true
		}
	}
	return false
}

func TestDefaults(t *testing.T) {
	l, err := parse(t, minimal, nil)
	if err != nil {
		t.Fatal(err)
	}
	if l.Language != "fr" || l.plan.location.String() != "Europe/Paris" || l.plan.url != "http://127.0.0.1:8080" {
		t.Errorf("language %q, zone %v, url %q", l.Language, l.plan.location, l.plan.url)
	}
	d := l.plan.desks[0]
	if d.Title != "Test" || d.HoldMail != 30*time.Second || !d.AckMail || d.Reopen != 30*24*time.Hour {
		t.Errorf("desk defaults: %+v", d)
	}
}

func TestPartOfNestedDefaults(t *testing.T) {
	l, err := parse(t, minimal+"    hold: {mail: 0}\n    acknowledge: {chat: false}\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	d := l.plan.desks[0]
	if d.HoldMail != 0 || d.HoldChat != 15*time.Second || !d.AckMail || d.AckChat {
		t.Errorf("one key replaced its neighbours' defaults: %+v", d)
	}
}

// TestStatusKeys: each key reaches what it is for.
func TestStatusKeys(t *testing.T) {
	l, err := parse(t, minimal+`status:
  preview: true
  work: {creation: false, end: false}
  reminders: {before: 10m, repeat: 0s, quiet: none}
  export: {folder: site, push: [./push.sh, ./]}
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := (statuspage.Policy{DayBefore: true, AtStart: true, Lead: 10 * time.Minute}); *l.plan.status.Policy != want {
		t.Errorf("policy %+v, want %+v", *l.plan.status.Policy, want)
	}
	if !l.plan.status.Preview {
		t.Error("no preview")
	}
	if e, here := l.Status.Export, abs(t, "."); e.Folder != filepath.Join(here, "site") || e.Push[0] != filepath.Join(here, "push.sh") || e.Push[1] != "./" || e.Timeout != Duration(time.Minute) {
		t.Errorf("export %+v", e)
	}
	l, err = parse(t, minimal+"status: {reminders: {quiet: 23:30 - 06:15}}\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := statuspage.DefaultPolicy()
	want.Quiet = statuspage.Quiet{From: 23*time.Hour + 30*time.Minute, Until: 6*time.Hour + 15*time.Minute}
	if *l.plan.status.Policy != want {
		t.Errorf("policy %+v, want %+v", *l.plan.status.Policy, want)
	}
}

func TestWrongConfigurations(t *testing.T) {
	replace := func(old, new string) string {
		if !strings.Contains(minimal, old) {
			t.Fatalf("minimal has no %q", old)
		}
		return strings.Replace(minimal, old, new, 1)
	}
	for _, tt := range []struct{ name, file, want string }{
		{"empty file", "", `
permanence.yaml: name: is missing: expected the name of the association, as people outside know it
permanence.yaml: adapters: is missing: at least one is needed, of type email or irc or matrix or mattermost or playground
permanence.yaml: desks: is missing: at least one desk is needed, with its rooms and intakes`},
		{"not YAML", "name: [Test\n", `permanence.yaml:1:7: sequence end token ']' not found`},
		{"two documents", minimal + "---\nname: Again\n", `permanence.yaml:10:1: one document was expected, and a second one begins here`},
		{"a key twice", minimal + "name: Again\n", `permanence.yaml:9:1: mapping key "name" already defined at [1:1]`},
		{"unknown key at the top", minimal + "languages: fr\n", `permanence.yaml:9:1: languages: unknown key "languages": did you mean "language"?`},
		{"unknown key nowhere near", minimal + "colour: red\n", `permanence.yaml:9:1: colour: unknown key "colour": expected one of name, language, timezone, database, web, adapters, desks, status`},
		{"a pattern that is none", minimal + "    invites: [\"tchat:[\"]\n", `permanence.yaml:9:15: desks.support.invites[0]: "[": expected adapter:account, where * stands for anything, such as "matrix:@*:example.org"`},
		{"unknown key in a desk", minimal + "    agent: []\n", `permanence.yaml:9:5: desks.support.agent: unknown key "agent": did you mean "agents"?`},
		{"unknown key in an adapter", replace("listen: {smtp:", "listen: {smpt:"), `permanence.yaml:3:32: adapters.mail.listen.smpt: unknown key "smpt": did you mean "smtp"?`},
		{"a list where a text should be", replace("name: Test", "name: [Test]"), `permanence.yaml:1:7: name: expected a text`},
		{"a text where a list should be", replace(`["tchat:equipe"]`, "tchat:equipe"), `permanence.yaml:7:12: desks.support.rooms: expected a list, such as ["one", "two"]`},
		{"a text where keys should be", minimal + "web: 8080\n", `permanence.yaml:9:6: web: expected keys below it: listen, url`},
		{"a word for true", minimal + "    observe: oui\n", `permanence.yaml:9:14: desks.support.observe: expected true or false`},
		{"unknown language", minimal + "language: de\n", `permanence.yaml:9:11: language: "de": expected fr or en`},
		{"unknown zone", minimal + "timezone: Europe/Pari\n", `permanence.yaml:9:11: timezone: "Europe/Pari": expected a time zone such as Europe/Paris`},
		{"a duration without unit", minimal + "    hold: {mail: 30}\n", `permanence.yaml:9:18: desks.support.hold.mail: expected a length of time such as "30s", "5m", "2h" or "3d"`},
		{"a negative duration", minimal + "    claim: -3h\n", `permanence.yaml:9:12: desks.support.claim: expected a length of time such as "30s", "5m", "2h" or "3d"`},
		{"no type", replace("type: playground", "dress: full"), `permanence.yaml:4:10: adapters.tchat: type is missing: expected one of email, irc, matrix, mattermost, playground`},
		{"unknown type", replace("type: playground", "type: telegram"), `permanence.yaml:4:17: adapters.tchat.type: unknown type "telegram": expected one of email, irc, matrix, mattermost, playground`},
		{"misspelt type", replace("type: email", "type: emial"), `permanence.yaml:3:16: adapters.mail.type: unknown type "emial": did you mean "email"?`},
		{"a bad name of an adapter", replace("  tchat:", "  Tchat:"), `permanence.yaml:4:3: adapters.Tchat: "Tchat": a name has lower-case letters, digits and - only`},
		{"unknown adapter", replace(`"tchat:equipe"`, `"chat:equipe"`), `permanence.yaml:7:13: desks.support.rooms[0]: "chat:equipe": unknown adapter "chat": did you mean "tchat"?`},
		{"no room", replace(`"tchat:equipe"`, `"equipe"`), `permanence.yaml:7:13: desks.support.rooms[0]: "equipe": expected adapter:room, such as mail:support@example.org`},
		{"a loop", replace(`"mail:support@example.org"`, `"tchat:equipe"`), `permanence.yaml:8:15: desks.support.intakes[0]: "tchat:equipe" is already a team room of desk support (desks.support.rooms[0]): what the team says inside would come out, and come in again as a request. Use two rooms`},
		{"incidents told to the team room", minimal + "status: {rooms: [\"tchat:equipe\"]}\n", `permanence.yaml:9:18: status.rooms[0]: "tchat:equipe" is already a team room of desk support (desks.support.rooms[0]): what the team says inside would come out, and come in again as a request. Use two rooms`},
		{"a room of two desks", minimal + "  billing:\n    rooms: [\"tchat:equipe\"]\n    intakes: [\"mail:billing@example.org\"]\n", `permanence.yaml:10:13: desks.billing.rooms[0]: "tchat:equipe" is already a team room of desk support (desks.support.rooms[0]): a room belongs to one desk and has one side`},
		{"a role address of a chat network", replace(`"mail:support@example.org"`, `"tchat:support@example.org"`), `permanence.yaml:8:15: desks.support.intakes[0]: "tchat:support@example.org": tchat is of type playground and carries no mail: a role address needs an adapter of type email`},
		{"a room of a mail adapter", replace(`"tchat:equipe"`, `"mail:equipe@example.org"`), `permanence.yaml:7:13: desks.support.rooms[0]: "mail:equipe@example.org": mail carries mail and has no rooms to talk in: expected a room of a chat network`},
		{"no address", replace(`"mail:support@example.org"`, `"mail:support"`), `permanence.yaml:8:15: desks.support.intakes[0]: "mail:support": expected a mail address after mail:, such as mail:support@example.org`},
		{"unknown rule", replace(`"mail:support@example.org"`, `{from: "tchat:entraide", opens: mentions}`), `permanence.yaml:8:47: desks.support.intakes[0].opens: unknown rule "mentions": did you mean "mention"?`},
		{"a rule for mail", replace(`"mail:support@example.org"`, `{from: "mail:support@example.org", opens: mention}`), `permanence.yaml:8:15: desks.support.intakes[0]: opens and closed are for chat rooms: each mail to a role address opens a ticket, and only the people written to read it`},
		{"an adapter that nobody uses", replace("  tchat:", "  irc: {type: playground}\n  tchat:"), `permanence.yaml:4:8: adapters.irc: no desk and no status room uses it: name one of its rooms (irc:…), or remove it`},
		{"a secret in the file", replace("{type: email,", "{type: email, imap: {password: hunter2},"), `permanence.yaml:3:30: adapters.mail.imap.password: a secret does not stand in the configuration: put it into a file that only permanence may read and write password_file: FILE, or into the environment and write password: ${NAME}`},
		{"a variable that is not set", minimal + "database: ${NOWHERE}\n", `permanence.yaml:9:11: database: the environment variable NOWHERE is not set`},
		{"not a variable", minimal + "database: ${not a name}\n", `permanence.yaml:9:11: database: "${not a name}": expected the name of an environment variable, such as ${IMAP_PASSWORD}`},
		{"not a database", minimal + "database: mysql://root:hunter2@localhost\n", `permanence.yaml:9:11: database: expected sqlite:FILE, or postgres://user@host/name`},
		{"a playground for the whole world", minimal + "web: {listen: \"0.0.0.0:80\"}\n", `permanence.yaml:9:15: web.listen: "0.0.0.0:80": the playground lets anybody act as anybody, so beside it only an address of this machine is possible, such as 127.0.0.1:8080`},
		{"not a web address", minimal + "web: {url: aide.example.org}\n", `permanence.yaml:9:12: web.url: "aide.example.org": expected an address such as https://aide.example.org`},
		{"a component twice", minimal + "status: {components: [{id: web, name: Web}, {id: web, name: Sites}]}\n", `permanence.yaml:9:50: status.components[1].id: "web" is used twice`},
		{"a language twice", minimal + "status: {languages: [fr, fr]}\n", `permanence.yaml:9:26: status.languages[1]: "fr" is there twice`},
		{"a language that there is not", minimal + "status: {languages: [fr, de]}\n", `permanence.yaml:9:26: status.languages[1]: "de": expected fr or en`},
		{"languages without the first one", minimal + "status: {languages: [en]}\n", `permanence.yaml:9:21: status.languages: announcements are written in fr first (status.language): name it here too, such as [fr, en]`},
		{"no stretch of the day", minimal + "status: {reminders: {quiet: 22h-7h}}\n", `permanence.yaml:9:29: status.reminders.quiet: expected two times of day such as "22:00-07:00", or none`},
		{"a surge of one", minimal + "status: {surge: {requests: 1}}\n", `permanence.yaml:9:28: status.surge.requests: expected 0 for no proposals, or at least 2, such as 3`},
		{"a stretch without length", minimal + "status: {reminders: {quiet: \"22:00-22:00\"}}\n", `permanence.yaml:9:29: status.reminders.quiet: expected two times of day such as "22:00-07:00", or none`},
		{"a reminder far before", minimal + "status: {reminders: {before: 2d}}\n", `permanence.yaml:9:30: status.reminders.before: a promised word is at most some hours away: expected 24h at most, such as 5m`},
		{"reminders without end", minimal + "status: {reminders: {repeat: 5s}}\n", `permanence.yaml:9:30: status.reminders.repeat: expected 1m at least, such as 1h; or 0s for never`},
		{"a push of nothing", minimal + "status: {export: {push: [rsync]}}\n", `permanence.yaml:9:25: status.export.push: status.export.folder is missing: expected the folder into which the page is written`},
		{"a command for a shell", minimal + "status: {export: {folder: x, push: [\"rsync -a ./ web:/srv\"]}}\n", `permanence.yaml:9:36: status.export.push: there is no shell: expected a program, then each of its arguments on its own, such as ["rsync", "-a", "./", "web:/srv"]`},
		{"a command as a text", minimal + "status: {export: {folder: x, push: rsync -a}}\n", `permanence.yaml:9:36: status.export.push: expected a list, such as ["one", "two"]`},
		{"no program", minimal + "status: {export: {folder: x, push: [\"\"]}}\n", `permanence.yaml:9:37: status.export.push[0]: expected a program, then each of its arguments on its own, such as ["rsync", "-a", "--delete", "./", "web@mirror.example.org:status/"]`},
		{"no time for it", minimal + "status: {export: {folder: x, timeout: 0s}}\n", `permanence.yaml:9:39: status.export.timeout: expected between 1s and 1h, such as 60s`},
		{"not an address", minimal + "status: {export: {folder: x, url: etat.example.org}}\n", `permanence.yaml:9:35: status.export.url: "etat.example.org": expected an address such as https://etat.example.org`},
		{"an export that has no address", minimal + "web: {listen: none}\nstatus: {export: {folder: x}}\n", `permanence.yaml:10:18: status.export.url: is missing: without a web server (web.listen: none), expected the address at which people read the files, such as https://etat.example.org`},
		{"several at once", replace("name: Test", "name: \"\"") + "language: de\n", `
permanence.yaml:1:7: name: is missing: expected the name of the association, as people outside know it
permanence.yaml:9:11: language: "de": expected fr or en`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(t, tt.file, nil)
			if err == nil {
				t.Fatal("loaded, want an error")
			}
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error repeats a secret")
			}
		})
	}
}

func TestSecretsFromTheEnvironment(t *testing.T) {
	l, err := parse(t, strings.Replace(minimal, "{type: email,", "{type: email, smtp: {server: localhost, user: me, password: \"${SMTP_PASS}\"},", 1), map[string]string{"SMTP_PASS": "hunter2"})
	if err != nil {
		t.Fatal(err)
	}
	mail, _ := l.Adapters.find("mail")
	if got := mail.Config.(*mailConfig).SMTP.Password; got != "hunter2" {
		t.Errorf("password = %q", got)
	}
}

func TestParseDuration(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want time.Duration
		ok   bool
	}{
		{"30s", 30 * time.Second, true},
		{"1h30m", 90 * time.Minute, true},
		{"3d", 72 * time.Hour, true},
		{"0s", 0, true},
		{"", 0, false},
		{"30", 0, false},
		{"-1s", 0, false},
		{"d", 0, false},
		{"99999d", 0, false},
		{"900000h", 0, false},
	} {
		got, err := parseDuration(tt.in)
		if time.Duration(got) != tt.want || (err == nil) != tt.ok {
			t.Errorf("parseDuration(%q) = %v, %v", tt.in, time.Duration(got), err)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(minimal)
	f.Add("name: ${X}\ndesks: {a: *b}\n")
	f.Add("<<: {}\nadapters: [1]\n? {a: b}\n: c\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDocument("f.yaml", []byte(text), func(string) (string, bool) { return "v", true })
		if err != nil {
			return
		}
		load(d) // whatever the text is, it loads or gives an error
	})
}
