package signaling

import (
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/internal/tally"
	"github.com/parley-rtc/parley/signaling/store"
)

// Stats counts what a server has done since it was made, and what it holds now. Its maps have the same keys
// whatever clients do: names of the protocol, never of rooms or peers.
type Stats struct {
	Links    int            `json:"links"`    // WebSockets and streams of events open now, probes too
	Sessions map[string]int `json:"sessions"` // whose link in use is here, by its kind: "websocket", "events"; "poll": those with a poll waiting for its answer

	Joins       uint64       `json:"joins"`       // sessions made, resumed ones included
	Resumes     uint64       `json:"resumes"`     // joins that took an earlier session's peer id over
	Repeats     uint64       `json:"repeats"`     // joins that were made before, and got the same session
	LinkChanges []LinkChange `json:"linkChanges"` // every pair of kinds
	Refused     uint64       `json:"refused"`     // requests and frames refused
	Up          uint64       `json:"up"`          // numbered frames received
	Down        uint64       `json:"down"`        // numbered frames sent, repetitions included

	RefusedByCode map[string]uint64 `json:"refusedByCode"` // of the protocol's table
	UpByKind      map[string]uint64 `json:"upByKind"`      // "invalid": what was no valid frame of its kind
	DownByKind    map[string]uint64 `json:"downByKind"`

	Mailbox  Histogram `json:"mailbox"`  // frames not yet acknowledged, seen at each ping and each poll
	JoinTime Histogram `json:"joinTime"` // seconds from a join's request to its reply
	Delivery Histogram `json:"delivery"` // seconds from a WebSocket's or a stream's being told of a frame until it was written, one time in 64
}

// LinkChange counts links that came into use, by what was in use before. From is "" for a session's first link, and the
// same as To for a client that came back.
type LinkChange struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Count uint64 `json:"count"`
}

// Histogram tells how often values of a size were seen.
type Histogram struct {
	Bounds []float64 `json:"bounds"` // upper ends of the buckets, included
	Counts []uint64  `json:"counts"` // one for each bucket, and one for what is above them all
	Sum    float64   `json:"sum"`    // of the values
}

// counts are what Stats is made of.
type counts struct {
	fresh, resumes, repeats atomic.Uint64 // joins
	up, down                framesByKind
	refused                 *tally.Counts // by code
	sessions                *tally.Counts // by kind of link
	changes                 map[string]*tally.Counts
	mailbox, join, delivery *tally.Histogram
}

// framesByKind counts frames by their store.Kind.
type framesByKind [store.Refused + 1]atomic.Uint64

func (f *framesByKind) add(more *[len(framesByKind{})]uint64) {
	for kind, n := range more {
		if n > 0 {
			f[kind].Add(n)
		}
	}
}

var kindNames = map[store.Kind]string{
	store.Signal: wire.KindSignal, store.Broadcast: wire.KindBroadcast, store.Change: wire.KindChange,
	store.Leave: wire.KindLeave, store.Refresh: wire.KindRefresh, store.Invalid: "invalid",
	store.JoinedRoom: wire.KindJoined, store.LeftRoom: wire.KindLeft, store.Changed: wire.KindChanged, store.Refused: wire.KindRefused,
}

var (
	upKinds   = []store.Kind{store.Signal, store.Broadcast, store.Change, store.Leave, store.Refresh, store.Invalid}
	downKinds = []store.Kind{store.Signal, store.JoinedRoom, store.LeftRoom, store.Changed, store.Refused}
	linkKinds = []string{kindWebSocket, kindEvents, kindPoll}
)

func (c *counts) init() {
	codes := make([]string, len(wire.Rows))
	for i, row := range wire.Rows {
		codes[i] = string(row.Code)
	}
	c.refused = tally.NewCounts(string(wire.Internal), codes...)
	c.sessions = tally.NewCounts(kindPoll, linkKinds...)
	c.mailbox = tally.NewHistogram(0, 1, 4, 16, 64, 256, 1024)
	c.join = tally.NewHistogram(.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5)
	c.delivery = tally.NewHistogram(.00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1)
	c.changes = make(map[string]*tally.Counts)
	for _, from := range append([]string{""}, linkKinds...) {
		c.changes[from] = tally.NewCounts(kindPoll, linkKinds...)
	}
}

func (c *counts) refuse(code wire.Code) { c.refused.Add(string(code), 1) }

// exchanged counts the frames of an exchange, behind those that had been received before, that the store received, and
// those it refused.
func (c *counts) exchanged(frames []store.Sent, before int64, result store.Result) {
	var up [len(c.up)]uint64
	for i := range frames {
		if n := frames[i].N; n > before && n <= result.Received {
			up[frames[i].Kind]++
		}
	}
	c.up.add(&up)
	for i := range result.Refused {
		c.refused.Add(result.Refused[i].Code, 1)
	}
}

// sent counts frames that a client is given.
func (c *counts) sent(frames []store.Frame) {
	var down [len(c.down)]uint64
	for i := range frames {
		down[frames[i].Kind]++
	}
	c.down.add(&down)
}

// linked counts a link that came into use. One that goes on, or is a probe yet, is none.
func (c *counts) linked(a store.Attached, kind string) {
	if !a.Took {
		return
	}
	from := c.changes[a.Before]
	if from == nil {
		from = c.changes[""] // a newer version's, that shares the store
	}
	from.Add(kind, 1)
}

// Stats returns the counts as they are now.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	links := len(s.links)
	s.mu.Unlock()
	c := &s.counts
	stats := Stats{
		Links:         links,
		Sessions:      make(map[string]int),
		Joins:         c.fresh.Load(),
		Resumes:       c.resumes.Load(),
		Repeats:       c.repeats.Load(),
		RefusedByCode: make(map[string]uint64),
		UpByKind:      make(map[string]uint64),
		DownByKind:    make(map[string]uint64),
		Mailbox:       snapshot(c.mailbox),
		JoinTime:      snapshot(c.join),
		Delivery:      snapshot(c.delivery),
	}
	stats.Joins += stats.Resumes
	for kind, n := range c.sessions.Snapshot() {
		stats.Sessions[kind] = int(n)
	}
	for code, n := range c.refused.Snapshot() {
		stats.RefusedByCode[code] = uint64(n)
		stats.Refused += uint64(n)
	}
	for _, from := range append([]string{""}, linkKinds...) {
		to := c.changes[from].Snapshot()
		for _, kind := range linkKinds {
			stats.LinkChanges = append(stats.LinkChanges, LinkChange{From: from, To: kind, Count: uint64(to[kind])})
		}
	}
	for _, kind := range upKinds {
		n := c.up[kind].Load()
		stats.UpByKind[kindNames[kind]] = n
		stats.Up += n
	}
	for _, kind := range downKinds {
		n := c.down[kind].Load()
		stats.DownByKind[kindNames[kind]] = n
		stats.Down += n
	}
	return stats
}

func snapshot(h *tally.Histogram) Histogram {
	bounds, counts, sum := h.Snapshot()
	return Histogram{Bounds: bounds, Counts: counts, Sum: sum}
}

// timedWakes is how many wakes of a link there are to one that is timed.
const timedWakes = 64

// stopwatch takes the time from a link's being woken until a frame was written.
type stopwatch struct {
	wakes  uint32       // guarded by the link's mu
	began  atomic.Int64 // on the process's clock; 0: not running
	frames bool         // there are some to be written; owned by flush
}

// woken starts it, one time in so many. The first wake of a link is about its own coming into use.
func (w *stopwatch) woken() {
	if w.wakes++; w.wakes%timedWakes == 2 && w.began.Load() == 0 {
		w.began.Store(int64(now()))
	}
}

// read takes note of how many frames there are. Without any, the wake was about something else.
func (w *stopwatch) read(frames int) {
	switch {
	case w.began.Load() == 0:
	case frames > 0:
		w.frames = true
	case !w.frames:
		w.began.Store(0)
	}
}

// wrote stops it, if there were frames.
func (w *stopwatch) wrote(h *tally.Histogram) {
	if w.frames {
		w.frames = false
		h.Observe((now() - time.Duration(w.began.Swap(0))).Seconds())
	}
}
