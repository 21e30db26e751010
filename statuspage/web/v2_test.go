package web

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"permanence/statuspage"
)

// shape says of each field of an object what stands there: every field must be
// there, and no other. A question mark allows null.
type shape map[string]string

// v2Shapes are the objects of the Statuspage API v2, as its documents in the
// field have them.
func v2Shapes() map[string]shape {
	incident := shape{
		"id": "id", "name": "string", "status": "investigating|identified|monitoring|resolved|postmortem",
		"created_at": "time", "updated_at": "time", "monitoring_at": "time?", "resolved_at": "time?",
		"impact": "none|minor|major|critical|maintenance", "shortlink": "url", "started_at": "time", "page_id": "id",
		"incident_updates": "[]update", "components": "[]component", "reminder_intervals": "string?",
	}
	maintenance := maps.Clone(incident)
	maintenance["status"] = "scheduled|in_progress|verifying|completed"
	maintenance["impact"] = "maintenance"
	maintenance["scheduled_for"], maintenance["scheduled_until"] = "time", "time"
	states := incident["status"] + "|" + maintenance["status"]
	return map[string]shape{
		"page": {"id": "id", "name": "string", "url": "url", "time_zone": "string", "updated_at": "time"},
		"overall": {"indicator": "none|minor|major|critical|maintenance",
			"description": "All Systems Operational|Minor Service Outage|Partially Degraded Service|Partial System Outage|Major Service Outage|Service Under Maintenance"},
		"component": {
			"id": "id", "name": "string", "status": "operational|degraded_performance|partial_outage|major_outage|under_maintenance",
			"created_at": "time", "updated_at": "time", "position": "int", "description": "string?", "showcase": "bool",
			"start_date": "date?", "group_id": "id?", "page_id": "id", "group": "bool", "only_show_if_degraded": "bool",
		},
		"incident": incident, "maintenance": maintenance,
		"update": {
			"id": "id", "status": states, "body": "string", "incident_id": "id", "created_at": "time", "updated_at": "time", "display_at": "time",
			"affected_components": "[]affected?", "deliver_notifications": "bool", "custom_tweet": "string?", "tweet_id": "string?",
		},
		"affected": {"code": "id", "name": "string", "old_status": "string", "new_status": "string"},

		"summary.json": {"page": "{page}", "components": "[]component", "incidents": "[]incident",
			"scheduled_maintenances": "[]maintenance", "status": "{overall}"},
		"status.json":                          {"page": "{page}", "status": "{overall}"},
		"components.json":                      {"page": "{page}", "components": "[]component"},
		"incidents.json":                       {"page": "{page}", "incidents": "[]incident"},
		"incidents/unresolved.json":            {"page": "{page}", "incidents": "[]incident"},
		"scheduled-maintenances.json":          {"page": "{page}", "scheduled_maintenances": "[]maintenance"},
		"scheduled-maintenances/upcoming.json": {"page": "{page}", "scheduled_maintenances": "[]maintenance"},
		"scheduled-maintenances/active.json":   {"page": "{page}", "scheduled_maintenances": "[]maintenance"},
	}
}

type shapes struct {
	t   complaints
	all map[string]shape
}

// complaints are a test's, or what a test of the shapes themselves counts.
type complaints interface {
	Helper()
	Errorf(format string, args ...any)
}

func (s shapes) object(where, name string, raw json.RawMessage) {
	s.t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		s.t.Errorf("%s: %v", where, err)
		return
	}
	want := s.all[name]
	have, should := slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(want))
	if !slices.Equal(have, should) {
		s.t.Errorf("%s has the fields %q, want %q", where, have, should)
	}
	for field, raw := range fields {
		s.value(where+"."+field, want[field], raw)
	}
}

func (s shapes) value(where, spec string, raw json.RawMessage) {
	s.t.Helper()
	if may, ok := strings.CutSuffix(spec, "?"); ok {
		if string(raw) == "null" {
			return
		}
		spec = may
	}
	if name, ok := strings.CutPrefix(spec, "[]"); ok {
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil || list == nil {
			s.t.Errorf("%s is no list: %s", where, raw)
		}
		for _, one := range list {
			s.object(where+"[]", name, one)
		}
		return
	}
	if strings.HasPrefix(spec, "{") {
		s.object(where, strings.Trim(spec, "{}"), raw)
		return
	}
	switch spec {
	case "bool":
		var b bool
		if string(raw) == "null" || json.Unmarshal(raw, &b) != nil {
			s.t.Errorf("%s: %s", where, raw)
		}
		return
	case "int":
		var n int
		if string(raw) == "null" || json.Unmarshal(raw, &n) != nil {
			s.t.Errorf("%s: %s", where, raw)
		}
		return
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil || string(raw) == "null" {
		s.t.Errorf("%s is no text: %s", where, raw)
		return
	}
	ok := text != ""
	switch spec {
	case "string":
	case "id":
		ok = regexp.MustCompile(`^[0-9a-z_-]+$`).MatchString(text)
	case "time":
		_, err := time.Parse("2006-01-02T15:04:05.000Z", text)
		ok = err == nil
	case "date":
		_, err := time.Parse(time.DateOnly, text)
		ok = err == nil
	case "url":
		u, err := url.Parse(text)
		ok = err == nil && u.Scheme == "https" && u.Host != ""
	default:
		ok = slices.Contains(strings.Split(spec, "|"), text)
	}
	if !ok {
		s.t.Errorf("%s is no %s: %q", where, spec, text)
	}
}

func weekFixture(t testing.TB, list []statuspage.PublicIncident) *fixture {
	t.Helper()
	f := newFixture(t, list)
	f.site.components = weekComponents()
	return f
}

func TestV2(t *testing.T) {
	for _, f := range []*fixture{weekFixture(t, week()), weekFixture(t, nil)} {
		for _, name := range v2Documents() {
			w := f.get("/api/v2/"+name, "Accept-Language", "en")
			if w.Code != 200 || w.Header().Get("Content-Type") != "application/json; charset=utf-8" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s: %d %v", name, w.Code, w.Header())
			}
			shapes{t, v2Shapes()}.object(name, name, w.Body.Bytes())
		}
	}
}

// counted counts complaints.
type counted int

func (*counted) Helper()                 {}
func (c *counted) Errorf(string, ...any) { *c++ }

// The shapes forgive nothing: a field too many, one too few, one that is null,
// of another type, or not in its list, wherever it stands.
func TestV2ShapesAreStrict(t *testing.T) {
	f := weekFixture(t, week())
	for _, c := range []struct{ name, document, from, to string }{
		{"as it is", "summary.json", "", ""},
		{"one more", "status.json", `"page":{`, `"page":{"extra":1,`},
		{"one less", "status.json", `"time_zone":"Europe/Paris",`, ``},
		{"another name", "status.json", `"time_zone"`, `"timezone"`},
		{"null", "status.json", `"indicator":"major"`, `"indicator":null`},
		{"another word", "status.json", `"indicator":"major"`, `"indicator":"serious"`},
		{"French", "status.json", `Partial System Outage`, `Panne partielle`},
		{"a number as text", "components.json", `"position":1`, `"position":"1"`},
		{"a flag as a number", "components.json", `"showcase":false`, `"showcase":0`},
		{"no list", "incidents.json", `"components":[`, `"components":null,"more":[`},
		{"in an update", "incidents.json", `"deliver_notifications":true,`, ``},
		{"in what it affected", "incidents.json", `"old_status"`, `"before"`},
		{"a time without milliseconds", "incidents.json", `T18:47:00.000Z`, `T18:47:00Z`},
		{"a state of the other kind", "incidents.json", `"status":"monitoring"`, `"status":"in_progress"`},
		{"work without its end", "scheduled-maintenances.json", `"scheduled_until"`, `"until"`},
	} {
		body := f.get("/api/v2/" + c.document).Body.String()
		changed := body
		if c.from != "" {
			if changed = strings.Replace(body, c.from, c.to, 1); changed == body {
				t.Errorf("%s: %s does not stand in %s", c.name, c.from, c.document)
			}
		}
		var n counted
		shapes{&n, v2Shapes()}.object(c.document, c.document, json.RawMessage(changed))
		if (n > 0) != (c.from != "") {
			t.Errorf("%s: %d complaints", c.name, n)
		}
	}
}

// What an update did to the components is what it did then, whatever became of
// them: they are touched when it begins, and left when it ends.
func TestV2AffectedIsOfItsTime(t *testing.T) {
	f := weekFixture(t, week())
	update := func(states ...statuspage.State) (list []statuspage.PublicUpdate) {
		for _, s := range states {
			list = append(list, statuspage.PublicUpdate{State: s})
		}
		return list
	}
	mail := []statuspage.PublicComponent{{ID: "mail", Name: "Messagerie", Status: statuspage.MajorOutage}}
	work := []statuspage.PublicComponent{{ID: "mail", Name: "Messagerie", Status: statuspage.UnderMaintenance}}
	for _, c := range []struct {
		name string
		p    statuspage.PublicIncident
		want []string // oldest first
	}{
		{"trouble", statuspage.PublicIncident{Components: mail, Resolved: 1,
			Updates: update(statuspage.Investigating, statuspage.Identified, statuspage.Monitoring, statuspage.Resolved, statuspage.Postmortem)},
			[]string{"operational major_outage", "major_outage major_outage", "major_outage major_outage", "major_outage operational", "operational operational"}},
		{"told when it was over", statuspage.PublicIncident{Components: mail, Resolved: 1, Updates: update(statuspage.Resolved)},
			[]string{"operational operational"}},
		{"work", statuspage.PublicIncident{Kind: statuspage.Maintenance, Components: work, Resolved: 1,
			Updates: update(statuspage.Scheduled, statuspage.Scheduled, statuspage.InProgress, statuspage.Verifying, statuspage.Completed)},
			[]string{"operational operational", "operational operational", "operational under_maintenance", "under_maintenance under_maintenance", "under_maintenance operational"}},
		{"work that never began", statuspage.PublicIncident{Kind: statuspage.Maintenance, Cancelled: true, Components: work, Resolved: 1,
			Updates: update(statuspage.Scheduled, statuspage.Completed)},
			[]string{"operational operational", "operational operational"}},
	} {
		for n, want := range c.want {
			got := f.site.v2Affected(&c.p, n)
			if len(got) != 1 || got[0].Code != "mail" || got[0].Old+" "+got[0].New != want {
				t.Errorf("%s, update %d: %+v, want %s", c.name, n, got, want)
			}
		}
	}
}

func TestV2Says(t *testing.T) {
	f := weekFixture(t, week())
	read := func(name string) (d v2Document) {
		t.Helper()
		dec := json.NewDecoder(bytes.NewReader(f.get("/api/v2/" + name).Body.Bytes()))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return d
	}
	s := read("summary.json")
	if *s.Status != (v2Status{"major", "Partial System Outage"}) || s.Page.Updated != "2026-10-19T19:48:00.000Z" || s.Page.TimeZone != "Europe/Paris" {
		t.Errorf("summary: %+v %+v", s.Status, s.Page)
	}
	names := func(list []v2Maintenance) (out []string) {
		for _, m := range list {
			out = append(out, m.ID+" "+m.Status)
		}
		return out
	}
	if got := names(*s.Maintenances); !slices.Equal(got, []string{"z1lo8gkq5nvmti77 in_progress", "c7eu2bxw9jafho35 scheduled"}) {
		t.Errorf("work of the summary: %q", got)
	}
	if got := names(*read("scheduled-maintenances.json").Maintenances); len(got) != 3 || got[2] != "y5ri6dpn3kgzcm90 completed" {
		t.Errorf("all work: %q", got)
	}
	if got := names(*read("scheduled-maintenances/active.json").Maintenances); len(got) != 1 {
		t.Errorf("active work: %q", got)
	}
	if got := names(*read("scheduled-maintenances/upcoming.json").Maintenances); len(got) != 1 {
		t.Errorf("work to come: %q", got)
	}
	status := map[string]string{}
	for i, c := range *s.Components {
		status[c.ID] = c.Status
		if c.Position != i+1 || c.PageID != s.Page.ID {
			t.Errorf("component %+v", c)
		}
	}
	if status["web"] != "partial_outage" || status["mail"] != "degraded_performance" || status["files"] != "under_maintenance" || status["lists"] != "operational" {
		t.Errorf("components: %v", status)
	}
	open := *read("incidents/unresolved.json").Incidents
	if len(open) != 2 || len(*read("incidents.json").Incidents) != 4 {
		t.Fatalf("%d unresolved", len(open))
	}
	i := open[0]
	if i.Name != "Hébergement web : sites injoignables" || i.Started != "2026-10-19T18:47:00.000Z" || i.Created != "2026-10-19T19:02:00.000Z" ||
		*i.Monitoring != "2026-10-19T19:48:00.000Z" || i.Resolved != nil || i.Shortlink != "https://travaux.example.org/incidents/52" {
		t.Errorf("incident %+v", i)
	}
	if len(i.Updates) != 3 || i.Updates[0].Status != "monitoring" || i.Updates[2].Affected[0] != (v2Affected{"web", "Hébergement web", "operational", "partial_outage"}) ||
		strings.Contains(i.Updates[1].Body, "**") {
		t.Errorf("updates %+v", i.Updates)
	}
	if english := f.get("/api/v2/incidents/unresolved.json?lang=en").Body.String(); !strings.Contains(english, "Web hosting: sites cannot be reached") {
		t.Error("no English texts where they are asked for")
	}
	if w := f.get("/incidents/" + i.ID); w.Code != 301 || w.Header().Get("Location") != "/incidents/52" {
		t.Errorf("the identifier as an address: %d %s", w.Code, w.Header().Get("Location"))
	}
	for impact, d := range map[statuspage.Impact]string{
		statuspage.NoImpact: "All Systems Operational", statuspage.Minor: "Partially Degraded Service", statuspage.Major: "Partial System Outage",
		statuspage.Critical: "Major Service Outage", statuspage.PlannedImpact: "Service Under Maintenance",
	} {
		one := statuspage.PublicIncident{State: statuspage.Investigating, Impact: impact}
		if got := f.site.v2Status([]statuspage.PublicIncident{one}); *got != (v2Status{string(impact), d}) {
			t.Errorf("%s: %+v", impact, got)
		}
	}
}
