package relay

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"

	engine "github.com/parley-rtc/parley/relay/internal/turn"
)

// tcpConfig relays TCP to loopback.
func tcpConfig() Config {
	cfg := both()
	cfg.AllowLoopback, cfg.TCPRelaying = true, true
	return cfg
}

// controller speaks STUN by hand on a TCP connection.
type controller struct {
	*requester
	*packets
	addr string
}

// newController returns a controller of an address that has a nonce and, if so wished, a TCP allocation.
func newController(t *testing.T, addr string, allocated bool) (*controller, net.Addr) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	p, _ := framed(t, conn, err).(*packets)
	c := &controller{&requester{t: t}, p, addr}
	c.as("alice", "secret")
	challenge := c.ask(stun.MethodAllocate, transportTCP)
	if err := c.nonce.GetFrom(challenge); err != nil {
		t.Fatalf("no challenge: %v", err)
	}
	if !allocated {
		return c, nil
	}
	response := c.signed(stun.MethodAllocate, transportTCP)
	if got := codeOf(response); got != 0 {
		t.Fatalf("Allocate: %d", got)
	}
	return c, &net.TCPAddr{IP: xored(t, response, stun.AttrXORRelayedAddress).IP, Port: xored(t, response, stun.AttrXORRelayedAddress).Port}
}

var transportTCP = attribute(stun.AttrRequestedTransport, 6, 0, 0, 0)

func xored(t *testing.T, m *stun.Message, kind stun.AttrType) stun.XORMappedAddress {
	t.Helper()
	var addr stun.XORMappedAddress
	if err := addr.GetFromAs(m, kind); err != nil {
		t.Fatal(err)
	}
	return addr
}

// ask sends a request as it is and returns the response.
func (c *controller) ask(method stun.Method, attributes ...stun.Setter) *stun.Message {
	c.t.Helper()
	setters := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attributes...)
	if _, err := c.Write(stun.MustBuild(setters...).Raw); err != nil {
		c.t.Fatal(err)
	}
	return c.next()
}

// signed is ask with credentials.
func (c *controller) signed(method stun.Method, attributes ...stun.Setter) *stun.Message {
	c.t.Helper()
	return c.ask(method, append(attributes, stun.NewUsername(c.username), stun.NewRealm("parley"), c.nonce, c.key)...)
}

// next returns the next message.
func (c *controller) next() *stun.Message {
	c.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	buf := make([]byte, engine.MaxFrame)
	n, _, err := c.ReadFrom(buf)
	if err != nil {
		c.t.Fatal(err)
	}
	m := stun.New()
	if _, err := m.Write(buf[:n]); err != nil {
		c.t.Fatal(err)
	}
	return m
}

// bind binds a new connection to a peer's, with bytes right behind the request, and returns it.
func (c *controller) bind(id []byte, behind string) *packets {
	c.t.Helper()
	data, _ := newController(c.t, c.addr, false)
	request := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodConnectionBind, stun.ClassRequest),
		attribute(stun.AttrConnectionID, id...), stun.NewUsername(c.username), stun.NewRealm("parley"), data.nonce, data.key)
	if _, err := data.Write(append(request.Raw, behind...)); err != nil {
		c.t.Fatal(err)
	}
	if got := codeOf(data.next()); got != 0 {
		c.t.Fatalf("ConnectionBind: %d", got)
	}
	return data.packets
}

// received reads so many bytes, those first that came with a response.
func (c *packets) received(t *testing.T, n int) []byte {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, n)
	have := copy(p, c.buf)
	c.buf = c.buf[have:]
	if _, err := io.ReadFull(c.Conn, p[have:]); err != nil {
		t.Fatalf("waiting for %d bytes: %v", n, err)
	}
	return p
}

// accepting returns a TCP listener on loopback.
func accepting(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

func tcpPeer(addr net.Addr) stun.Setter { return peer(addr.(*net.TCPAddr).AddrPort()) }

func TestTCPIsRelayedToAPeer(t *testing.T) {
	server := newServer(t, tcpConfig())
	t.Cleanup(func() { _ = server.Close() })
	addr := startStreams(t, "127.0.0.1", server.ServeTCP)
	conn, err := net.Dial("tcp", addr)
	client, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: addr, Conn: framed(t, conn, err), Username: "alice", Password: "secret", Realm: "parley",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	allocation, err := client.AllocateTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = allocation.Close() })
	there := accepting(t)
	sent, back := make([]byte, 3<<20), make([]byte, 2<<20)
	_, _ = rand.Read(sent)
	_, _ = rand.Read(back)
	var group sync.WaitGroup
	group.Go(func() {
		peer, err := there.AcceptTCP()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = peer.Close() }()
		if from := peer.RemoteAddr().String(); from != allocation.Addr().String() {
			t.Errorf("the peer sees %v, want the relayed address %v", from, allocation.Addr())
		}
		got, err := io.ReadAll(peer) // until the client has ended its direction
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("the peer got %d bytes, %v, want the %d that were sent", len(got), err, len(sent))
		}
		if _, err := peer.Write(back); err != nil {
			t.Error(err)
		}
	})
	data, err := allocation.DialTCP("tcp", nil, there.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = data.Close() }()
	if _, err := data.Write(sent); err != nil {
		t.Fatal(err)
	}
	if err := data.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(data)
	if err != nil || !bytes.Equal(got, back) {
		t.Errorf("the client got %d bytes, %v, want the %d that were sent back", len(got), err, len(back))
	}
	group.Wait()
	eventually(t, server, "every byte to be counted", func(s Stats) bool {
		return s.ToPeers.Bytes == uint64(len(sent)) && s.FromPeers.Bytes == uint64(len(back))
	})
}

func TestAPeerConnectsToARelayedAddress(t *testing.T) {
	server := newServer(t, tcpConfig())
	t.Cleanup(func() { _ = server.Close() })
	c, relayed := newController(t, startStreams(t, "127.0.0.1", server.ServeTCP), true)

	uninvited, err := net.Dial("tcp", relayed.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = uninvited.Close() }()
	closedSoon(t, uninvited)

	if got := codeOf(c.signed(stun.MethodCreatePermission, tcpPeer(relayed))); got != 0 {
		t.Fatalf("CreatePermission: %d", got)
	}
	peer, err := net.Dial("tcp", relayed.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	early := make([]byte, 60_000) // before the client can know
	_, _ = rand.Read(early)
	if _, err := peer.Write(early); err != nil {
		t.Fatal(err)
	}
	attempt := c.next()
	if attempt.Type != stun.NewType(stun.MethodConnectionAttempt, stun.ClassIndication) {
		t.Fatalf("got %v, want ConnectionAttempt", attempt)
	}
	if from := xored(t, attempt, stun.AttrXORPeerAddress); from.String() != peer.LocalAddr().String() {
		t.Errorf("the attempt is from %v, want %v", from, peer.LocalAddr())
	}
	id, err := attempt.Get(stun.AttrConnectionID)
	if err != nil {
		t.Fatal(err)
	}
	data := c.bind(id, "pipelined")
	if got := data.received(t, len(early)); !bytes.Equal(got, early) {
		t.Error("what the peer sent early is not what arrived")
	}
	got := make([]byte, len("pipelined"))
	if _, err := io.ReadFull(peer, got); err != nil || string(got) != "pipelined" {
		t.Errorf("the peer got %q, %v", got, err)
	}
	// The end of the allocation is the end of its connections.
	_ = c.Close()
	closedSoon(t, peer)
	closedSoon(t, data)
	eventually(t, server, "the end of everything", func(s Stats) bool { return s.Allocations == 0 && s.Connections == 0 })
}

func TestTwoTCPAllocationsMeetInside(t *testing.T) {
	cfg := tcpConfig()
	cfg.AllowLoopback = false
	server := newServer(t, cfg)
	t.Cleanup(func() { _ = server.Close() })
	addr := startStreams(t, "127.0.0.1", server.ServeTCP)
	alice, _ := newController(t, addr, true)
	bob, relayed := newController(t, addr, true)
	if got := codeOf(bob.signed(stun.MethodCreatePermission, tcpPeer(relayed))); got != 0 {
		t.Fatalf("CreatePermission: %d", got)
	}
	connected := alice.signed(stun.MethodConnect, tcpPeer(relayed))
	if got := codeOf(connected); got != 0 {
		t.Fatalf("Connect: %d", got)
	}
	one, err := connected.Get(stun.AttrConnectionID)
	if err != nil {
		t.Fatal(err)
	}
	other, err := bob.next().Get(stun.AttrConnectionID)
	if err != nil {
		t.Fatal(err)
	}
	a, b := alice.bind(one, "from alice"), bob.bind(other, "from bob")
	if got := b.received(t, 10); string(got) != "from alice" {
		t.Errorf("bob got %q", got)
	}
	if got := a.received(t, 8); string(got) != "from bob" {
		t.Errorf("alice got %q", got)
	}
	_ = a.Close()
	closedSoon(t, b)
}

func TestConnectFails(t *testing.T) {
	server := newServer(t, tcpConfig())
	t.Cleanup(func() { _ = server.Close() })
	c, _ := newController(t, startStreams(t, "127.0.0.1", server.ServeTCP), true)
	nobody := accepting(t)
	_ = nobody.Close()
	if got := codeOf(c.signed(stun.MethodConnect, tcpPeer(nobody.Addr()))); got != 447 {
		t.Errorf("to a port where nobody is: %d, want 447", got)
	}
	there := accepting(t)
	if got := codeOf(c.signed(stun.MethodConnect, tcpPeer(there.Addr()))); got != 0 {
		t.Fatalf("Connect: %d", got)
	}
	if got := codeOf(c.signed(stun.MethodConnect, tcpPeer(there.Addr()))); got != 446 {
		t.Errorf("a second time: %d, want 446", got)
	}
	unbound := binary.BigEndian.AppendUint32(nil, 12345)
	if got := codeOf(c.signed(stun.MethodConnectionBind, attribute(stun.AttrConnectionID, unbound...))); got != stun.CodeBadRequest {
		t.Errorf("ConnectionBind of the control connection: %d, want 400", got)
	}
}

// A permission for the relay's own address opens no other service of this host to TCP either.
func TestConnectDoesNotReachTheHostItself(t *testing.T) {
	cfg := tcpConfig()
	cfg.AllowLoopback = false
	server := newServer(t, cfg)
	t.Cleanup(func() { _ = server.Close() })
	c, relayed := newController(t, startStreams(t, "127.0.0.1", server.ServeTCP), true)
	planted := accepting(t)
	if got := codeOf(c.signed(stun.MethodConnect, tcpPeer(planted.Addr()))); got != 447 {
		t.Errorf("Connect: %d, want 447", got)
	}
	if err := planted.SetDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if conn, err := planted.Accept(); err == nil {
		t.Errorf("%v has connected", conn.RemoteAddr())
	}
	// Nor does a service of this host reach the client, although its address has a permission.
	if got := codeOf(c.signed(stun.MethodCreatePermission, tcpPeer(relayed))); got != 0 {
		t.Fatalf("CreatePermission: %d", got)
	}
	local, err := net.Dial("tcp", relayed.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = local.Close() }()
	closedSoon(t, local)
	if drops := server.Stats().Drops; drops["from-own-address"] != 1 {
		t.Errorf("drops = %v, want one as from-own-address", drops)
	}
}
