package turn

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/pion/stun/v3"
)

// requester is a client that speaks to one engine of a lab.
type requester struct {
	t        testing.TB
	b        *bench
	client   Client
	username string
	password string
	realm    string
	hash     bool // name the user by USERHASH
	nonce    []byte
	chosen   algorithm // 0: MD5 without saying so
	how      integrity
	effect   Effect // of the last packet
}

// user returns a client with a five-tuple of its own, without a nonce.
func (l *lab) user(name string, transport Transport) *requester {
	l.clients++
	addr := netip.AddrPortFrom(netip.MustParseAddr("203.0.113.5"), 10000+l.clients)
	return &requester{
		t: l.t, b: l.engines[0], client: Client{Addr: addr, Transport: transport, Conn: uint64(l.clients)},
		username: name, password: "secret", realm: "parley", how: integritySHA1,
	}
}

// build returns a message without credentials.
func build(method stun.Method, class stun.MessageClass, setters ...stun.Setter) []byte {
	m := stun.New()
	m.Type = stun.NewType(method, class)
	for i := range m.TransactionID {
		m.TransactionID[i] = byte(rand.Uint32())
	}
	m.WriteHeader()
	for _, s := range setters {
		if err := s.AddTo(m); err != nil {
			panic(err)
		}
	}
	return m.Raw
}

// sign returns a message signed with what the requester has.
func (u *requester) sign(method stun.Method, setters ...stun.Setter) []byte {
	last := slices.Index(setters, stun.Setter(stun.Fingerprint))
	if last >= 0 {
		setters = slices.Delete(slices.Clone(setters), last, last+1)
	}
	m := &stun.Message{Raw: build(method, stun.ClassRequest, setters...)}
	if err := m.Decode(); err != nil {
		panic(err)
	}
	if u.hash {
		hash := userHash(u.username, u.realm)
		m.Add(stun.AttrUserhash, hash[:])
	} else {
		m.Add(stun.AttrUsername, []byte(u.username))
	}
	m.Add(stun.AttrRealm, []byte(u.realm))
	m.Add(stun.AttrNonce, u.nonce)
	chosen := u.chosen
	if chosen != 0 {
		m.Add(stun.AttrPasswordAlgorithms, offeredAlgorithms)
		m.Add(stun.AttrPasswordAlgorithm, []byte{0, byte(chosen), 0, 0})
	} else {
		chosen = algorithmMD5
	}
	u.how.addTo(m, chosen.key(u.username, u.realm, u.password))
	if last >= 0 {
		_ = stun.Fingerprint.AddTo(m)
	}
	return m.Raw
}

// raw passes a packet to the engine and returns what the client got for it.
func (u *requester) raw(p []byte) [][]byte {
	u.b.sent = nil
	before := bytes.Clone(p)
	u.effect = u.b.FromClient(u.b.lab.now, u.client, p)
	if !bytes.Equal(p, before) {
		u.t.Errorf("the engine changed the packet it was passed")
	}
	var got [][]byte
	for _, s := range u.b.sent {
		if s.to == u.client {
			got = append(got, s.packet)
		}
	}
	return got
}

// answer passes a request and returns its answer, or nil if there was none. What is not for every
// answer to keep is checked here.
func (u *requester) answer(p []byte) *stun.Message {
	u.t.Helper()
	got := u.raw(p)
	if len(got) == 0 {
		return nil
	}
	m := decode(u.t, got[0])
	if m.TransactionID != [12]byte(p[8:20]) {
		u.t.Errorf("answer %s has another transaction id", hex.EncodeToString(m.Raw))
	}
	if method := m.Type.Method; method != decode(u.t, p).Type.Method {
		u.t.Errorf("answer is to %v", method)
	}
	return m
}

func decode(t testing.TB, p []byte) *stun.Message {
	t.Helper()
	if !wellFormed(p) {
		t.Fatalf("the engine sent what is not well-formed: %x", p)
	}
	m := &stun.Message{Raw: p}
	if err := m.Decode(); err != nil {
		t.Fatalf("the engine sent what does not decode: %v", err)
	}
	return m
}

// challenge gets a nonce.
func (u *requester) challenge() *stun.Message {
	u.t.Helper()
	m := u.answer(build(stun.MethodAllocate, stun.ClassRequest, transport(protocolUDP)))
	if got := codeOf(m); got != 401 {
		u.t.Fatalf("Allocate that is not signed: %d, want 401", got)
	}
	nonce, err := m.Get(stun.AttrNonce)
	if err != nil {
		u.t.Fatal("the challenge has no nonce")
	}
	u.nonce = bytes.Clone(nonce)
	return m
}

// once sends a signed request and returns the answer, whose signature it checks.
func (u *requester) once(method stun.Method, setters ...stun.Setter) *stun.Message {
	u.t.Helper()
	if u.nonce == nil {
		u.challenge()
	}
	return u.signed(u.sign(method, setters...))
}

func (u *requester) signed(p []byte) *stun.Message {
	u.t.Helper()
	m := u.answer(p)
	if m == nil {
		return nil
	}
	chosen := u.chosen
	if chosen == 0 {
		chosen = algorithmMD5
	}
	code := codeOf(m)
	if _, err := m.Get(u.how.attribute); err == nil || code != 401 && code != 438 {
		if !u.how.check(chosen.key(u.username, u.realm, u.password), m.Raw) {
			u.t.Errorf("answer %d is not signed as the request was", code)
		}
	}
	return m
}

// request is once, with the request repeated as UDP clients do: both answers must be the same.
func (u *requester) request(method stun.Method, setters ...stun.Setter) *stun.Message {
	u.t.Helper()
	if u.nonce == nil {
		u.challenge()
	}
	p := u.sign(method, setters...)
	first, again := u.signed(p), u.signed(p)
	if (first == nil) != (again == nil) {
		u.t.Fatalf("%v: one answer of two is missing", method)
	}
	if first != nil && codeOf(first) != 401 && codeOf(first) != 438 && !bytes.Equal(first.Raw, again.Raw) {
		u.t.Errorf("%v repeated: answers differ:\n%x\n%x", method, first.Raw, again.Raw)
	}
	return first
}

// must is request for what has to succeed.
func (u *requester) must(method stun.Method, setters ...stun.Setter) *stun.Message {
	u.t.Helper()
	m := u.request(method, setters...)
	if got := codeOf(m); got != 0 {
		u.t.Fatalf("%v: %d, want success", method, got)
	}
	return m
}

// allocate makes a UDP allocation and returns its relayed address.
func (u *requester) allocate(setters ...stun.Setter) netip.AddrPort {
	u.t.Helper()
	return addrIn(u.t, u.must(stun.MethodAllocate, append(setters, transport(protocolUDP))...), stun.AttrXORRelayedAddress)
}

// permit makes permissions and binds channels from 0x4000 on.
func (u *requester) permit(addrs ...netip.AddrPort) {
	u.t.Helper()
	for _, addr := range addrs {
		u.must(stun.MethodCreatePermission, peer(addr))
	}
}

func (u *requester) bind(n uint16, addr netip.AddrPort) {
	u.t.Helper()
	u.must(stun.MethodChannelBind, channelNumber(n), peer(addr))
}

// codeOf returns the error code of an answer, 0 for success and -1 for none.
func codeOf(m *stun.Message) int {
	if m == nil {
		return -1
	}
	if m.Type.Class == stun.ClassSuccessResponse {
		return 0
	}
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(m); err != nil {
		return -2
	}
	return int(code.Code)
}

func addrIn(t testing.TB, m *stun.Message, a stun.AttrType) netip.AddrPort {
	t.Helper()
	value, err := m.Get(a)
	if err != nil {
		t.Fatalf("%v has no %v", m, a)
	}
	addr, ok := xored(m.Raw, value)
	if !ok {
		t.Fatalf("%v has a malformed %v", m, a)
	}
	return addr
}

func lifetimeIn(t testing.TB, m *stun.Message) uint32 {
	t.Helper()
	value, err := m.Get(stun.AttrLifetime)
	if err != nil || len(value) != 4 {
		t.Fatalf("%v has no LIFETIME", m)
	}
	return binary.BigEndian.Uint32(value)
}
