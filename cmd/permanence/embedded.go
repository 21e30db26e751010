package main

import (
	_ "embed"
	"path/filepath"
)

// embeddedYAML is what `serve` without a configuration and `demo` run.
//
//go:embed embedded.yaml
var embeddedYAML []byte

// embeddedOptions are what differs between them.
type embeddedOptions struct {
	Dir      string // of the data
	Database string // file name in Dir
	Language string
	Web      string // host:port
	SMTP     string // host:port
	Hold     string
	Others   string // the hold of a colleague's words
}

// embeddedDefaults are those of `serve` without a configuration.
func embeddedDefaults() embeddedOptions {
	return embeddedOptions{Dir: ".", Database: "permanence.db", Language: "fr",
		Web: "127.0.0.1:8080", SMTP: "127.0.0.1:2525", Hold: "30s", Others: "2m"}
}

// embeddedConfig loads the embedded configuration.
func embeddedConfig(o embeddedOptions) (*Loaded, error) {
	vars := map[string]string{
		"DATABASE": o.Database, "LANGUAGE": o.Language, "WEB": o.Web, "SMTP": o.SMTP, "HOLD": o.Hold, "OTHERS": o.Others,
		"NAME": "Hébergeur associatif", "JOURNAL": o.Database + ".playground",
		"MAIL": "Messagerie", "WEBSITES": "Sites web",
	}
	if o.Language == "en" {
		vars["NAME"], vars["MAIL"], vars["WEBSITES"] = "Community Hosting", "Mail", "Web sites"
	}
	d, err := parseDocument(filepath.Join(o.Dir, "(embedded configuration)"), embeddedYAML, func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	})
	if err != nil {
		return nil, err
	}
	l, err := load(d)
	if err != nil {
		return nil, err
	}
	l.File = ""
	return l, nil
}
