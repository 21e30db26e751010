package tickets

import "time"

// At gives t as a Time; the zero time is 0.
func At(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixMilli())
}

// Time gives t as a time.Time; 0 is the zero time.
func (t Time) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(t))
}

// Add gives the time d later.
func (t Time) Add(d time.Duration) Time { return t + Time(d.Milliseconds()) }

// Sub gives the duration between two times.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t-u) * time.Millisecond }
