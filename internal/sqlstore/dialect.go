package sqlstore

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/lib/pq"
	modernc "modernc.org/sqlite"
)

type dialect int

const (
	sqlite dialect = iota
	postgres
)

func (d dialect) String() string {
	if d == postgres {
		return "postgres"
	}
	return "sqlite"
}

// source is where the data is.
type source struct {
	dialect dialect
	path    string   // of the SQLite file
	url     *url.URL // of PostgreSQL, with sslmode
}

// String is the source without its password.
func (s source) String() string {
	if s.dialect == sqlite {
		return s.path
	}
	return s.url.Redacted()
}

func parseURL(text string) (source, error) {
	if path, ok := strings.CutPrefix(text, "sqlite:"); ok {
		if path == "" {
			return source{}, errors.New(`database "sqlite:" names no file; write for example "sqlite:permanence.db"`)
		}
		return source{dialect: sqlite, path: path}, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		// The text may hold a password: it is not repeated.
		return source{}, errors.New(`the database is neither "sqlite:PATH" nor "postgres://user@host/name"`)
	}
	query := u.Query()
	if query.Get("sslmode") == "" {
		// lib/pq is about to change its default, and a network that is not ours
		// may not read along.
		mode := "require"
		if isLocal(u, query) {
			mode = "disable"
		}
		query.Set("sslmode", mode)
		u.RawQuery = query.Encode()
	}
	return source{dialect: postgres, url: u}, nil
}

// isLocal reports whether the server is on this machine.
func isLocal(u *url.URL, query url.Values) bool {
	host := u.Hostname()
	if h := query.Get("host"); h != "" {
		host = h
	}
	if host == "" || host == "localhost" || strings.HasPrefix(host, "/") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// connectors gives the way to writing and to reading connections.
func (s source) connectors() (write, read driver.Connector, err error) {
	if s.dialect == sqlite {
		if err := s.createFile(); err != nil {
			return nil, nil, err
		}
		if write, err = modernc.NewConnector(sqliteDSN(s.path, "_txlock=immediate")); err != nil {
			return nil, nil, err
		}
		read, err = modernc.NewConnector(sqliteDSN(s.path, "_pragma=query_only(1)"))
		return write, read, err
	}
	// A frozen leader's open transaction ends by itself (lease.go); readers may
	// take their time.
	if write, err = s.postgresConnector("idle_in_transaction_session_timeout", "2000"); err != nil {
		return nil, nil, err
	}
	read, err = s.postgresConnector("", "")
	return write, read, err
}

// sqliteDSN names a file with the settings that each connection needs.
// synchronous=FULL makes a commit survive a power cut; secure_delete overwrites
// what is erased.
func sqliteDSN(path string, more ...string) string {
	settings := append([]string{
		"_pragma=busy_timeout(5000)",
		"_pragma=journal_mode(WAL)",
		"_pragma=synchronous(FULL)",
		"_pragma=foreign_keys(1)",
		"_pragma=secure_delete(1)",
		"_pragma=journal_size_limit(67108864)",
	}, more...)
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + strings.Join(settings, "&")
}

// createFile makes an empty file that only we may read: SQLite would follow
// the umask, and gives its helpers (-wal, -shm) the rights of the file.
func (s source) createFile() error {
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("the folder %s does not exist: create it, or change `database` in the configuration", filepath.Dir(s.path))
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("no right to write %s: give the file and its folder to the user that runs permanence", s.path)
	case err != nil:
		return err
	}
	return f.Close()
}

func (s source) postgresConnector(setting, value string) (driver.Connector, error) {
	u := *s.url
	query := u.Query()
	if query.Get("connect_timeout") == "" {
		query.Set("connect_timeout", "5")
	}
	if query.Get("application_name") == "" {
		query.Set("application_name", "permanence")
	}
	if setting != "" {
		query.Set(setting, value)
	}
	u.RawQuery = query.Encode()
	c, err := pq.NewConnector(u.String())
	if err != nil {
		return nil, err // lib/pq's errors do not hold the password
	}
	return c, nil
}

// libraryPath is the second file for libraries with tables of their own:
// permanence.db becomes permanence-adapters.db.
func (s source) libraryPath() string {
	ext := filepath.Ext(s.path)
	return strings.TrimSuffix(s.path, ext) + "-adapters" + ext
}

// libraryConnector connects libraries: nothing between them and the driver.
func (s source) libraryConnector() (driver.Connector, error) {
	if s.dialect == postgres {
		return s.postgresConnector("", "")
	}
	lib := source{dialect: sqlite, path: s.libraryPath()}
	if err := lib.createFile(); err != nil {
		return nil, err
	}
	return modernc.NewConnector(sqliteDSN(lib.path, "_txlock=immediate"))
}
