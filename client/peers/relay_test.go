package peers

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/parley-rtc/parley/relay"
	"github.com/parley-rtc/parley/relay/credentials"
	"github.com/parley-rtc/parley/signaling"
)

func TestPeersMeetOverARelay(t *testing.T) {
	for _, protocol := range []string{"udp", "tcp"} {
		t.Run(protocol, func(t *testing.T) {
			address := serveRelay(t, protocol)
			keyring, err := credentials.New("secret")
			if err != nil {
				t.Fatal(err)
			}
			s := serve(t, signaling.Config{ICEServers: func(_ context.Context, r signaling.ICERequest) (signaling.ICE, error) {
				c, err := keyring.Mint(r.Peer, time.Now(), time.Hour)
				return signaling.ICE{TTL: time.Hour, Servers: []signaling.ICEServer{
					{URLs: []string{"turn:" + address + "?transport=" + protocol}, Username: c.Username, Credential: c.Password},
				}}, err
			}})
			alice, bob := s.join("alice", Config{RelayOnly: true}), s.join("bob", Config{RelayOnly: true})
			ac, bc := alice.open("bob", "chat"), bob.open("alice", "chat")
			talk(alice, bob, ac, bc)
			large := make([]byte, 1<<20)
			done := make(chan []byte)
			go func() { done <- bob.read(bc) }()
			alice.write(ac, large)
			if got := <-done; len(got) != len(large) {
				t.Errorf("%d bytes arrived", len(got))
			}
			alice.until("the path is known", func() bool {
				p := alice.Peer("bob").Path()
				return p.Kind == Relayed && p.Protocol == protocol
			})
		})
	}
}

// serveRelay starts a relay on a loopback port that ends with the test, and returns its address.
func serveRelay(t *testing.T, protocol string) string {
	t.Helper()
	keyring, err := credentials.New("secret")
	if err != nil {
		t.Fatal(err)
	}
	server, err := relay.New(relay.Config{
		PublicIP: netip.MustParseAddr("127.0.0.1"), Keyring: keyring, AllowLoopback: true, Logger: quiet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, relay.ErrServerClosed) {
			t.Error(err)
		}
	})
	if protocol == "tcp" {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { done <- server.ServeTCP(l) }()
		return l.Addr().String()
	}
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { done <- server.Serve(conn) }()
	return conn.LocalAddr().String()
}

func TestARoomWithoutARelaySaysSo(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := serve(t, signaling.Config{})
	alice := s.join("alice", Config{RelayOnly: true})
	alice.until("the lack of a relay is told", func() bool {
		return saw(alice, func(f Fault) bool { return f.Peer == nil && errors.Is(f.Err, ErrNoRelay) })
	})
}
