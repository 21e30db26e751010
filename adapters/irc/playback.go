package irc

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/lrstanley/girc"
)

// Bouncers play back what they kept for us. soju answers CHATHISTORY like a
// server; without it, it sends the lines by themselves, each with its time. ZNC
// is asked for them where it can be (https://wiki.znc.in/Playback), or sends
// them when we come, between two lines of its own, perhaps without a tag.

// keepsForUs: what was said while we were away can be had.
func (f *facts) keepsForUs() bool { return f.history() || f.playback() }

// playback: ZNC gives what it kept when it is asked.
func (f *facts) playback() bool {
	return f.has("znc.in/playback") && f.has("batch") && (f.has("server-time") || f.has("znc.in/server-time-iso"))
}

const playedToken = "played"

// askPlayback asks ZNC for what was said since we were last here, and has the
// PONG to a PING behind it tell that this was all.
func (s *session) askPlayback() {
	if s.facts.history() || !s.facts.playback() {
		return
	}
	from := s.resume.Add(-overlap)
	if s.resume.IsZero() {
		from = time.Now() // the past is nobody's business at the first start
	}
	s.playing = true
	s.writer.command("PRIVMSG", "*playback", fmt.Sprintf("PLAY * %d.%03d", from.Unix(), from.Nanosecond()/1e6))
	s.writer.command("PING", playedToken, "")
	s.later(historyTimeout, s.played)
}

// played: everything has come.
func (s *session) played() {
	if s.playing {
		s.playing = false
		s.settle()
	}
}

// znc handles what ZNC says in its own name: "***" marks where its buffer
// begins and ends, and tells who came and went; its modules are called *status
// and the like. No nick begins so.
func (s *session) znc(e *girc.Event) bool {
	if e.Source == nil || !strings.HasPrefix(e.Source.Name, "*") {
		return false
	}
	if e.Source.Name == "***" && len(e.Params) > 1 {
		room := s.facts.fold(e.Params[0])
		switch e.Last() {
		case "Buffer Playback...":
			s.playbacks[room] = true
		case "Playback Complete.":
			delete(s.playbacks, room)
		}
	}
	return true
}

// zncStamp is what ZNC writes before lines for those who take no tags.
var zncStamp = regexp.MustCompile(`^(\x01ACTION )?\[\d\d:\d\d:\d\d\] `)

// playedBack tells whether a line stands in ZNC's buffer, and takes its stamp
// away.
func (s *session) playedBack(e *girc.Event) bool {
	if len(s.playbacks) == 0 || len(e.Params) < 2 || !s.playbacks[s.facts.fold(e.Params[0])] {
		return false
	}
	if e.Tags["time"] == "" {
		last := len(e.Params) - 1
		e.Params[last] = zncStamp.ReplaceAllString(e.Params[last], "$1")
	}
	return true
}
