package statuspage

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Report is what a year was like, for a yearly report and for those who ask
// in numbers.
type Report struct {
	Year      int
	Incidents []PublicIncident // unplanned ones of that year, oldest first
	Planned   []PublicIncident
	Services  []ServiceHours // the worst first
	// FirstWord and ToEnd are medians of the incidents that have both times:
	// from the beginning to the first word, and to the end.
	FirstWord, ToEnd time.Duration
	Open             int // incidents without an end
}

// ServiceHours is how long incidents and planned work touched a component.
type ServiceHours struct {
	ID, Name         string
	Count            int
	Trouble, Planned time.Duration
}

// NewReport counts what was published in a year of a zone, of a list in any
// order. What has no end yet lasts until now.
func NewReport(list []PublicIncident, year int, loc *time.Location, now Time) Report {
	if loc == nil {
		loc = time.UTC
	}
	r := Report{Year: year}
	hours := map[string]*ServiceHours{}
	var words, ends []time.Duration
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b PublicIncident) int {
		return cmp.Or(cmp.Compare(a.Published, b.Published), cmp.Compare(a.Number, b.Number))
	})
	for _, p := range list {
		if p.Published == 0 || p.Published.In(loc).Year() != year {
			continue
		}
		end := p.Resolved
		if end == 0 {
			end = now
		}
		lasted := p.Started.Until(end)
		for _, c := range p.Components {
			h := hours[c.ID]
			if h == nil {
				h = &ServiceHours{ID: c.ID}
				hours[c.ID] = h
			}
			h.Name = c.Name // the latest
			if p.Kind == Maintenance {
				h.Planned += lasted
			} else {
				h.Count++
				h.Trouble += lasted
			}
		}
		if p.Kind == Maintenance {
			r.Planned = append(r.Planned, p)
			continue
		}
		r.Incidents = append(r.Incidents, p)
		if p.Open() {
			r.Open++
		}
		if p.Started != 0 {
			words = append(words, p.Started.Until(p.Published))
			if !p.Open() {
				ends = append(ends, lasted)
			}
		}
	}
	for _, h := range hours {
		r.Services = append(r.Services, *h)
	}
	slices.SortFunc(r.Services, func(a, b ServiceHours) int {
		return cmp.Or(cmp.Compare(b.Trouble, a.Trouble), cmp.Compare(b.Planned, a.Planned), cmp.Compare(a.ID, b.ID))
	})
	r.FirstWord, r.ToEnd = median(words), median(ends)
	return r
}

func median(ds []time.Duration) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	slices.Sort(ds)
	if n := len(ds); n%2 == 0 {
		return (ds[n/2-1] + ds[n/2]) / 2
	}
	return ds[len(ds)/2]
}

// Markdown is the report for people.
func (r Report) Markdown(w When) string {
	pick := words{w.Lang}.pick
	var b strings.Builder
	fmt.Fprintf(&b, pick("# Bilan %d\n\n", "# Report %d\n\n"), r.Year)
	fmt.Fprintf(&b, pick("- Incidents : %d", "- Incidents: %d"), len(r.Incidents))
	if r.Open > 0 {
		fmt.Fprintf(&b, pick(" (dont %d en cours)", " (%d still open)"), r.Open)
	}
	fmt.Fprintf(&b, pick("\n- Travaux : %d\n", "\n- Planned work: %d\n"), len(r.Planned))
	if len(r.Incidents) > 0 {
		fmt.Fprintf(&b, pick("- Du début au premier mot : %s (médiane)\n", "- From the beginning to the first word: %s (median)\n"), w.Duration(r.FirstWord))
		if len(r.Incidents) > r.Open {
			fmt.Fprintf(&b, pick("- Du début à la fin : %s (médiane)\n", "- From beginning to end: %s (median)\n"), w.Duration(r.ToEnd))
		}
	}
	if len(r.Services) > 0 {
		b.WriteString(pick("\n| Service | Incidents | Durée des incidents | Durée des travaux |\n", "\n| Service | Incidents | Time in incidents | Time in planned work |\n"))
		b.WriteString("| --- | ---: | ---: | ---: |\n")
		for _, s := range r.Services {
			fmt.Fprintf(&b, "| %s | %d | %s | %s |\n", escapeMarkdown(s.Name), s.Count, w.Duration(s.Trouble), w.Duration(s.Planned))
		}
	}
	for _, part := range []struct {
		title string
		list  []PublicIncident
	}{{pick("Incidents", "Incidents"), r.Incidents}, {pick("Travaux", "Planned work"), r.Planned}} {
		if len(part.list) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n", part.title)
		for _, p := range part.list {
			title, _ := p.TitleIn(w.Lang)
			fmt.Fprintf(&b, "- %s · %d · %s", w.Date(p.Published), p.Number, escapeMarkdown(title))
			switch {
			case p.Cancelled, p.Open():
				fmt.Fprintf(&b, " · %s", p.StateText().In(w.Lang))
			case p.Started != 0:
				fmt.Fprintf(&b, " · %s", w.Duration(p.Started.Until(p.Resolved)))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// CSV is one line for each incident and each planned work, oldest first, for
// spreadsheets: see table. Times are RFC 3339 in UTC, durations in whole
// minutes, several services parted by spaces; what is not known is empty.
func (r Report) CSV() string {
	rows := [][]string{{"number", "kind", "title", "services", "impact", "state", "started", "noticed", "published", "ended",
		"scheduled_for", "scheduled_until", "minutes_to_first_word", "minutes_to_end", "updates"}}
	for _, p := range slices.Concat(r.Incidents, r.Planned) {
		var services []string
		for _, c := range p.Components {
			services = append(services, c.ID)
		}
		state := string(p.State)
		if p.Cancelled {
			state = "cancelled"
		}
		rows = append(rows, []string{fmt.Sprint(p.Number), string(p.Kind), p.Title, strings.Join(services, " "), string(p.Impact), state,
			stamp(p.Started), stamp(p.Noticed), stamp(p.Published), stamp(p.Resolved), stamp(p.ScheduledFor), stamp(p.ScheduledUntil),
			minutesTo(p.Started, p.Published), minutesTo(p.Started, p.Resolved), fmt.Sprint(len(p.Updates))})
	}
	return table(rows)
}

// ServicesCSV is one line for each service that something touched, the worst
// first, in the form of CSV.
func (r Report) ServicesCSV() string {
	rows := [][]string{{"service", "name", "incidents", "minutes_in_incidents", "minutes_in_planned_work"}}
	for _, s := range r.Services {
		rows = append(rows, []string{s.ID, s.Name, fmt.Sprint(s.Count), minutes(s.Trouble), minutes(s.Planned)})
	}
	return table(rows)
}

// table writes rows as UTF-8 with commas and a header. A cell that a
// spreadsheet would run as a formula begins with an apostrophe: that is what
// spreadsheets themselves write for "this is text". Wide forms of the signs
// count too, for some read them as the narrow ones.
func table(rows [][]string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	for _, row := range rows {
		for i, cell := range row {
			first, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(cell, unicode.IsSpace))
			if strings.ContainsRune("=+-@＝＋－＠", first) && cell != "" || strings.HasPrefix(cell, "\t") || strings.HasPrefix(cell, "\r") {
				row[i] = "'" + cell
			}
		}
		_ = w.Write(row) // a strings.Builder does not fail
	}
	w.Flush()
	return b.String()
}

func stamp(t Time) string {
	if t == 0 {
		return ""
	}
	return t.In(time.UTC).Format(time.RFC3339)
}

func minutesTo(from, to Time) string {
	if from == 0 || to == 0 {
		return ""
	}
	return minutes(from.Until(to))
}

func minutes(d time.Duration) string { return fmt.Sprint(int(d / time.Minute)) }
