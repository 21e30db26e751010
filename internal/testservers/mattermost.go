package testservers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// MattermostServer is a Mattermost (Team Edition) on PostgreSQL, with bots,
// access tokens and incoming webhooks allowed, and without plugins.
type MattermostServer struct {
	// URL is http://127.0.0.1:port, which is its SiteURL too.
	URL string
	// AdminToken is a session of its administrator.
	AdminToken string
	// Log is the path of the server's log.
	Log string

	bin, database string
	port          int
	env           []string
	dir           *watchedDir
	proc          *process
	number        atomic.Int64 // of names made
}

// sharedMattermost is the Mattermost that the tests of one process share:
// starting one, with its migrations, takes ten seconds.
type sharedMattermost struct {
	once   sync.Once
	server *MattermostServer
	err    error
}

var mattermost sharedMattermost

// MattermostPassword is the password of everybody whom User makes.
const MattermostPassword = "mot-de-passe-1"

// Mattermost gives the Mattermost server that the tests of this process share;
// each test makes teams and people of its own in it. A test that stops it
// starts it again.
func Mattermost(t testing.TB) *MattermostServer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	bin, err := Build(ctx, "mattermost")
	if err != nil {
		Need(t, "the chat server Mattermost", fmt.Sprintf("it is built by `go run ./internal/testservers/prebuild`, which needs the Go module proxy once; now it failed: %v", err))
	}
	mattermost.once.Do(func() {
		shared.once.Do(func() { shared.server, shared.err = startPostgres(false) })
		if shared.err != nil {
			mattermost.err = shared.err
			return
		}
		mattermost.server, mattermost.err = newMattermost(ctx, bin, shared.server)
	})
	if err := mattermost.err; err != nil {
		if errors.Is(err, errNoPostgres) {
			needPostgres(t, err)
		}
		t.Fatalf("start mattermost: %v", err)
	}
	return mattermost.server
}

func newMattermost(ctx context.Context, bin string, db *PostgresServer) (*MattermostServer, error) {
	const database = "mattermost"
	if err := db.exec(ctx, "CREATE DATABASE "+database); err != nil {
		return nil, fmt.Errorf("create database: %w", err)
	}
	dir, err := newWatchedDir("mattermost")
	if err != nil {
		return nil, err
	}
	m := &MattermostServer{Log: filepath.Join(dir.path, "server.log"), bin: bin, database: db.url(database), dir: dir}
	if err := m.prepare(ctx); err != nil {
		return nil, errors.Join(err, dir.close())
	}
	for range 5 { // a port that was free may be taken meanwhile
		var ports []int
		if ports, err = freePorts(1); err != nil {
			break
		}
		m.port = ports[0]
		m.URL = fmt.Sprintf("http://127.0.0.1:%d", m.port)
		if err = m.Start(); err == nil {
			break
		}
	}
	if err == nil {
		err = m.makeAdmin(ctx)
	}
	if err != nil {
		m.Stop()
		return nil, errors.Join(err, dir.close())
	}
	return m, nil
}

// prepare lays out what the server wants in its working directory: its own
// folders, taken from its module, and a page that is never shown.
func (m *MattermostServer) prepare(ctx context.Context) error {
	src, err := sourceDir()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/mattermost/mattermost/server/v8")
	cmd.Dir = filepath.Join(src, "mattermost")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("find the module of mattermost: %w", err)
	}
	module := strings.TrimSpace(string(out))
	if module == "" {
		return errors.New("the module of mattermost is not downloaded: run `go mod download` in internal/testservers/mattermost")
	}
	for _, name := range []string{"i18n", "templates", "fonts"} {
		if err := os.Symlink(filepath.Join(module, name), filepath.Join(m.dir.path, name)); err != nil {
			return err
		}
	}
	for _, name := range []string{"client", "config", "data", "logs"} {
		if err := os.Mkdir(filepath.Join(m.dir.path, name), 0o755); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(m.dir.path, "client", "root.html"), nil, 0o644)
}

// settings are the server's, as its environment gives them.
func (m *MattermostServer) settings() []string {
	var env []string
	for name, value := range map[string]string{
		"SQLSETTINGS_DRIVERNAME":                              "postgres",
		"SQLSETTINGS_DATASOURCE":                              m.database,
		"SERVICESETTINGS_LISTENADDRESS":                       fmt.Sprintf("127.0.0.1:%d", m.port),
		"SERVICESETTINGS_SITEURL":                             m.URL,
		"SERVICESETTINGS_ENABLELOCALMODE":                     "false",
		"SERVICESETTINGS_ENABLEBOTACCOUNTCREATION":            "true",
		"SERVICESETTINGS_ENABLEUSERACCESSTOKENS":              "true",
		"SERVICESETTINGS_ENABLEINCOMINGWEBHOOKS":              "true",
		"SERVICESETTINGS_ENABLEPOSTUSERNAMEOVERRIDE":          "true",
		"SERVICESETTINGS_ENABLECOMMANDS":                      "true",
		"SERVICESETTINGS_ENABLECUSTOMEMOJI":                   "true",
		"SERVICESETTINGS_ALLOWEDUNTRUSTEDINTERNALCONNECTIONS": "127.0.0.1",
		"SERVICESETTINGS_ENABLESECURITYFIXALERT":              "false",
		"SERVICESETTINGS_ENABLEAPICHANNELDELETION":            "true",
		"TEAMSETTINGS_ENABLEOPENSERVER":                       "true",
		"TEAMSETTINGS_MAXUSERSPERTEAM":                        "500",
		"PASSWORDSETTINGS_MINIMUMLENGTH":                      "8",
		"PLUGINSETTINGS_ENABLE":                               "false",
		"RATELIMITSETTINGS_ENABLE":                            "false",
		"EMAILSETTINGS_SENDEMAILNOTIFICATIONS":                "false",
		"EMAILSETTINGS_SENDPUSHNOTIFICATIONS":                 "false",
		"EMAILSETTINGS_ENABLEEMAILBATCHING":                   "false",
		"ANNOUNCEMENTSETTINGS_ADMINNOTICESENABLED":            "false",
		"ANNOUNCEMENTSETTINGS_USERNOTICESENABLED":             "false",
		"LOGSETTINGS_ENABLEFILE":                              "false",
		"LOGSETTINGS_ENABLECONSOLE":                           "true",
		"LOGSETTINGS_CONSOLELEVEL":                            "WARN",
		"LOGSETTINGS_ENABLEDIAGNOSTICS":                       "false",
		"FILESETTINGS_DIRECTORY":                              filepath.Join(m.dir.path, "data"),
		"METRICSSETTINGS_ENABLE":                              "false",
	} {
		env = append(env, "MM_"+name+"="+value)
	}
	return append(env, m.env...)
}

// Start starts the server (again, after Stop), on the same port, and waits
// until it answers.
func (m *MattermostServer) Start() error {
	cmd := exec.Command(m.bin, "server", "--config", filepath.Join(m.dir.path, "config", "config.json"))
	cmd.Dir = m.dir.path
	cmd.Env = append(os.Environ(), m.settings()...)
	var err error
	m.proc, err = startProcess(cmd, m.dir, "mattermost", m.Log, fmt.Sprintf("127.0.0.1:%d", m.port))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := m.Call(ctx, "", "GET", "/api/v4/system/ping", nil, nil)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w\n%s", err, tail(m.Log))
		case <-m.proc.gone:
			return fmt.Errorf("the server ended\n%s", tail(m.Log))
		case <-tick.C:
		}
	}
}

// Stop ends the server as a crash does; what it stored is kept.
func (m *MattermostServer) Stop() { m.proc.end() }

// StartWith is Start with settings ("MM_RATELIMITSETTINGS_ENABLE=true") until
// the next Start.
func (m *MattermostServer) StartWith(settings ...string) error {
	m.env = settings
	defer func() { m.env = nil }()
	return m.Start()
}

// Pid is the server's process.
func (m *MattermostServer) Pid() int { return m.proc.cmd.Process.Pid }

// MattermostError is what the server answers when it refuses.
type MattermostError struct {
	Status  int    `json:"-"`
	ID      string `json:"id"`
	Message string `json:"message"`
}

func (e *MattermostError) Error() string { return fmt.Sprintf("%d %s %s", e.Status, e.ID, e.Message) }

// Call speaks to the server's REST API: token may be empty, in and out may be
// nil. A refusal is a *MattermostError.
func (m *MattermostServer) Call(ctx context.Context, token, method, path string, in, out any) error {
	_, err := m.call(ctx, token, method, path, in, out)
	return err
}

func (m *MattermostServer) call(ctx context.Context, token, method, path string, in, out any) (http.Header, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, m.URL+path, body)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		e := &MattermostError{Status: resp.StatusCode}
		if json.Unmarshal(data, e) != nil {
			e.Message = string(data)
		}
		return nil, fmt.Errorf("%s %s: %w", method, path, e)
	}
	if out == nil {
		return resp.Header, nil
	}
	return resp.Header, json.Unmarshal(data, out)
}

// makeAdmin makes the first user, who becomes administrator.
func (m *MattermostServer) makeAdmin(ctx context.Context) error {
	admin := mattermostUser{Username: "administration", Email: "administration@example.org", Password: MattermostPassword}
	if err := m.Call(ctx, "", "POST", "/api/v4/users", admin, nil); err != nil {
		return err
	}
	var err error
	m.AdminToken, err = m.Login(ctx, admin.Username)
	return err
}

type mattermostUser struct {
	ID       string `json:"id,omitempty"`
	Username string `json:"username"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

// Login opens a session for somebody whom User made.
func (m *MattermostServer) Login(ctx context.Context, username string) (token string, err error) {
	header, err := m.call(ctx, "", "POST", "/api/v4/users/login",
		map[string]string{"login_id": username, "password": MattermostPassword}, nil)
	if err != nil {
		return "", err
	}
	return header.Get("Token"), nil
}

// MattermostAccount is a user or a bot.
type MattermostAccount struct {
	ID, Username, Token string
}

// name makes one that nobody has yet; names of one prefix sort by age, and none
// is the beginning of another.
func (m *MattermostServer) name(prefix string) string {
	return fmt.Sprintf("%s%04d", prefix, m.number.Add(1))
}

// admin does something as administrator that must succeed.
func (m *MattermostServer) admin(t testing.TB, method, path string, in, out any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := m.Call(ctx, m.AdminToken, method, path, in, out); err != nil {
		t.Fatalf("mattermost: %v", err)
	}
}

// User makes a person, who is in no team yet; the name begins with prefix.
func (m *MattermostServer) User(t testing.TB, prefix string) MattermostAccount {
	t.Helper()
	u := mattermostUser{Username: m.name(prefix), Password: MattermostPassword}
	u.Email = u.Username + "@example.org"
	m.admin(t, "POST", "/api/v4/users", u, &u)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	token, err := m.Login(ctx, u.Username)
	if err != nil {
		t.Fatalf("mattermost: log in: %v", err)
	}
	return MattermostAccount{ID: u.ID, Username: u.Username, Token: token}
}

// Bot makes a bot with a token; it is in no team yet.
func (m *MattermostServer) Bot(t testing.TB, prefix string) MattermostAccount {
	t.Helper()
	var bot struct {
		ID string `json:"user_id"`
	}
	var token struct{ Token string }
	username := m.name(prefix)
	m.admin(t, "POST", "/api/v4/bots", map[string]string{"username": username, "display_name": "Permanence"}, &bot)
	m.admin(t, "POST", "/api/v4/users/"+bot.ID+"/tokens", map[string]string{"description": "test"}, &token)
	return MattermostAccount{ID: bot.ID, Username: username, Token: token.Token}
}

// Team makes a team with these people in it and gives its ID and name.
func (m *MattermostServer) Team(t testing.TB, members ...MattermostAccount) (id, name string) {
	t.Helper()
	name = m.name("equipe")
	var team struct{ ID string }
	m.admin(t, "POST", "/api/v4/teams", map[string]string{"name": name, "display_name": name, "type": "O"}, &team)
	for _, a := range members {
		m.admin(t, "POST", "/api/v4/teams/"+team.ID+"/members", map[string]string{"team_id": team.ID, "user_id": a.ID}, nil)
	}
	return team.ID, name
}

// Channel makes a public channel ("O") or a private one ("P") with these
// people in it, who must be in the team.
func (m *MattermostServer) Channel(t testing.TB, team, name, kind string, members ...MattermostAccount) (id string) {
	t.Helper()
	var channel struct{ ID string }
	m.admin(t, "POST", "/api/v4/channels", map[string]string{"team_id": team, "name": name, "display_name": name, "type": kind}, &channel)
	for _, a := range members {
		m.admin(t, "POST", "/api/v4/channels/"+channel.ID+"/members", map[string]string{"user_id": a.ID}, nil)
	}
	return channel.ID
}

// Admin does something as administrator that must succeed.
func (m *MattermostServer) Admin(t testing.TB, method, path string, in, out any) {
	t.Helper()
	m.admin(t, method, path, in, out)
}
