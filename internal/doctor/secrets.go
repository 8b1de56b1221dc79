package doctor

import (
	"regexp"
	"strings"
	"sync"

	"github.com/parley-rtc/parley/internal/wire"
)

// secrets are what must be in no row, however it came there.
type secrets struct {
	mu   sync.Mutex
	list []string // guarded by mu
}

// keep remembers the secrets of a join's answer.
func (s *secrets) keep(reply wire.JoinReply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, reply.Session, reply.Secret)
	for _, server := range reply.ICEServers {
		for _, secret := range []string{server.Username, server.Credential} {
			if secret != "" {
				s.list = append(s.list, secret)
			}
		}
	}
}

// scrub takes them out of a row.
func (s *secrets) scrub(row Row) Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	return row.each(func(text string) string {
		for _, secret := range s.list {
			text = strings.ReplaceAll(text, secret, "…")
		}
		return text
	})
}

// each changes all texts of a row.
func (r Row) each(change func(string) string) Row {
	r.ID, r.Title, r.Found, r.Cause, r.Cure = change(r.ID), change(r.Title), change(r.Found), change(r.Cause), change(r.Cure)
	return r
}

// redaction says what a report that is given away lacks.
const redaction = "No secrets, credentials or room names are in this report. IP addresses are shortened to their first half (203.0.x.x, 2001:db8:x); names of servers and ports are as they are."

// Redacted returns the report as it can be given away: addresses are shortened to their first half.
func (r Report) Redacted() Report {
	r.Note = redaction
	r.Server = shortened(r.Server)
	r.Verdict.Text = shortened(r.Verdict.Text)
	rows := make([]Row, len(r.Rows))
	for i, row := range r.Rows {
		rows[i] = row.each(shortened)
	}
	r.Rows = rows
	return r
}

var (
	fourBytes = regexp.MustCompile(`\b(\d{1,3}\.\d{1,3})\.\d{1,3}\.\d{1,3}\b`)
	// colons finds IPv6 addresses, and times of the day, which have fewer colons.
	colons = regexp.MustCompile(`(?i)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:%\w+)?`)
)

// shortened is a text in which IP addresses have their first half alone.
func shortened(text string) string {
	text = fourBytes.ReplaceAllString(text, "$1.x.x")
	return colons.ReplaceAllStringFunc(text, func(found string) string {
		if !strings.Contains(found, "::") && strings.Count(found, ":") != 7 {
			return found
		}
		parts := strings.Split(found, ":")
		if parts[0] == "" || parts[1] == "" {
			return parts[0] + "::x"
		}
		return parts[0] + ":" + parts[1] + ":x"
	})
}
