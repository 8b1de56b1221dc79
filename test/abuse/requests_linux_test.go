package abuse

import (
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// requester speaks STUN by hand, one request at a time.
type requester struct {
	t     *testing.T
	conn  net.Conn
	nonce stun.Nonce
	buf   []byte
}

func newRequester(t *testing.T, server string) *requester {
	t.Helper()
	conn, err := net.Dial("udp4", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	r := &requester{t: t, conn: conn, buf: make([]byte, 2048)}
	if err := r.nonce.GetFrom(r.ask(stun.MethodAllocate, udp)); err != nil {
		t.Fatal(err)
	}
	return r
}

var udp = stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}

// ask sends a request as it is and returns the answer.
func (r *requester) ask(method stun.Method, setters ...stun.Setter) *stun.Message {
	r.t.Helper()
	p := stun.MustBuild(append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, setters...)...)
	for range 10 { // as often as it is lost
		if _, err := r.conn.Write(p.Raw); err != nil {
			r.t.Fatal(err)
		}
		_ = r.conn.SetReadDeadline(time.Now().Add(2 * time.Second))
		for {
			n, err := r.conn.Read(r.buf)
			if err != nil {
				break
			}
			answer := &stun.Message{Raw: append([]byte(nil), r.buf[:n]...)}
			if answer.Decode() == nil && answer.TransactionID == p.TransactionID {
				return answer
			}
		}
	}
	r.t.Fatalf("%v is not answered", method)
	return nil
}

// signed is ask with credentials; it returns the error code of the answer, or 0.
func (r *requester) signed(method stun.Method, setters ...stun.Setter) stun.ErrorCode {
	r.t.Helper()
	answer := r.ask(method, append(setters, stun.NewUsername("alice"), stun.NewRealm("parley"), r.nonce,
		stun.NewLongTermIntegrity("alice", "parley", "secret"))...)
	var code stun.ErrorCodeAttribute
	if code.GetFrom(answer) != nil {
		return 0
	}
	return code.Code
}

// peer returns the attribute of a peer, another address for each number, that is allowed.
func peer(i int) stun.Setter {
	ip := make(net.IP, 4)
	binary.BigEndian.PutUint32(ip, 8<<24+uint32(i))
	return peerAddress{IP: ip, Port: 1000}
}

type peerAddress stun.XORMappedAddress

func (p peerAddress) AddTo(m *stun.Message) error {
	return stun.XORMappedAddress(p).AddToAs(m, stun.AttrXORPeerAddress)
}

func TestTenThousandChannels(t *testing.T) {
	server := start(t)
	c := begin(t, server.udp)
	r := newRequester(t, server.udp)
	if code := r.signed(stun.MethodAllocate, udp); code != 0 {
		t.Fatalf("Allocate: %d", code)
	}
	before := server.resident()
	codes := make(map[stun.ErrorCode]int)
	for i := range size(10_000, 1000) {
		number := stun.RawAttribute{Type: stun.AttrChannelNumber, Value: binary.BigEndian.AppendUint32(nil, uint32(0x4000+i)<<16)}
		codes[r.signed(stun.MethodChannelBind, number, peer(i))]++
	}
	t.Logf("answers by code: %v", codes)
	outside := max(0, size(10_000, 1000)-0x1000) // of the range
	if codes[0] > 256 || codes[0] < 100 || codes[stun.CodeBadRequest] != outside ||
		codes[0]+codes[stun.CodeBadRequest]+codes[stun.CodeInsufficientCapacity] != size(10_000, 1000) {
		t.Errorf("answers by code: %v, want 100 to 256 of 0, %d of 400 and all others of 508", codes, outside)
	}
	server.grew(before, 5_000_000)
	if lost := c.finish(); lost > 0.001 && lost*float64(c.sent) > 1 {
		t.Errorf("the call lost %.2f %% of its packets", 100*lost)
	}
}

func TestAMillionPermissions(t *testing.T) {
	server := start(t)
	c := begin(t, server.udp)
	r := newRequester(t, server.udp)
	if code := r.signed(stun.MethodAllocate, udp); code != 0 {
		t.Fatalf("Allocate: %d", code)
	}
	before := server.resident()
	codes := make(map[stun.ErrorCode]int)
	const each = 50 // at once, all or nothing
	for i := range size(1_000_000, 50_000) / each {
		peers := make([]stun.Setter, each)
		for j := range peers {
			peers[j] = peer(i*each + j)
		}
		codes[r.signed(stun.MethodCreatePermission, peers...)]++
	}
	t.Logf("answers by code: %v", codes)
	if codes[0] < 2 || codes[0] > 256/each || codes[0]+codes[stun.CodeInsufficientCapacity] != size(1_000_000, 50_000)/each {
		t.Errorf("answers by code: %v, want 2 to %d of 0, and all others of 508", codes, 256/each)
	}
	server.grew(before, 5_000_000)
	if lost := c.finish(); lost > 0.001 && lost*float64(c.sent) > 1 {
		t.Errorf("the call lost %.2f %% of its packets", 100*lost)
	}
}

func TestAnswersToStrangersAreSmall(t *testing.T) {
	server := start(t, "--listen=[::1]:0")
	for name, test := range map[string]struct {
		ask  []byte
		most int
	}{
		"Binding":                        {build(stun.MethodBinding), 32},
		"Binding with FINGERPRINT":       {build(stun.MethodBinding, stun.Fingerprint), 40},
		"Allocate":                       {build(stun.MethodAllocate, udp), 88},
		"Allocate without a transport":   {build(stun.MethodAllocate), 28},
		"Refresh":                        {build(stun.MethodRefresh), 28},
		"an attribute that is not known": {build(stun.MethodBinding, stun.RawAttribute{Type: 0x7fff}), 36},
		"hundreds of them":               {build(stun.MethodBinding, manyAttributes(200)...), 64},
	} {
		for _, addr := range []string{server.udp, server.udp6} {
			conn, err := net.Dial("udp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			most := test.most
			if strings.HasPrefix(name, "Binding") && addr == server.udp6 {
				most += 12 // the address
			}
			if _, err := conn.Write(test.ask); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			n, err := conn.Read(make([]byte, 2048))
			if err != nil || n > most {
				t.Errorf("%s at %s is answered with %d bytes, %v, want at most %d", name, addr, n, err, most)
			}
			t.Logf("%s, of %d bytes, is answered with %d", name, len(test.ask), n)
		}
	}
}

func build(method stun.Method, setters ...stun.Setter) []byte {
	return stun.MustBuild(append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, setters...)...).Raw
}

func manyAttributes(n int) []stun.Setter {
	setters := make([]stun.Setter, n)
	for i := range setters {
		setters[i] = stun.RawAttribute{Type: stun.AttrType(0x7000 + i)}
	}
	return setters
}
