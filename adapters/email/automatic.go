package email

import (
	"net/textproto"
	"strings"
)

// automatic names the header field that says that a mail was not written by a
// person, or not to us; empty for people. Such a mail is read and shown, and
// nothing is ever answered to it by ourselves.
//
// Auto-Submitted is the standard's word (RFC 3834 section 5); the others are
// what programs wrote before and beside it.
func automatic(h textproto.MIMEHeader) string {
	first := func(name string) string {
		value, _, _ := strings.Cut(h.Get(name), ";")
		value, _, _ = strings.Cut(value, "(") // "auto-replied (vacation)"
		return strings.ToLower(strings.TrimSpace(value))
	}
	has := func(name string) bool { return strings.TrimSpace(h.Get(name)) != "" }

	if v := first("Auto-Submitted"); v != "" && v != "no" {
		return "Auto-Submitted"
	}
	for _, name := range []string{"Precedence", "X-Precedence"} {
		switch first(name) {
		case "bulk", "list", "junk", "auto_reply", "auto-reply":
			return name
		}
	}
	if v := first("X-Auto-Response-Suppress"); v != "" && v != "none" {
		return "X-Auto-Response-Suppress"
	}
	for _, name := range []string{"X-Autoreply", "X-Autorespond", "X-Autoresponse", "X-Autoreply-From", "X-Mail-Autoreply"} {
		if v := first(name); v != "" && v != "no" && v != "false" {
			return name
		}
	}
	if first("X-Amazon-Mail-Relay-Type") == "notification" {
		return "X-Amazon-Mail-Relay-Type"
	}
	for _, v := range h["Delivered-To"] {
		if strings.EqualFold(strings.TrimSpace(v), "Autoresponder") {
			return "Delivered-To"
		}
	}
	for _, name := range []string{"List-Id", "List-Unsubscribe", "List-Post", "Feedback-Id"} {
		if has(name) {
			return name
		}
	}
	// The field is there and names nobody: the report of a server.
	for _, v := range h["Return-Path"] {
		if strings.Join(strings.Fields(v), "") == "<>" {
			return "Return-Path"
		}
	}
	if t, _, _ := strings.Cut(strings.ToLower(h.Get("Content-Type")), ";"); strings.TrimSpace(t) == "multipart/report" {
		return "Content-Type"
	}
	local, _, _ := strings.Cut(strings.ToLower(parseAddress(h.Get("From")).Address), "@")
	if local == "mailer-daemon" {
		return "From"
	}
	return ""
}
