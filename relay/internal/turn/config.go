package turn

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/parley-rtc/parley/relay/internal/policy"
)

// Policy judges peers; [policy.Policy] does.
type Policy interface {
	Judge(peer netip.Addr) (policy.Verdict, string)
}

// Account is what is known about a username.
type Account struct {
	User      string    // whom quotas and usage count for, and who can be revoked
	Passwords []string  // any of them may sign; none: the username is unknown
	Expires   time.Time // from when on no allocation can be made; zero: never
}

// Config says what an Engine does. A field left zero has the default it documents. Shared, Account,
// Policy, Ports and Sink are needed.
type Config struct {
	Shared *Shared
	Index  int // this engine's number among those of Shared
	Ports  Ports
	Sink   Sink
	Policy Policy

	Realm string // default "parley"
	// Account looks a username up.
	Account func(username string, now time.Time) Account
	// Username finds the username of a USERHASH (SHA-256 of "username:realm"). Only users known
	// beforehand can be found, so leave it nil where usernames are time-limited.
	Username func(hash [32]byte) (username string, known bool)

	// Relayed reports whether relays have an address, so that packets to it look for an allocation
	// before they leave by a socket. Addresses that the policy calls inside are, whatever it says.
	Relayed func(addr netip.Addr) bool

	NoIPv4, NoIPv6 bool // families that cannot be relayed
	// KeepFamily gives clients that ask for no address family the one they come from, not IPv4.
	KeepFamily bool
	// TCP allows TCP allocations (RFC 6062).
	TCP bool
	// DontFragment says that Port.Send can set the DF bit.
	DontFragment bool
	// WideChannels allows channel numbers up to 0x7FFF, as clients of RFC 5766 choose them.
	WideChannels bool

	// MaxSession is how long an allocation may live. Default 24 h.
	MaxSession time.Duration
	// StrictExpiry ends allocations when their credential expires.
	StrictExpiry bool

	Permissions    int   // live ones per allocation; default 256
	Channels       int   // per allocation; default 256
	Connections    int   // peer connections per TCP allocation; default 256
	NewPeers       int   // new permissions at once; default 100
	NewPeersPerSec int   // and then per second; default 20
	Bits           int64 // per second and allocation, payload relayed, both ways together; 0: no limit
	// Limit is what the allocations of one address may relay together; nil: no limit.
	Limit *policy.Bandwidth

	AnswersPerSource int // per second, to a source that has not returned a nonce; default 100
	Answers          int // per second, to all of them; default 20000

	// Alternate returns where a client should go while the relay drains: a server of the same
	// family and transport, and for TLS its domain if it has one. Engines call it at the same time.
	Alternate func(c Client) (server netip.AddrPort, domain string, ok bool)

	// Began and Ended are told of allocations: for logs, for usage by user, and to close the
	// connection of a client that has none any more. They must not call the engine.
	Began, Ended func(Info)
}

// resolved returns the configuration with its defaults filled in, or every fault at once.
func (c Config) resolved() (Config, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	need := func(there bool, name string) {
		if !there {
			fault("%s is missing", name)
		}
	}
	need(c.Shared != nil, "Shared")
	need(c.Ports != nil, "Ports")
	need(c.Sink != nil, "Sink")
	need(c.Policy != nil, "Policy")
	need(c.Account != nil, "Account")
	if c.NoIPv4 && c.NoIPv6 {
		fault("neither IPv4 nor IPv6 can be relayed")
	}
	c.Realm = cmp.Or(c.Realm, "parley")
	c.MaxSession = cmp.Or(c.MaxSession, 24*time.Hour)
	c.Permissions = cmp.Or(c.Permissions, 256)
	c.Channels = cmp.Or(c.Channels, 256)
	c.Connections = cmp.Or(c.Connections, 256)
	c.NewPeers = cmp.Or(c.NewPeers, 100)
	c.NewPeersPerSec = cmp.Or(c.NewPeersPerSec, 20)
	c.AnswersPerSource = cmp.Or(c.AnswersPerSource, 100)
	c.Answers = cmp.Or(c.Answers, 20000)
	for name, n := range map[string]int64{
		"MaxSession": int64(c.MaxSession), "Permissions": int64(c.Permissions), "Channels": int64(c.Channels),
		"Connections": int64(c.Connections), "NewPeers": int64(c.NewPeers), "NewPeersPerSec": int64(c.NewPeersPerSec),
		"AnswersPerSource": int64(c.AnswersPerSource), "Answers": int64(c.Answers), "Bits": c.Bits,
	} {
		if n < 0 {
			fault("%s is negative", name)
		}
	}
	if len(c.Realm) > maxRealm {
		fault("Realm is %d bytes long, at most %d are allowed", len(c.Realm), maxRealm)
	}
	if c.Began == nil {
		c.Began = func(Info) {}
	}
	if c.Ended == nil {
		c.Ended = func(Info) {}
	}
	return c, errors.Join(faults...)
}
