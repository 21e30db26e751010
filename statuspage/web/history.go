package web

import (
	"net/http"
	"strconv"
	"time"

	"permanence/statuspage"
)

// firstYear bounds the history: programs that follow "previous month" for
// ever find an end.
const firstYear = 2000

// firstMonth is the oldest month that has a page.
func (s *Site) firstMonth() time.Time { return time.Date(firstYear, 1, 1, 0, 0, 0, 0, s.loc) }

// historyMost is how many incidents a page of the history lists.
const historyMost = 40

type historyData struct {
	Month          string
	List           []incidentData
	Previous, Next string // addresses of months, empty at the ends
	Rest           string // address of the next part of the same month
}

// history is what was published in a month, this month where none is named.
func (s *Site) history(w http.ResponseWriter, r *http.Request) {
	v := s.pageView(r)
	now := s.now().In(s.loc)
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, s.loc)
	if name := r.PathValue("month"); name != "" {
		m, err := time.ParseInLocation("2006-01", name, s.loc)
		if err != nil || m.After(month) || m.Before(s.oldest) {
			s.missing(w, r)
			return
		}
		month = m
	}
	part := 1
	if text := r.PathValue("part"); text != "" {
		n, ok := readNumber(text)
		if !ok || n < 2 || n > 1000 {
			s.missing(w, r)
			return
		}
		part = int(n)
	}
	list, err := s.between(r.Context(), month.Format("2006-01"), month, month.AddDate(0, 1, 0))
	if err != nil {
		s.unavailable(w, r, v)
		return
	}
	if part > 1 && len(list.value) <= (part-1)*historyMost {
		s.missing(w, r)
		return
	}
	path := historyPath(month, part)
	st := list.stamp()
	st.passed = s.passed(list.value...)
	st.day = int64(month.AddDate(0, 1, 0).Compare(now)) // whether there is a next month
	s.serve(w, r, v, path, st, func() document { return s.renderHistory(v, month, part, list) })
}

func historyPath(month time.Time, part int) string {
	path := "/history/" + month.Format("2006-01")
	if part > 1 {
		path += "/" + strconv.Itoa(part)
	}
	return path
}

func (s *Site) renderHistory(v view, month time.Time, part int, list incidents) document {
	d := s.page(v, "history", historyPath(month, part), list.since)
	h := &historyData{Month: capital(s.when(v.lang).Month(statuspage.At(month)))}
	rest := list.value[(part-1)*historyMost:]
	for i := range rest[:min(len(rest), historyMost)] {
		one := s.describe(v, &rest[i], brief)
		t := rest[i].Published.In(s.loc) // by which a month is sorted
		one.Tile = tile{strconv.Itoa(t.Day()), s.month(v.lang, t)}
		one.Text = ""
		h.List = append(h.List, one)
	}
	if part > 1 {
		h.Month = s.say(v.lang, "month.part", "Month", h.Month, "Part", part)
	}
	if len(rest) > historyMost {
		h.Rest = s.address(v, historyPath(month, part+1))
	}
	if month.After(s.oldest) {
		h.Previous = s.address(v, historyPath(month.AddDate(0, -1, 0), 1))
	}
	if next := month.AddDate(0, 1, 0); !next.After(s.now()) {
		h.Next = s.address(v, historyPath(next, 1))
	}
	d.History, d.Heading = h, d.T.History+d.T.Colon+h.Month
	return s.document(v, d, later(list.since, newest(list.value)))
}
