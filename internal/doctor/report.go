package doctor

import (
	"time"
)

// Outcome is how a check ended.
type Outcome string

// The outcomes.
const (
	Pass    Outcome = "pass"
	Warn    Outcome = "warn"    // it works, and something about it is not as it should be
	Fail    Outcome = "fail"    // it does not work
	Skipped Outcome = "skipped" // it could not be tried, or there is nothing to try; Found says why
)

// Row is one check and how it ended. Its texts are for people and have no secrets.
type Row struct {
	ID      string  `json:"id"` // "websocket"; those of a URL have it, too: "turn turn:relay.example:3478?transport=udp"
	Group   string  `json:"group"`
	Title   string  `json:"title"`
	Outcome Outcome `json:"outcome"`
	Millis  float64 `json:"ms"`              // how long it took
	Found   string  `json:"found,omitempty"` // in a few words
	Cause   string  `json:"cause,omitempty"` // of a failure or a warning
	Cure    string  `json:"cure,omitempty"`
}

// The groups of rows, in order.
const (
	groupServer = "Server"
	groupLinks  = "Signaling, each kind of link alone"
	groupDirect = "Direct paths"
	groupRelay  = "Relayed paths"
	groupLast   = "What lasts"
)

// Verdict is all of it in a sentence.
type Verdict struct {
	Outcome Outcome `json:"outcome"` // Pass: peers connect as they should; Warn: they connect, by a detour; Fail: they do not
	Path    string  `json:"path"`    // "direct", "relay", "server" or "none": how peers behind this network reach others
	Text    string  `json:"text"`
}

// Report is everything that was found.
type Report struct {
	Tool    string    `json:"tool"`    // "signal doctor"
	Version string    `json:"version"` // of the tool
	Server  string    `json:"server"`
	At      time.Time `json:"at"`
	Millis  float64   `json:"ms"`
	Verdict Verdict   `json:"verdict"`
	Rows    []Row     `json:"rows"`
	Note    string    `json:"note,omitempty"` // what was left out
}

// Failed returns the titles of the rows that failed.
func (r Report) Failed() []string {
	var titles []string
	for _, row := range r.Rows {
		if row.Outcome == Fail {
			titles = append(titles, row.Title)
		}
	}
	return titles
}

// pass ends a check well.
func (r *Row) pass(found string) { r.Outcome, r.Found = Pass, found }

// warn ends a check that worked in an odd way.
func (r *Row) warn(found, cause, cure string) {
	r.Outcome, r.Found, r.Cause, r.Cure = Warn, found, cause, cure
}

// fail ends a check that did not work.
func (r *Row) fail(cause, cure string) { r.Outcome, r.Cause, r.Cure = Fail, cause, cure }

// skip ends a check that was not made.
func (r *Row) skip(why string) { r.Outcome, r.Found = Skipped, why }

// millis is a duration as rows have it, to the tenth.
func millis(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond)) / float64(time.Millisecond)
}
