package doctor

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

// Options are what is to be checked, and how.
type Options struct {
	Server   string                           // URL below which the server's /v1/ is
	Room     string                           // to join; "": one of a random name
	Token    string                           // the app's, for a join; "": none
	Origin   string                           // of the pages that use the server; "": its own
	Insecure bool                             // take any certificate
	Timeout  time.Duration                    // how long each check may wait for one answer; default 5 s, from 100 ms to a minute
	Hold     time.Duration                    // how long a long poll is held open; default 6 s, from 1 s to 25 s
	Proxy    func(*url.URL) (*url.URL, error) // the HTTP proxy for a URL, or nil; nil: none at all
	Version  string                           // of the program
}

func (o Options) resolved() (Options, *url.URL, error) {
	at, err := url.Parse(o.Server)
	switch {
	case err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https":
		return o, nil, fmt.Errorf("%q is not a URL like https://parley.example", o.Server)
	case at.User != nil || at.RawQuery != "" || at.Fragment != "":
		return o, nil, fmt.Errorf("%q has more than a host and a path, like https://parley.example", at.Redacted())
	case o.Room != "" && !wire.ValidRoom(o.Room):
		return o, nil, fmt.Errorf("the room %.40q is not 1 to %d characters of A-Z a-z 0-9 - . _ ~", o.Room, wire.MaxRoom)
	case strings.ContainsFunc(o.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return o, nil, errors.New("the token has characters that no token has; is it cut off, or more than the token?")
	case o.Timeout != 0 && (o.Timeout < 100*time.Millisecond || o.Timeout > time.Minute):
		return o, nil, fmt.Errorf("the timeout is %v, and can be from 100ms to 1m", o.Timeout)
	case o.Hold != 0 && (o.Hold < time.Second || o.Hold > 25*time.Second):
		return o, nil, fmt.Errorf("a poll cannot be held for %v, but from 1s to 25s", o.Hold)
	}
	if o.Origin != "" {
		if u, err := url.Parse(o.Origin); err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return o, nil, fmt.Errorf("the origin %q is not one like https://app.example", o.Origin)
		}
	}
	at.Path = strings.TrimRight(at.Path, "/")
	at.RawPath = ""
	if o.Room == "" {
		o.Room = "doctor-" + strings.ToLower(rand.Text())
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Hold == 0 {
		o.Hold = 6 * time.Second
	}
	return o, at, nil
}

// examination is one run.
type examination struct {
	Options
	base *url.URL
	http *http.Client

	found findings
	turns sync.Mutex // held while the throughput of one is measured

	tripping sync.WaitGroup // of TURN URLs whose round trips are not yet measured

	bench  bench
	secret secrets
}

// findings are what later checks and the verdict need of earlier ones. Each field is written by one check, and read after it has ended.
type findings struct {
	server, joined bool
	first          *session // by the check of the join
	skew           time.Duration
	links          map[string]bool // by id; guarded by mu

	stun    []mapping // what was answered
	mapped  mapped
	relays  map[string]*relayPath // by URL; guarded by mu
	offered []relayURL
	stuns   []relayURL

	mu sync.Mutex
}

// Run makes all checks and tells of each as it ends, in the order of the report. It takes some seconds; ctx ends it early. An error says that the options are wrong.
func Run(ctx context.Context, opts Options, report func(Row)) (Report, error) {
	opts, base, err := opts.resolved()
	if err != nil {
		return Report{}, err
	}
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: opts.Insecure}}
	if opts.Proxy != nil {
		transport.Proxy = func(r *http.Request) (*url.URL, error) { return opts.Proxy(r.URL) }
	}
	x := &examination{
		Options: opts, base: base, http: &http.Client{Transport: transport},
		found: findings{links: map[string]bool{}, relays: map[string]*relayPath{}},
		bench: bench{report: report},
	}
	if opts.Token != "" {
		x.secret.list = append(x.secret.list, opts.Token)
	}
	defer transport.CloseIdleConnections()
	began := time.Now()
	x.all(ctx)
	x.bench.wait()
	x.leaveAll(ctx)
	rows := x.bench.rows()
	for i := range rows {
		rows[i] = x.secret.scrub(rows[i])
	}
	return Report{
		Tool: "signal doctor", Version: opts.Version, Server: base.String(), At: began.UTC().Truncate(time.Second), Millis: millis(time.Since(began)),
		Verdict: x.verdict(rows), Rows: rows,
	}, nil
}

// all makes the checks. Those that do not disturb each other run at the same time.
func (x *examination) all(ctx context.Context) {
	b := &x.bench
	<-b.start(ctx, groupServer, "server", "Server", x.reach)
	<-b.start(ctx, groupServer, "tls", "Encryption", x.encryption)
	<-b.start(ctx, groupServer, "join", "Join", x.checkJoin)
	clock := b.start(ctx, groupServer, "clock", "Clock", x.clock)
	<-b.start(ctx, groupServer, "origin", "Web origin", x.origin)
	<-clock

	links := []<-chan struct{}{
		b.start(ctx, groupLinks, "websocket", "WebSocket", x.linkCheck("websocket", x.webSocket)),
		b.start(ctx, groupLinks, "events", "Server-sent events", x.linkCheck("events", x.events)),
		b.start(ctx, groupLinks, "longpoll", "Long polls", x.linkCheck("longpoll", x.longPoll)),
		b.start(ctx, groupLinks, "shortpoll", "Short polls", x.linkCheck("shortpoll", x.shortPoll)),
		b.start(ctx, groupLinks, "post", "POST, the way up", x.linkCheck("post", x.post)),
	}

	var stuns []<-chan struct{}
	x.found.stuns, x.found.offered = x.iceURLs()
	if len(x.found.stuns) == 0 {
		stuns = append(stuns, b.start(ctx, groupDirect, "stun", "STUN", x.noSTUN))
	}
	for _, u := range x.found.stuns {
		stuns = append(stuns, b.start(ctx, groupDirect, "stun "+u.text, u.title(), func(ctx context.Context, row *Row) { x.stun(ctx, row, u) }))
	}
	nat := b.later(ctx, groupDirect, "nat", "NAT", x.nat, stuns...)
	six := b.start(ctx, groupDirect, "ipv6", "IPv6", x.ipv6)

	expiry := b.start(ctx, groupRelay, "expiry", "Credentials", x.expiry)
	relays := []<-chan struct{}{nat, six, expiry}
	if len(x.found.offered) == 0 {
		relays = append(relays, b.start(ctx, groupRelay, "turn", "TURN", x.noTURN))
	}
	x.tripping.Add(len(x.found.offered))
	for _, u := range x.found.offered {
		relays = append(relays, b.start(ctx, groupRelay, "turn "+u.text, u.title(), func(ctx context.Context, row *Row) { x.turn(ctx, row, u) }))
	}
	restart := b.later(ctx, groupLast, "restart", "ICE restart", x.restart, relays...)
	resume := b.later(ctx, groupLast, "resume", "Resume on another link", x.resume, links...)
	<-restart
	<-resume
	x.closeRelays()
}

// bench holds the rows, and tells of them in their order.
type bench struct {
	report func(Row)
	work   sync.WaitGroup

	mu    sync.Mutex
	slots []*slot // guarded by mu
	told  int     // guarded by mu; how many of them were reported
}

type slot struct {
	row  Row
	done bool // guarded by the bench's mu
}

// start begins a check, whose row comes after those of all that began before. The channel is closed when it has ended.
func (b *bench) start(ctx context.Context, group, id, title string, check func(context.Context, *Row)) <-chan struct{} {
	return b.later(ctx, group, id, title, check)
}

// later is start, but waits for other checks first.
func (b *bench) later(ctx context.Context, group, id, title string, check func(context.Context, *Row), after ...<-chan struct{}) <-chan struct{} {
	s := &slot{row: Row{Group: group, ID: id, Title: title}}
	b.mu.Lock()
	b.slots = append(b.slots, s)
	b.mu.Unlock()
	ended := make(chan struct{})
	b.work.Go(func() {
		defer close(ended)
		for _, other := range after {
			<-other
		}
		began := time.Now()
		check(ctx, &s.row)
		s.row.Millis = millis(time.Since(began))
		if ctx.Err() != nil {
			s.row = Row{Group: group, ID: id, Title: title, Outcome: Skipped, Found: "the examination was broken off"}
		}
		b.end(s)
	})
	return ended
}

// end takes a row in, and tells of all that are next.
func (b *bench) end(s *slot) {
	b.mu.Lock()
	defer b.mu.Unlock() // also while telling: whoever listens hears one row after the other
	s.done = true
	for b.told < len(b.slots) && b.slots[b.told].done {
		b.report(b.slots[b.told].row)
		b.told++
	}
}

func (b *bench) wait() { b.work.Wait() }

func (b *bench) rows() []Row {
	b.mu.Lock()
	defer b.mu.Unlock()
	rows := make([]Row, len(b.slots))
	for i, s := range b.slots {
		rows[i] = s.row
	}
	return rows
}
