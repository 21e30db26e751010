package main

import (
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// minInside is the shortest word worth a second gesture, in letters: shorter
// ones stand in too many harmless sentences.
const minInside = 5

// insideWords are the words of a configuration that must not leave by
// accident: team rooms, servers, internal addresses. What the public knows
// anyway is not among them: role addresses, public rooms, our web address.
func insideWords(l *Loaded) []string {
	public := map[string]bool{"localhost": true}
	if u, err := url.Parse(l.plan.url); err == nil {
		public[strings.ToLower(u.Hostname())] = true
	}
	for p, use := range l.plan.sides {
		if use.side == "team" {
			continue
		}
		public[strings.ToLower(bareRoom(p.Room))] = true
		if a, err := mail.ParseAddress(p.Room); err == nil {
			_, domain, _ := strings.Cut(strings.ToLower(a.Address), "@")
			public[strings.ToLower(a.Address)] = true
			public[domain] = true
		}
	}
	var words []string
	add := func(word string) {
		low := strings.ToLower(word)
		if ip := net.ParseIP(word); ip != nil && ip.IsLoopback() {
			return // stands in every manual
		}
		if utf8.RuneCountInString(word) >= minInside && !public[low] && !slices.Contains(words, low) {
			words = append(words, low)
		}
	}
	for p, use := range l.plan.sides {
		if use.side == "team" {
			add(p.Room)
			add(bareRoom(p.Room))
		}
	}
	for _, a := range l.Adapters {
		for _, w := range a.Config.inside() {
			add(w)
		}
	}
	slices.Sort(words)
	return words
}

// bareRoom is a room's name without what only its network needs: the team
// before a slash, the sign before a channel.
func bareRoom(room string) string {
	return strings.TrimLeft(room[strings.LastIndexByte(room, '/')+1:], "#!&")
}
