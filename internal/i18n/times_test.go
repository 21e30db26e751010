package i18n

import (
	"math"
	"strings"
	"testing"
	"time"
)

// The tables write ~ for the no-break space.
func golden(t *testing.T, what any, got, want string) {
	t.Helper()
	if want = strings.ReplaceAll(want, "~", nbsp); got != want {
		t.Errorf("%v: got %q, want %q", what, got, want)
	}
}

func TestAgo(t *testing.T) {
	tests := []struct {
		d      time.Duration
		fr, en string
	}{
		{-time.Hour, "à l’instant", "just now"},
		{0, "à l’instant", "just now"},
		{5 * time.Second, "il y a 5~s", "5~s ago"},
		{59999 * time.Millisecond, "il y a 59~s", "59~s ago"},
		{3*time.Minute + 59*time.Second, "il y a 3~min", "3~min ago"},
		{time.Hour, "il y a 1~h", "1~h ago"},
		{23*time.Hour + 59*time.Minute, "il y a 23~h", "23~h ago"},
		{day, "il y a 1~jour", "1~day ago"},
		{12 * day, "il y a 12~jours", "12~days ago"},
		{70 * day, "il y a 2~mois", "2~months ago"},
		{364 * day, "il y a 11~mois", "11~months ago"},
		{400 * day, "il y a 1~an", "1~year ago"},
		{3 * year, "il y a 3~ans", "3~years ago"},
		{math.MaxInt64, "il y a 292~ans", "292~years ago"},
	}
	for _, tt := range tests {
		golden(t, tt.d, Ago("fr", tt.d), tt.fr)
		golden(t, tt.d, Ago("en", tt.d), tt.en)
	}
}

func TestIn(t *testing.T) {
	tests := []struct {
		d      time.Duration
		fr, en string
	}{
		{-time.Second, "maintenant", "now"},
		{0, "maintenant", "now"},
		{time.Millisecond, "dans 1~s", "in 1~s"},
		{29800 * time.Millisecond, "dans 30~s", "in 30~s"},
		{90 * time.Second, "dans 90~s", "in 90~s"},
		{2 * time.Minute, "dans 2~min", "in 2~min"},
		{4*time.Minute + time.Second, "dans 5~min", "in 5~min"},
		{90 * time.Minute, "dans 90~min", "in 90~min"},
		{2 * time.Hour, "dans 2~h", "in 2~h"},
		{2 * day, "dans 48~h", "in 48~h"},
		{2*day + 1, "dans 3~jours", "in 3~days"},
		{3 * month, "dans 3~mois", "in 3~months"},
		{5 * year, "dans 5~ans", "in 5~years"},
	}
	for _, tt := range tests {
		golden(t, tt.d, In("fr", tt.d), tt.fr)
		golden(t, tt.d, In("en", tt.d), tt.en)
	}
}

func TestDuration(t *testing.T) {
	tests := []struct {
		d      time.Duration
		fr, en string
	}{
		{-time.Hour, "0~s", "0~s"},
		{45900 * time.Millisecond, "45~s", "45~s"},
		{time.Minute, "1~min", "1~min"},
		{95 * time.Second, "1~min~35~s", "1~min~35~s"},
		{12*time.Minute + 5*time.Second, "12~min", "12~min"},
		{2 * time.Hour, "2~h", "2~h"},
		{2*time.Hour + 5*time.Minute, "2~h~05~min", "2~h~05~min"},
		{day + 30*time.Minute, "1~jour", "1~day"},
		{3*day + 4*time.Hour, "3~jours~4~h", "3~days~4~h"},
	}
	for _, tt := range tests {
		golden(t, tt.d, Duration("fr", tt.d), tt.fr)
		golden(t, tt.d, Duration("en", tt.d), tt.en)
	}
}

func TestDateTime(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Skipf("no time zone data: %v", err)
	}
	india := time.FixedZone("IST", 5*3600+1800)
	tests := []struct {
		utc    string
		loc    *time.Location
		fr, en string
	}{
		{"2026-11-24T21:00:00Z", paris, "mardi 24 novembre 2026, 22h00 (Europe/Paris)", "Tuesday 24 November 2026, 22:00 (Europe/Paris)"},
		{"2026-11-30T23:05:00Z", paris, "mardi 1er décembre 2026, 00h05 (Europe/Paris)", "Tuesday 1 December 2026, 00:05 (Europe/Paris)"},
		{"2026-08-01T08:30:00Z", paris, "samedi 1er août 2026, 10h30 (Europe/Paris)", "Saturday 1 August 2026, 10:30 (Europe/Paris)"},
		{"2026-02-28T08:30:00Z", time.UTC, "samedi 28 février 2026, 08h30 (UTC)", "Saturday 28 February 2026, 08:30 (UTC)"},
		{"2026-02-28T20:30:00Z", india, "dimanche 1er mars 2026, 02h00 (IST)", "Sunday 1 March 2026, 02:00 (IST)"},
		// Summer time ends on 25 October 2026 at 3:00: 2:30 comes twice.
		{"2026-10-24T23:30:00Z", paris, "dimanche 25 octobre 2026, 01h30 (Europe/Paris)", "Sunday 25 October 2026, 01:30 (Europe/Paris)"},
		{"2026-10-25T00:30:00Z", paris, "dimanche 25 octobre 2026, 02h30 (Europe/Paris, UTC+2)", "Sunday 25 October 2026, 02:30 (Europe/Paris, UTC+2)"},
		{"2026-10-25T01:30:00Z", paris, "dimanche 25 octobre 2026, 02h30 (Europe/Paris, UTC+1)", "Sunday 25 October 2026, 02:30 (Europe/Paris, UTC+1)"},
		{"2026-10-25T02:00:00Z", paris, "dimanche 25 octobre 2026, 03h00 (Europe/Paris)", "Sunday 25 October 2026, 03:00 (Europe/Paris)"},
		// It begins on 29 March 2026 at 2:00: no hour comes twice.
		{"2026-03-29T01:30:00Z", paris, "dimanche 29 mars 2026, 03h30 (Europe/Paris)", "Sunday 29 March 2026, 03:30 (Europe/Paris)"},
	}
	for _, tt := range tests {
		at, err := time.Parse(time.RFC3339, tt.utc)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, tt.utc, DateTime("fr", at, tt.loc), tt.fr)
		golden(t, tt.utc, DateTime("en", at, tt.loc), tt.en)
	}
	golden(t, "offset", utcOffset(-(3*3600 + 1800)), "UTC-3:30")
}

func TestSize(t *testing.T) {
	tests := []struct {
		bytes  int64
		fr, en string
	}{
		{-1, "0~o", "0~B"},
		{0, "0~o", "0~B"},
		{999, "999~o", "999~B"},
		{1000, "1~ko", "1~kB"},
		{1440, "1,4~ko", "1.4~kB"},
		{9940, "9,9~ko", "9.9~kB"},
		{9960, "10~ko", "10~kB"},
		{999_499, "999~ko", "999~kB"},
		{999_500, "1~Mo", "1~MB"},
		{1_400_000, "1,4~Mo", "1.4~MB"},
		{25 * 1024 * 1024, "26~Mo", "26~MB"},
		{3_200_000_000, "3,2~Go", "3.2~GB"},
		{math.MaxInt64, "9,2~Eo", "9.2~EB"},
	}
	for _, tt := range tests {
		golden(t, tt.bytes, Size("fr", tt.bytes), tt.fr)
		golden(t, tt.bytes, Size("en", tt.bytes), tt.en)
	}
}

func TestNumber(t *testing.T) {
	tests := []struct {
		n      int64
		fr, en string
	}{
		{0, "0", "0"},
		{-7, "-7", "-7"},
		{999, "999", "999"},
		{3400, "3~400", "3,400"},
		{-123456, "-123~456", "-123,456"},
		{math.MinInt64, "-9~223~372~036~854~775~808", "-9,223,372,036,854,775,808"},
	}
	for _, tt := range tests {
		golden(t, tt.n, Number("fr", tt.n), tt.fr)
		golden(t, tt.n, Number("en", tt.n), tt.en)
	}
}
