package matrix

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/rs/zerolog"
)

// bridge hands warnings of the library to our log. Of the fields only those
// that hold nothing private are kept: requests carry people's words.
type bridge struct{ log *slog.Logger }

func (b bridge) Write(p []byte) (int, error) { return b.WriteLevel(zerolog.InfoLevel, p) }

// bridged is what is kept of a line of the library.
type bridged struct {
	Message string `json:"message"`
	Error   string `json:"error"`
	Method  string `json:"method"`
	Status  int    `json:"status_code"`
	Event   string `json:"event_id"`
	Session string `json:"session_id"`
	Room    string `json:"room_id"`
	Sender  string `json:"sender"`
}

// WriteLevel is part of zerolog.LevelWriter.
func (b bridge) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	var line bridged
	if err := json.Unmarshal(p, &line); err != nil {
		return len(p), nil // a log line is not worth an error
	}
	// What the library calls an error is told again by whoever asked for it.
	to := slog.LevelDebug
	if level >= zerolog.FatalLevel {
		to = slog.LevelWarn
	}
	var attrs []slog.Attr
	for _, a := range []struct{ key, value string }{
		{"err", line.Error}, {"method", line.Method}, {"event", line.Event}, {"session", line.Session}, {"room", line.Room}, {"sender", line.Sender},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.key, a.value))
		}
	}
	if line.Status != 0 {
		attrs = append(attrs, slog.Int("status", line.Status))
	}
	b.log.LogAttrs(context.Background(), to, "mautrix: "+line.Message, attrs...)
	return len(p), nil
}

// zlog is the log that the library writes to.
func zlog(log *slog.Logger) zerolog.Logger {
	return zerolog.New(bridge{log}).Level(zerolog.WarnLevel)
}
