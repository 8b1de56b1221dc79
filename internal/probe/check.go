package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/pion/stun/v3"
)

// Target is a server to check, and how.
type Target struct {
	URI stun.URI
	// Credentials returns those for so long; nil: only STUN is checked.
	Credentials func(ttl time.Duration) (username, password string, err error)
	// TTL is how long they are to be good for.
	TTL time.Duration
	// Minted says that the credentials are made from a secret for a time, and no user's password.
	Minted bool
	// Insecure takes any certificate.
	Insecure bool
	// Inside leaves out the packets that come from outside of the relay: what a client needs whose own UDP is blocked.
	Inside bool
	// Timeout is how long each step may take.
	Timeout time.Duration
}

// Step is one step of a check and how it ended.
type Step struct {
	Name    string
	Took    time.Duration
	Found   string // in a few words
	Skipped bool   // it cannot be done from here; Found says why
	Warning string // what is odd, though the step is done
	Err     error  // nil: done
	Cure    string // what is probably wrong and what to do, if Err is not nil
}

// check is one run.
type check struct {
	Target
	ctx    context.Context
	report func(Step)
	addr   netip.AddrPort // of the server
	mapped netip.AddrPort // where the server sees the first client
	six    bool           // IPv6 is what is relayed
	done   bool           // the allocations are given back
	clients
}

// clients are those that the check has, each with its relayed address.
type clients struct {
	first, second *Client
	relayed       [2]netip.AddrPort
}

// Check goes through the steps until one fails, and tells of each as it ends. It returns the one that failed, or nil.
func Check(ctx context.Context, t Target, report func(Step)) *Step {
	c := &check{Target: t, ctx: ctx, report: report}
	defer c.close()
	steps := c.opening()
	if t.relays() {
		steps = append(steps, c.challenge)
		if t.Credentials != nil {
			steps = append(steps, c.allocate, c.judgeRelayed, c.allocateSecond, c.permit, c.bind, c.exchange, c.refresh)
			if !t.Inside {
				steps = append(steps, c.outside)
			}
			steps = append(steps, c.deallocate)
		}
	}
	return c.run(steps)
}

// opening are the steps that every check begins with.
func (c *check) opening() []func(*Step) {
	steps := []func(*Step){c.resolve}
	if c.stream() {
		steps = append(steps, c.connectTCP)
	}
	return append(steps, c.greet, c.binding)
}

// run goes through steps until one fails, and returns that.
func (c *check) run(steps []func(*Step)) *Step {
	for _, run := range steps {
		step := Step{}
		began := time.Now()
		run(&step)
		if step.Name == "" {
			continue
		}
		step.Took = time.Since(began)
		c.report(step)
		if step.Err != nil {
			return &step
		}
	}
	return nil
}

// relays says that the URL is of a TURN server.
func (t *Target) relays() bool {
	return t.URI.Scheme == stun.SchemeTypeTURN || t.URI.Scheme == stun.SchemeTypeTURNS
}

// secureStream says that the server is spoken to over TLS.
func (c *check) secureStream() bool { return c.URI.IsSecure() && c.URI.Proto != stun.ProtoTypeUDP }

// stream says that messages go over a byte stream.
func (c *check) stream() bool { return c.URI.Proto != stun.ProtoTypeUDP }

// bounded returns a context for one step.
func (c *check) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.ctx, c.Timeout)
}

// fail ends a step.
func (s *Step) fail(err error, cure string) { s.Err, s.Cure = err, cure }

func (c *check) resolve(s *Step) {
	s.Name = "resolve"
	ctx, cancel := c.bounded()
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", c.URI.Host)
	if err == nil && len(addrs) == 0 {
		err = errors.New("the name has no address")
	}
	if err != nil {
		s.fail(err, "the name is not in the DNS that this machine asks; is it written as clients are told it?")
		return
	}
	c.addr = netip.AddrPortFrom(addrs[0].Unmap(), uint16(c.URI.Port))
	s.Found = c.addr.String()
	if len(addrs) > 1 {
		s.Found += fmt.Sprintf(" (the first of %d; clients may try any)", len(addrs))
	}
}

// binding is the first thing that is said over UDP, and shows that the server speaks STUN over the others.
func (c *check) binding(s *Step) {
	s.Name = "STUN binding"
	ctx, cancel := c.bounded()
	defer cancel()
	mapped, err := c.first.Binding(ctx)
	if err != nil {
		cure := c.silenceCure(err, "what listens there does not speak STUN")
		if c.stream() && !c.URI.IsSecure() && c.speaksTLS() {
			cure = "that port speaks TLS; write turns:, or stuns:"
		}
		s.fail(err, cure)
		return
	}
	c.mapped = mapped
	s.Found = "this host is seen as " + mapped.String()
}

// silenceCure says what is probably wrong when nothing is answered.
func (c *check) silenceCure(err error, otherwise string) string {
	port := strconv.Itoa(c.URI.Port)
	switch {
	case isRefused(err):
		return "nothing listens on port " + port + " there; is the relay running, and on this port?"
	case errors.Is(err, ErrSilent) && !c.stream():
		return "a firewall drops UDP to or from port " + port + ", or nothing listens there"
	case errors.Is(err, ErrSilent):
		return "the connection is open, but what listens there does not speak STUN, or a proxy is in between"
	}
	return otherwise
}

func (c *check) challenge(s *Step) {
	s.Name = "challenge"
	ctx, cancel := c.bounded()
	defer cancel()
	if err := c.first.Challenge(ctx); err != nil {
		cure := "the server speaks STUN and not TURN: is a STUN server behind this URL?"
		switch CodeOf(err) {
		case 300:
			cure = "the relay is shutting down and sends clients elsewhere"
		case 0:
			if !errors.Is(err, ErrSilent) {
				cure = "the server does not do TURN as it should (RFC 8656)"
			}
		}
		s.fail(err, cure)
		return
	}
	s.Found = fmt.Sprintf("401, realm %q", c.first.Realm())
}

// judgeRelayed looks at the relayed address, without a packet.
func (c *check) judgeRelayed(s *Step) {
	s.Name = "relayed address"
	relayed, server := c.relayed[0].Addr(), c.addr.Addr()
	s.Found = c.relayed[0].String()
	switch {
	case relayed.IsUnspecified() || relayed.IsMulticast() || c.relayed[0].Port() == 0:
		s.fail(fmt.Errorf("%v is no address that a peer can send to", c.relayed[0]), "set the relay's public address (--public-ip)")
	case isLocal(relayed) && !isLocal(server):
		s.fail(fmt.Errorf("%v is a private address, though the server's, %v, is public", relayed, server),
			"peers outside cannot send there: set the relay's public address (--public-ip PUBLIC/PRIVATE behind a 1:1 NAT)")
	case isLocal(relayed):
		s.Warning = "private, like the server's: only peers of the same network can send there"
	case relayed != server && relayed.Is4() == server.Is4():
		s.Warning = "not the server's own; that is right if it has several"
	}
}

// isLocal says that an address means something in its own network only.
func isLocal(addr netip.Addr) bool {
	return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || sharedSpace.Contains(addr)
}

// sharedSpace is what carriers use behind their own NAT, RFC 6598.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

func (c *check) close() {
	for n, client := range []*Client{c.first, c.second} {
		if client == nil {
			continue
		}
		if c.relayed[n].IsValid() && !c.done { // a failed check leaves nothing behind, if that can be had
			ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), time.Second)
			_ = client.Refresh(ctx, 0)
			cancel()
		}
		_ = client.Close() // it is of no use to anybody
	}
}
