package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/relay/credentials"
	"github.com/parley-rtc/parley/relay/internal/packet"
	"github.com/parley-rtc/parley/relay/internal/policy"
	"github.com/parley-rtc/parley/relay/internal/turn"
	"github.com/parley-rtc/parley/relay/internal/worker"
)

// ErrServerClosed is what Serve and its like return after Shutdown or Close.
var ErrServerClosed = errors.New("relay: server closed")

// Server is a STUN and TURN server. All its methods may be called concurrently.
type Server struct {
	cfg    Config // but for what Reload changes
	prober credentials.Credential
	shared *turn.Shared
	crew   *worker.Crew

	reloading sync.Mutex // one at a time
	access    atomic.Pointer[access]
}

// New returns a server that serves nothing yet, or every fault of the configuration at once.
func New(cfg Config) (*Server, error) {
	cfg, faults := cfg.resolved()
	access, err := cfg.access()
	if err := errors.Join(faults, err); err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	s := &Server{cfg: cfg, prober: newProber(), shared: turn.NewShared(turn.Limits{
		Allocations:          cfg.MaxAllocations,
		AllocationsPerUser:   cfg.MaxAllocationsPerUser,
		AllocationsPerSource: cfg.MaxAllocationsPerSource,
		Bits:                 cfg.Bits,
	})}
	s.access.Store(access)
	mode, _ := packet.ParseMode(cfg.UDPMode)
	s.crew, err = worker.New(worker.Settings{
		Workers:        cfg.workers(),
		Mode:           mode,
		Engine:         s.engine(),
		Relays:         [2]worker.Address{{Bind: cfg.RelayBind, Public: cfg.PublicIP}, {Bind: cfg.RelayBindIPv6, Public: cfg.PublicIPv6}},
		MinPort:        cfg.MinPort,
		MaxPort:        cfg.MaxPort,
		GetCertificate: cfg.GetCertificate,
		Connections:    cfg.MaxConnectionsPerSource,
		HalfOpen:       cfg.MaxHandshakes,
		Patience:       cfg.AuthTimeout,
		Logger:         cfg.Logger,
		Changed:        s.changed,
		Recheck:        cfg.recheck,
		Ended:          cfg.ended(),
		Quiet:          s.prober.Username,
	})
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	return s, nil
}

// ended returns what tells Ended, or nil if there is nobody to be told.
func (c Config) ended() func(turn.Info) {
	if c.Ended == nil {
		return nil
	}
	return func(i turn.Info) {
		a := allocationOf(i)
		a.Ended = time.Now()
		c.Ended(a)
	}
}

// engine returns the configuration of engines.
func (s *Server) engine() turn.Config {
	c := s.cfg
	engine := turn.Config{
		Shared:         s.shared,
		Policy:         s.access.Load().peers,
		Relayed:        func(addr netip.Addr) bool { return s.access.Load().peers.Own(addr) },
		Realm:          c.Realm,
		Account:        s.account,
		KeepFamily:     c.KeepFamily,
		TCP:            c.TCPRelaying,
		WideChannels:   c.WideChannels,
		MaxSession:     c.MaxSession,
		StrictExpiry:   c.StrictExpiry,
		Permissions:    c.MaxPermissions,
		Channels:       c.MaxChannels,
		NewPeers:       c.NewPeers,
		NewPeersPerSec: c.NewPeersPerSecond,
		Bits:           c.BitsPerAllocation,
		Limit:          policy.NewBandwidth(c.BitsPerAddress),
	}
	if c.Keyring == nil { // a time-limited name cannot be found by its hash
		engine.Username = func(hash [32]byte) (string, bool) {
			name, known := s.access.Load().hashes[hash]
			return name, known
		}
	}
	if c.Alternate != nil {
		engine.Alternate = func(client turn.Client) (netip.AddrPort, string, bool) {
			return c.Alternate(Client{Addr: client.Addr, Transport: client.Transport.String()})
		}
	}
	return engine
}

// Serve answers STUN and TURN on a UDP socket, over DTLS as well if the server has certificates, until reading
// from it fails, or until Shutdown or Close, after which it returns [ErrServerClosed]. It closes conn, and the
// allocations made through it end. Several sockets may be served at once, by a call of Serve each.
//
// A [net.UDPConn] is taken over: it is closed at once in favour of another descriptor, which packets are moved through in
// batches, so closing it later does not end Serve. Any other socket is used by its own methods, and by one worker.
//
// With several workers (see Config.Workers) Serve opens more sockets at the port of conn, on Linux, by SO_REUSEPORT, which it sets on conn, too. Others
// are still told that the port is in use. What came to conn before is dropped then, and left to its senders to repeat. A conn that had the option before is taken for one of several that the
// caller has bound: one worker serves it.
func (s *Server) Serve(conn net.PacketConn) error {
	return ending(conn.LocalAddr(), s.crew.ServePackets(conn))
}

// ServeTCP is [Server.Serve] for a TCP listener.
func (s *Server) ServeTCP(l net.Listener) error {
	return ending(l.Addr(), s.crew.ServeStreams(l, false))
}

// ServeTLS is [Server.Serve] for a TCP listener whose clients speak TLS. It needs GetCertificate.
func (s *Server) ServeTLS(l net.Listener) error {
	if s.cfg.GetCertificate == nil {
		_ = l.Close() // there is no use for it
		return errors.New("relay: TLS needs GetCertificate")
	}
	return ending(l.Addr(), s.crew.ServeStreams(l, true))
}

// ServeConn serves one connection of a client until it ends, or until Shutdown or Close, and closes it: for listeners that
// serve other protocols, too. It may have read nothing from conn that conn does not give again. A connection with a
// method ConnectionState like that of [crypto/tls.Conn] is one over TLS; if it has HandshakeContext, too, that is called first. With
// a method Since() time.Time it says when it was accepted: the 10 s that it has to authenticate count from then.
func (s *Server) ServeConn(conn net.Conn) { s.crew.ServeConn(conn) }

// ending turns what ended serving into what callers know.
func ending(addr net.Addr, err error) error {
	if errors.Is(err, worker.ErrClosed) {
		return ErrServerClosed
	}
	return fmt.Errorf("relay: serve %v: %w", addr, err)
}

// Revoke ends the allocations of a user at once, and refuses new ones for the time of
// Config.CredentialTTL. With time-limited credentials, the user is the part after "expiry:". It returns
// how many allocations there were. Only a new server forgets that before.
func (s *Server) Revoke(user string) int {
	now := time.Now()
	until := now.Add(s.cfg.CredentialTTL)
	s.shared.Revoke(user, now, until)
	ended := s.crew.Revoke(user)
	s.cfg.Logger.Info("user revoked", "user", user, "ended", ended, "until", until.UTC().Format(time.RFC3339))
	return ended
}

// Shutdown refuses new allocations and lets the live ones go on until there are none or ctx ends,
// then closes the server. It returns nil in the first case and ctx's error in the second. STUN
// binding requests are answered meanwhile.
func (s *Server) Shutdown(ctx context.Context) error {
	s.shared.Drain(true)
	var err error
	select {
	case <-s.crew.Idle():
	default:
		select {
		case <-s.crew.Idle():
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return errors.Join(err, s.Close())
}

// Close ends every allocation and connection, and waits until all that was served has ended. It may be called again.
func (s *Server) Close() error { return s.crew.Close() }
