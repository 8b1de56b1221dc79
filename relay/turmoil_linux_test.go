package relay

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"

	"github.com/parley-rtc/parley/internal/leaktest"
)

// guest is a client that is not surprised when it gets no answer.
type guest struct {
	conn   net.Conn
	signed []stun.Setter
}

func newGuest(addr, user string) (*guest, error) {
	conn, err := net.Dial("udp4", addr)
	if err != nil {
		return nil, err
	}
	g := &guest{conn: conn}
	challenge := g.ask(stun.MethodAllocate, transportUDP)
	var nonce stun.Nonce
	if challenge == nil || nonce.GetFrom(challenge) != nil {
		return g, errors.New("no challenge")
	}
	g.signed = []stun.Setter{stun.NewUsername(user), stun.NewRealm("parley"), nonce, stun.MessageIntegrity(turn.GenerateAuthKey(user, "parley", "secret"))}
	return g, nil
}

// ask returns the answer to a request, or nil if there is none soon.
func (g *guest) ask(method stun.Method, setters ...stun.Setter) *stun.Message {
	setters = append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, setters...)
	request := stun.MustBuild(append(setters, g.signed...)...)
	_, _ = g.conn.Write(request.Raw)
	_ = g.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	buf := make([]byte, 2048)
	for {
		n, err := g.conn.Read(buf)
		if err != nil {
			return nil
		}
		answer := &stun.Message{Raw: buf[:n]}
		if answer.Decode() == nil && answer.TransactionID == request.TransactionID {
			return answer
		}
	}
}

// attend makes allocations, sends to those of others, and leaves them or gives them back.
func attend(addr, user string, own *atomic.Pointer[netip.AddrPort], others []atomic.Pointer[netip.AddrPort]) {
	g, err := newGuest(addr, user)
	if g == nil {
		return
	}
	defer func() { _ = g.conn.Close() }()
	if err != nil {
		return
	}
	answer := g.ask(stun.MethodAllocate, transportUDP, attribute(stun.AttrEvenPort, byte(rand.IntN(2)<<7)))
	if answer == nil || codeOf(answer) != 0 {
		return
	}
	if token, err := answer.Get(stun.AttrReservationToken); err == nil && rand.IntN(2) == 0 {
		if heir, err := newGuest(addr, user); heir != nil {
			defer func() { _ = heir.conn.Close() }()
			if err == nil {
				heir.ask(stun.MethodAllocate, transportUDP, attribute(stun.AttrReservationToken, token...))
			}
		}
	}
	var relayed stun.XORMappedAddress
	if relayed.GetFromAs(answer, stun.AttrXORRelayedAddress) == nil {
		at := netip.AddrPortFrom(localhost, uint16(relayed.Port))
		own.Store(&at)
	}
	g.ask(stun.MethodCreatePermission, peer(netip.AddrPortFrom(localhost, 1)))
	for i := range others {
		if to := others[i].Load(); to != nil {
			for range 10 {
				m := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), peer(*to), attribute(stun.AttrData, make([]byte, 100)...))
				_, _ = g.conn.Write(m.Raw)
			}
		}
	}
	if rand.IntN(3) == 0 {
		g.ask(stun.MethodRefresh, attribute(stun.AttrLifetime, 0, 0, 0, 0))
	}
}

// Whatever goes on, a server ends: with clients that come, send each other what crosses workers, and go, with sockets that are only
// about to be served, with users and peers that are refused meanwhile. Then nothing of it is left.
func TestAServerEndsInTheMiddleOfEverything(t *testing.T) {
	for name, end := range map[string]func(*Server) error{
		"closed": (*Server).Close,
		"shut down": func(s *Server) error {
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			leaktest.Check(t)
			cfg := Config{Workers: 4, MinPort: 21000, MaxPort: 21999, Users: make(map[string]string), MaxAllocationsPerUser: 50}
			const guests = 8
			for i := range 4 * guests {
				cfg.Users["user"+strconv.Itoa(i)] = "secret"
			}
			server := newServer(t, cfg)
			defer func() { _ = server.Close() }()
			conn := listen(t)
			addr := conn.LocalAddr().String()
			var busy sync.WaitGroup
			serving := func(conn net.PacketConn) {
				busy.Go(func() {
					if err := server.Serve(conn); !errors.Is(err, ErrServerClosed) {
						t.Errorf("Serve returned %v", err)
					}
				})
			}
			serving(conn)
			stop := make(chan struct{})
			again := func(f func(n int)) {
				busy.Go(func() {
					for n := 0; ; n++ {
						select {
						case <-stop:
							return
						default:
							f(n)
						}
					}
				})
			}
			places := make([]atomic.Pointer[netip.AddrPort], guests)
			for i := range guests {
				again(func(n int) { attend(addr, "user"+strconv.Itoa(n%4*guests+i), &places[i], places) })
			}
			again(func(n int) {
				more := cfg
				more.Workers, more.UDPMode, more.PublicIP, more.RelayBind = server.cfg.Workers, server.cfg.UDPMode, server.cfg.PublicIP, server.cfg.RelayBind
				if n%2 == 0 {
					more.DenyPeers = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
				}
				if err := server.Reload(more); err != nil {
					t.Errorf("Reload: %v", err)
				}
				server.Revoke("user" + strconv.Itoa(min(n, 2*guests)))
				time.Sleep(5 * time.Millisecond)
			})
			again(func(int) {
				stats := server.Stats()
				if stats.Allocations < 0 || stats.Ports[0].InUse > stats.Ports[0].Range {
					t.Errorf("stats are %+v", stats)
				}
				server.Allocations(0, 100)
				time.Sleep(time.Millisecond)
			})
			again(func(n int) {
				if n < 100 {
					if conn, err := net.ListenPacket("udp4", "127.0.0.1:0"); err == nil {
						serving(conn)
					}
				}
				time.Sleep(time.Millisecond)
			})
			deadline := time.Now().Add(10 * patience)
			for stats := server.Stats(); stats.AllocationsTotal < 100 || stats.FromPeers.Packets < 500; stats = server.Stats() {
				if time.Now().After(deadline) {
					t.Errorf("too little goes on: %+v", stats)
					break
				}
				time.Sleep(time.Millisecond)
			}
			if err := end(server); err != nil {
				t.Errorf("it ended with %v", err)
			}
			close(stop)
			busy.Wait()
			stats := server.Stats()
			if stats.Allocations != 0 || stats.Connections != 0 || stats.Ports[0].InUse != 0 || server.shared.Live() != 0 {
				t.Errorf("left: %+v", stats)
			}
		})
	}
}
