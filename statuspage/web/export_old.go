package web

import (
	"bytes"
	"context"
	"strconv"

	"permanence/statuspage"
)

// exportOld adds the addresses that lead elsewhere, as pages that send on, for
// files cannot answer as a server does: planned work under a name of its own, those of other software ("/task/42", "/42"), an incident by its
// opaque identifier, and the documents of FlySpray's feed.php by topic and
// format, for a web server to choose from ("flyspray/open.atom").
func (s *Site) exportOld(ctx context.Context, list []statuspage.PublicIncident, add func(name string, body []byte) error) error {
	send := func(from, to string) error {
		var b bytes.Buffer
		v := view{lang: s.lang}
		err := s.pages.ExecuteTemplate(&b, "old.html", struct{ Lang, Name, To, Canonical string }{s.lang, s.name, s.address(v, to), s.absolute(v, to)})
		if err != nil {
			return err
		}
		return add(from+"/index.html", b.Bytes())
	}
	if err := send("api", "/follow"); err != nil {
		return err
	}
	for i := range list {
		number := strconv.FormatInt(list[i].Number, 10)
		for _, from := range []string{number, "task/" + number, "travaux/" + number, "incidents/" + list[i].UID} {
			if from == "incidents/" {
				continue
			}
			if err := send(from, incidentPath(list[i].Number)); err != nil {
				return err
			}
		}
	}
	for _, topic := range []string{"open", "edit", "clo"} {
		for form, ending := range map[string]string{"atom": "atom", "rss2": "rss", "rss1": "rdf"} {
			err := s.exportOne(ctx, view{lang: s.lang}, "/feed.php?feed_type="+form+"&topic="+topic, "flyspray/"+topic+"."+ending, add)
			if err != nil {
				return err
			}
		}
	}
	return nil
}
