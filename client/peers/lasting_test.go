package peers

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/signaling"
)

// restart has a side restart ICE on its connection, and returns what is closed when it did.
func (m *member) restart(id string) <-chan struct{} {
	done := make(chan struct{})
	p := m.Peer(id)
	m.post(func() {
		c := p.connection
		c.step(func() error {
			defer close(done)
			return c.negotiation.restart()
		})
	})
	return done
}

// settle waits until no offer is out, and the connection works.
func (m *member) settle(id string) {
	m.t.Helper()
	p := m.Peer(id)
	m.until("the restart is over", func() bool {
		settled := make(chan bool, 1)
		m.post(func() {
			settled <- p.health == connected && len(p.connection.negotiation.steps) == 0 &&
				p.connection.pc.SignalingState() == webrtc.SignalingStateStable
		})
		return <-settled
	})
}

func TestRestartsOnBothSidesAtOnceLoseNothing(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice, bob := s.join("alice", Config{}), s.join("bob", Config{})
	ac, bc := alice.open("bob", "chat"), bob.open("alice", "chat")
	const count = 300
	received := make(chan error)
	for _, way := range []struct {
		in   *Channel
		from *Channel
	}{{ac, bc}, {bc, ac}} {
		go func() {
			for i := range count {
				_ = way.from.WriteMessage(t.Context(), binary.BigEndian.AppendUint32(make([]byte, 996), uint32(i)))
				time.Sleep(5 * time.Millisecond)
			}
		}()
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), patient)
			defer cancel()
			for i := range count {
				message, err := way.in.ReadMessage(ctx)
				if err == nil && int(binary.BigEndian.Uint32(message[996:])) != i {
					err = errors.New("out of order")
				}
				if err != nil {
					received <- err
					return
				}
			}
			received <- nil
		}()
	}
	for range 5 {
		a, b := alice.restart("bob"), bob.restart("alice")
		<-a
		<-b
		alice.settle("bob")
		bob.settle("alice")
	}
	for range 2 {
		if err := <-received; err != nil {
			t.Errorf("messages over restarts: %v\nalice: %v\nbob: %v", err, alice.log(), bob.log())
		}
	}
	if ac.Done() == nil || isClosed(ac.Done()) || isClosed(bc.Done()) {
		t.Error("a restart replaced the connection")
	}
}

// Browsers refuse an answer by which the roles in DTLS would change, as pion's own would.
func TestAnswersToARestartKeepTheRoles(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice, bob := s.join("alice", Config{}), s.join("bob", Config{})
	alice.open("bob", "chat")
	for _, c := range []struct {
		restarts, answers *member
		role              string // of who answers
	}{{bob, alice, "active"}, {alice, bob, "passive"}, {bob, alice, "active"}} {
		id := c.answers.ID()
		<-c.restarts.restart(id)
		c.restarts.until("the answer", func() bool {
			answered := make(chan string, 1)
			c.restarts.post(func() {
				pc := c.restarts.Peer(id).connection.pc
				if d := pc.RemoteDescription(); d != nil && d.Type == webrtc.SDPTypeAnswer && pc.SignalingState() == webrtc.SignalingStateStable {
					answered <- setupIn(d.SDP)
				} else {
					answered <- ""
				}
			})
			role := <-answered
			if role != "" && role != c.role {
				t.Fatalf("%s answers as %s, and not as %s", id, role, c.role)
			}
			return role != ""
		})
		c.answers.settle(c.restarts.ID())
	}
}

func TestChannelsLiveOnWithoutTheServer(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice, bob := s.join("alice", Config{}), s.join("bob", Config{})
	ac, bc := alice.open("bob", "chat"), bob.open("alice", "chat")
	peer := alice.Peer("bob")
	s.kill()
	alice.until("the server is gone", func() bool { return alice.Session().Link() == client.Auto })
	talk(alice, bob, ac, bc)
	s.start(signaling.Config{})
	alice.until("the server is back", func() bool { return alice.Session().Link() != client.Auto })
	bob.until("the server is back", func() bool { return bob.Session().Link() != client.Auto })
	carol := s.join("carol", Config{})
	talk(alice, carol, alice.open("carol", "chat"), carol.open("alice", "chat"))
	talk(bob, carol, bob.open("carol", "chat"), carol.open("bob", "chat"))
	alice.until("bob is listed again", func() bool { return peer.Presence() == "here" })
	talk(alice, bob, ac, bc)
	if alice.Peer("bob") != peer || isClosed(ac.Done()) {
		t.Error("the connection was replaced")
	}
}

// earplugs is a socket that can be made to hear and say nothing.
type earplugs struct {
	net.PacketConn
	in *atomic.Bool
}

func (e earplugs) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := e.PacketConn.ReadFrom(b)
		if err != nil || !e.in.Load() {
			return n, from, err
		}
	}
}

func (e earplugs) WriteTo(b []byte, to net.Addr) (int, error) {
	if e.in.Load() {
		return len(b), nil
	}
	return e.PacketConn.WriteTo(b, to)
}

// cuttable returns an API whose packets stop while cut is set.
func cuttable(t *testing.T, cut *atomic.Bool) *webrtc.API {
	t.Helper()
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: earplugs{socket, cut}})
	t.Cleanup(func() { _ = mux.Close() })
	return onLoopback(func(s *webrtc.SettingEngine) { s.SetICEUDPMux(mux) })
}

func TestAPeerThatVanishesIsNoticed(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := serve(t, signaling.Config{})
	var cut atomic.Bool
	bobs := cuttable(t, &cut)
	alice, bob := s.join("alice", Config{}), s.join("bob", Config{API: bobs})
	talk(alice, bob, alice.open("bob", "chat"), bob.open("alice", "chat"))
	cut.Store(true)
	began := time.Now()
	bob.Session().Close() // without a word to anybody
	alice.until("bob is missed", func() bool { return alice.Peer("bob").State() == Reconnecting })
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestAConnectionThatWasCutIsMended(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := serve(t, signaling.Config{})
	var cut atomic.Bool
	alice := s.join("alice", Config{NoServerRelay: true}) // else the connection is given up
	bob := s.join("bob", Config{NoServerRelay: true, API: cuttable(t, &cut)})
	ac, bc := alice.open("bob", "chat"), bob.open("alice", "chat")
	talk(alice, bob, ac, bc)
	cut.Store(true)
	alice.until("bob is missed", func() bool { return alice.Peer("bob").State() == Reconnecting })
	large := bytes.Repeat([]byte("x"), 100_000)
	alice.write(ac, large)
	cut.Store(false)
	if got := bob.read(bc); !bytes.Equal(got, large) {
		t.Error("what was written while the path was cut is not what arrived")
	}
	alice.until("bob is back", func() bool { return alice.Peer("bob").State() == Connected })
	talk(alice, bob, ac, bc)
}

func TestAPathThatIsBeyondMendingIsReplaced(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := serve(t, signaling.Config{})
	alice, bob := s.join("alice", Config{}), s.join("bob", Config{})
	ac := alice.open("bob", "chat")
	bob.post(func() { bob.Peer("alice").connection.close(ErrLost) })
	if _, err := ac.Read(make([]byte, 1)); !errors.Is(err, ErrLost) {
		t.Errorf("the lost channel says %v", err)
	}
	talk(alice, bob, alice.open("bob", "chat"), bob.open("alice", "chat"))
}
