package signaling

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/parley-rtc/parley/signaling/internal/memory"
	"github.com/parley-rtc/parley/signaling/store"
)

// Config configures a [Server]. The zero value works: rooms in memory, anybody
// may join, and no ICE servers are handed out. The hooks, which are the fields of func types,
// are called from many goroutines at once.
type Config struct {
	// Authenticate tells who makes a join request, from its Authorization header
	// or whatever else it carries. An error refuses it as unauthorized, or as
	// the [Error] that it wraps. Nil lets anybody in. It is asked at joins, and for a newer
	// token that a client refreshes its session with, which comes in a request that has
	// nothing but the Authorization header; the session's own secret opens everything else.
	Authenticate func(r *http.Request) (Identity, error)

	// Authorize decides whether an identity may do something in a room. An error refuses
	// it as forbidden, or as the [Error] that it wraps. Nil allows everything.
	Authorize func(ctx context.Context, id Identity, action Action) error

	// ICEServers returns the STUN and TURN servers for a peer. It is called at every join, when a client asks for
	// fresh ones or refreshes its token, and, unasked, at half of their credentials' life. It may
	// block, and must not panic. An error makes the join fail as unavailable. Nil hands out none.
	ICEServers func(ctx context.Context, r ICERequest) (ICE, error)

	// Observe is told what happens. It must neither block nor panic, and must not call the
	// server's Shutdown or Close.
	Observe func(Event)

	// Origins are the web origins that may use the server, such as
	// "https://app.example"; "*" is any. Requests without an Origin header, which browsers do
	// not make across sites, are not affected. None: the server's own origin, as
	// the request names it, if it is an IP address or a name that others' DNS cannot point here
	// (localhost, one without a dot, .local, .localhost).
	Origins []string

	// AllowOrigin allows further origins, such as those under names that change while the server runs. It is asked about what
	// Origins, or the rule without them, does not allow, and must not block. Nil allows none.
	AllowOrigin func(origin string) bool

	// TrustedProxies are the addresses of proxies in front of the server, whose X-Forwarded-For is believed: the
	// client is the last hop in it that is none of them. Without them everybody behind a proxy counts as one address. A
	// connection without an IP address, such as of a Unix socket, counts as none.
	TrustedProxies []netip.Prefix

	// Store keeps the rooms. Nil: in memory, in this process.
	Store store.Store

	// Node names this server in join replies and logs. "": random.
	Node string

	Limits Limits
	Timing Timing

	// Logger takes one line for each session that is made, and that its client or the server ends; links are at level Debug. Nil: slog.Default.
	Logger *slog.Logger
}

// Timing holds the protocol's times. Zero fields mean the defaults, which suit the
// internet; tests shorten them.
type Timing struct {
	Heartbeat time.Duration // the server pings every link so often; default 25 s
	Lease     time.Duration // shown as away so long after the last sign of life, and gone Left later; default 60 s, more than two heartbeats
	Polling   time.Duration // a session that polls is gone so long after its last poll; default 150 s
	Away      time.Duration // shown as away so long after its link was lost; default 10 s
	Left      time.Duration // gone so long after its link was lost; default 45 s
	Unlinked  time.Duration // gone so long after a join that no link followed; default 20 s
	Leaving   time.Duration // gone so long after a soft leave; default 3 s
	Attempt   time.Duration // a join may be repeated so long; default 2 min
	Tombstone time.Duration // why a session ended is remembered so long; default 2 min
	Slow      time.Duration // a session whose WebSocket or events it acknowledged nothing of for so long ends; default 30 s, more than a heartbeat

	// A WebSocket or a stream of events is replaced by another one, without loss, at an age between nine tenths of this and all of
	// it: so balancers spread over all servers what was there before some of them. At least 1 s; 0: never.
	MaxLinkAge time.Duration
}

// Identity is who makes a request.
type Identity struct {
	Subject string // the app's id for the user; "": unknown
	Name    string // shown to the others instead of the name asked for, if not empty

	Expires time.Time // the session ends then unless refreshed; zero: never
	Claims  any       // for the app's own Authorize
}

// The verbs of an [Action]. All three are asked at the join: who may not signal or broadcast is refused when it tries.
const (
	VerbJoin      = "join"
	VerbSignal    = "signal"    // to one peer
	VerbBroadcast = "broadcast" // to all
)

// Action is something that an identity wants to do.
type Action struct {
	Verb string
	Room string
	Peer string // the peer id asked for; "": any
}

// ICERequest tells for whom ICE servers are wanted.
type ICERequest struct {
	Room, Peer string
	Subject    string        // the identity's; "": unknown
	Expires    time.Time     // the session ends then, unless refreshed: credentials need live no longer; zero: never
	Address    netip.Addr    // the client's, as limits count it; zero: not known
	HTTP       *http.Request // valid during the call; nil when the servers are pushed over a link: nobody asked
}

// ICE is an answer to an [ICERequest].
type ICE struct {
	Servers []ICEServer
	TTL     time.Duration // life of the credentials; 0: they do not expire
}

// ICEServer is one entry of an RTCConfiguration's iceServers (W3C WebRTC, section 4.2.4).
type ICEServer struct {
	URLs       []string // stun:, turn: or turns: URLs (RFC 7064, RFC 7065)
	Username   string
	Credential string
}

// resolved returns the configuration with its defaults filled in, or all its faults.
func (c Config) resolved() (Config, error) {
	var faults []error
	span := func(name string, v *time.Duration, def time.Duration) {
		if *v < 0 {
			faults = append(faults, fmt.Errorf("%s is negative", name))
		}
		*v = cmp.Or(*v, def)
	}
	l, t := &c.Limits, &c.Timing
	faults = append(faults, l.resolve()...)
	span("Timing.Heartbeat", &t.Heartbeat, 25*time.Second)
	span("Timing.Lease", &t.Lease, 60*time.Second)
	span("Timing.Polling", &t.Polling, 150*time.Second)
	span("Timing.Away", &t.Away, 10*time.Second)
	span("Timing.Left", &t.Left, 45*time.Second)
	span("Timing.Unlinked", &t.Unlinked, 20*time.Second)
	span("Timing.Leaving", &t.Leaving, 3*time.Second)
	span("Timing.Attempt", &t.Attempt, 2*time.Minute)
	span("Timing.Tombstone", &t.Tombstone, 2*time.Minute)
	span("Timing.Slow", &t.Slow, max(30*time.Second, t.Heartbeat+5*time.Second))
	if t.Slow <= t.Heartbeat {
		// A client whose timers are held back acknowledges with the next ping.
		faults = append(faults, fmt.Errorf("Timing.Slow is %v; it must be more than a heartbeat of %v", t.Slow, t.Heartbeat))
	}
	if t.Lease <= 2*t.Heartbeat {
		faults = append(faults, fmt.Errorf("Timing.Lease is %v; it must be more than two heartbeats of %v", t.Lease, t.Heartbeat))
	}
	if t.Away > t.Left {
		faults = append(faults, fmt.Errorf("Timing.Away is %v; it must not be above Timing.Left, %v", t.Away, t.Left))
	}
	if t.Heartbeat < 10*time.Millisecond {
		faults = append(faults, fmt.Errorf("Timing.Heartbeat is %v; it must be at least 10ms", t.Heartbeat))
	}
	if t.MaxLinkAge != 0 && t.MaxLinkAge < time.Second {
		faults = append(faults, fmt.Errorf("Timing.MaxLinkAge is %v; it must be at least 1s, or 0 for none", t.MaxLinkAge))
	}
	origins := make([]string, len(c.Origins)) // not the caller's
	for i, origin := range c.Origins {
		var err error
		if origins[i], err = normalOrigin(origin); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", fmt.Sprintf("Origins[%d]", i), err))
		}
	}
	c.Origins = origins
	proxies := make([]netip.Prefix, len(c.TrustedProxies)) // not the caller's
	for i, proxy := range c.TrustedProxies {
		if proxies[i] = unmapped(proxy); !proxy.IsValid() {
			faults = append(faults, fmt.Errorf("%s is not valid", fmt.Sprintf("TrustedProxies[%d]", i)))
		}
	}
	c.TrustedProxies = proxies
	if c.Store == nil {
		c.Store = memory.New()
	}
	if c.Node == "" {
		c.Node = strings.ToLower(rand.Text()[:6])
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c, errors.Join(faults...)
}

func (c Config) rules() store.Rules {
	return store.Rules{
		Peers:         c.Limits.Peers,
		PerAddress:    c.Limits.PerAddress,
		Rate:          c.Limits.Rate,
		Burst:         c.Limits.Burst,
		MailboxFrames: c.Limits.MailboxFrames,
		MailboxBytes:  c.Limits.MailboxBytes,
		Lease:         c.Timing.Lease,
		Polling:       c.Timing.Polling,
		Away:          c.Timing.Away,
		Left:          c.Timing.Left,
		Unlinked:      c.Timing.Unlinked,
		Leaving:       c.Timing.Leaving,
		Attempt:       c.Timing.Attempt,
		Tombstone:     c.Timing.Tombstone,
	}
}
