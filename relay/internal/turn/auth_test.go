package turn

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// RFC 8489 section 9.2.4, in its order, and the answers to strangers.
func TestOrderOfChecks(t *testing.T) {
	l := newLab(t, setup{})
	good := l.user("alice", UDP)
	good.challenge()
	udp := transport(protocolUDP)
	sign := func(change func(*requester), method stun.Method, setters ...stun.Setter) []byte {
		u := *good
		change(&u)
		return u.sign(method, setters...)
	}
	without := func(drop stun.AttrType) []byte {
		m := &stun.Message{Raw: build(stun.MethodAllocate, stun.ClassRequest, udp)}
		_ = m.Decode()
		for a, value := range map[stun.AttrType]string{stun.AttrUsername: "alice", stun.AttrRealm: "parley", stun.AttrNonce: string(good.nonce)} {
			if a != drop {
				m.Add(a, []byte(value))
			}
		}
		good.how.addTo(m, algorithmMD5.key("alice", "parley", "secret"))
		return m.Raw
	}
	plain := func(method stun.Method, setters ...stun.Setter) []byte {
		return build(method, stun.ClassRequest, setters...)
	}
	algorithms := func(offer []byte, chosen ...byte) []stun.Setter {
		var s []stun.Setter
		if offer != nil {
			s = append(s, attr(stun.AttrPasswordAlgorithms, offer...))
		}
		if chosen != nil {
			s = append(s, attr(stun.AttrPasswordAlgorithm, chosen...))
		}
		return append(s, udp)
	}
	swapped := append(bytes.Clone(offeredAlgorithms[4:]), offeredAlgorithms[:4]...)
	none := func(*requester) {}
	tests := map[string]struct {
		p      []byte
		code   int
		reason string
		signed bool
	}{
		"no integrity: 401 with REALM, NONCE and PASSWORD-ALGORITHMS":    {plain(stun.MethodAllocate, udp), 401, "challenge", false},
		"an Allocate without REQUESTED-TRANSPORT is not worth a nonce":   {plain(stun.MethodAllocate), 400, "malformed", false},
		"no integrity on ConnectionBind: 401":                            {plain(stun.MethodConnectionBind), 401, "challenge", false},
		"no integrity on Refresh, without an allocation: 437":            {plain(stun.MethodRefresh), 437, "no-allocation", false},
		"no integrity on CreatePermission, without an allocation: 437":   {plain(stun.MethodCreatePermission), 437, "no-allocation", false},
		"no integrity on ChannelBind, without an allocation: 437":        {plain(stun.MethodChannelBind), 437, "no-allocation", false},
		"no integrity on Connect, without an allocation: 437":            {plain(stun.MethodConnect), 437, "no-allocation", false},
		"integrity, but no USERNAME: 400":                                {without(stun.AttrUsername), 400, "malformed", false},
		"integrity, but no REALM: 400":                                   {without(stun.AttrRealm), 400, "malformed", false},
		"integrity, but no NONCE: 400":                                   {without(stun.AttrNonce), 400, "malformed", false},
		"a nonce that is not ours: 438":                                  {sign(func(u *requester) { u.nonce = []byte("obMatJos2gAAAxxxxxxxxxxxxxxxxxxx") }, stun.MethodAllocate, udp), 438, "stale-nonce", false},
		"an empty nonce: 438":                                            {sign(func(u *requester) { u.nonce = nil }, stun.MethodAllocate, udp), 438, "stale-nonce", false},
		"a nonce that is not ours comes before an unknown user":          {sign(func(u *requester) { u.nonce, u.username = []byte("x"), "mallory" }, stun.MethodAllocate, udp), 438, "stale-nonce", false},
		"PASSWORD-ALGORITHM without PASSWORD-ALGORITHMS: 400":            {sign(none, stun.MethodAllocate, algorithms(nil, 0, 1, 0, 0)...), 400, "malformed", false},
		"PASSWORD-ALGORITHMS without PASSWORD-ALGORITHM: 400":            {sign(none, stun.MethodAllocate, algorithms(offeredAlgorithms)...), 400, "malformed", false},
		"PASSWORD-ALGORITHMS that is not our offer: 400":                 {sign(none, stun.MethodAllocate, algorithms(offeredAlgorithms[4:], 0, 1, 0, 0)...), 400, "malformed", false},
		"PASSWORD-ALGORITHMS in another order: 400":                      {sign(none, stun.MethodAllocate, algorithms(swapped, 0, 1, 0, 0)...), 400, "malformed", false},
		"PASSWORD-ALGORITHM that was not offered: 400":                   {sign(none, stun.MethodAllocate, algorithms(offeredAlgorithms, 0, 3, 0, 0)...), 400, "malformed", false},
		"PASSWORD-ALGORITHM with parameters that the offer has not: 400": {sign(none, stun.MethodAllocate, algorithms(offeredAlgorithms, 0, 1, 0, 4, 1, 2, 3, 4)...), 400, "malformed", false},
		"an unknown user: 401":                                           {sign(func(u *requester) { u.username = "mallory" }, stun.MethodAllocate, udp), 401, "auth", false},
		"an empty USERNAME: 401":                                         {sign(func(u *requester) { u.username = "" }, stun.MethodAllocate, udp), 401, "auth", false},
		"a USERNAME that is too long: 401":                               {sign(func(u *requester) { u.username = string(make([]byte, 509)) }, stun.MethodAllocate, udp), 401, "auth", false},
		"a USERHASH, which was not offered: 401":                         {sign(func(u *requester) { u.hash = true }, stun.MethodAllocate, udp), 401, "auth", false},
		"a wrong password: 401":                                          {sign(func(u *requester) { u.password = "guess" }, stun.MethodAllocate, udp), 401, "auth", false},
		"another realm: 401":                                             {sign(func(u *requester) { u.realm = "elsewhere" }, stun.MethodAllocate, udp), 401, "auth", false},
		"a wrong password comes before what is wrong in the request":     {sign(func(u *requester) { u.password = "guess" }, stun.MethodAllocate, attr(0x7777)), 401, "auth", false},
		"unknown attributes come before the method's own checks":         {sign(none, stun.MethodRefresh, attr(0x7777)), 420, "unknown-attribute", true},
		"a request without an allocation, signed: 437, signed":           {sign(none, stun.MethodRefresh), 437, "no-allocation", true},
		"errors after authentication are signed":                         {sign(none, stun.MethodAllocate, transport(99)), 442, "transport", true},
		"signed with a password derived by SHA-256, said so":             {sign(func(u *requester) { u.chosen = algorithmSHA256 }, stun.MethodRefresh), 437, "no-allocation", false},
		"signed with MESSAGE-INTEGRITY-SHA256, answered likewise":        {sign(func(u *requester) { u.how = integritySHA256 }, stun.MethodRefresh), 437, "no-allocation", false},
		"an empty password: 401":                                         {sign(func(u *requester) { u.password = "" }, stun.MethodAllocate, udp), 401, "auth", false},
		"MESSAGE-INTEGRITY of another size: 401":                         {resized(sign(none, stun.MethodAllocate, udp), stun.AttrMessageIntegrity, 16), 401, "auth", false},
		"MESSAGE-INTEGRITY-SHA256 cut short, which TURN has no use for":  {resized(sign(func(u *requester) { u.how = integritySHA256 }, stun.MethodAllocate, udp), stun.AttrMessageIntegritySHA256, 16), 401, "auth", false},
		"an allocation's user may sign with any of several passwords":    {sign(func(u *requester) { u.username = "rotated" }, stun.MethodRefresh), 437, "no-allocation", false},
		"a valid nonce in a request that is not signed changes nothing":  {plain(stun.MethodAllocate, udp, attr(stun.AttrNonce, good.nonce...)), 401, "challenge", false},
		"integrity of both kinds, where the second is wrong: 401":        {both(good, false), 401, "auth", false},
		"integrity of both kinds, where both are right":                  {both(good, true), 437, "no-allocation", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				before := good.b.counters.Refusals()[test.reason]
				m := good.answer(bytes.Clone(test.p))
				if got := codeOf(m); got != test.code {
					t.Fatalf("got %d, want %d", got, test.code)
				}
				if got := good.b.counters.Refusals()[test.reason] - before; got != 1 {
					t.Errorf("counted %d times as %s, want once", got, test.reason)
				}
				challenged := test.code == 401 || test.code == 438
				for _, a := range []stun.AttrType{stun.AttrRealm, stun.AttrNonce, stun.AttrPasswordAlgorithms} {
					if m.Contains(a) != challenged {
						t.Errorf("answer %v has %v: %v, want %v", m, a, !challenged, challenged)
					}
				}
				if challenged && len(m.Raw) != 88 {
					t.Errorf("the challenge has %d bytes, want 88", len(m.Raw))
				}
				if !challenged && test.code != 420 && len(m.Raw) > 64 {
					t.Errorf("the answer has %d bytes", len(m.Raw))
				}
				if got := m.Contains(stun.AttrMessageIntegrity); test.signed && !got {
					t.Error("the answer is not signed")
				}
				if l.engines[0].Len() != 0 {
					t.Error("there is an allocation")
				}
			}
		})
	}
	l.idle()
}

// resized returns a message whose last attribute is cut to a size.
func resized(p []byte, a stun.AttrType, size int) []byte {
	end, _ := find(p, a)
	p = p[:end+attributeSize+size]
	p[end+3] = byte(size)
	p[2], p[3] = byte((len(p)-headerSize)>>8), byte(len(p)-headerSize)
	return p
}

// both returns a Refresh that is signed twice.
func both(u *requester, right bool) []byte {
	m := &stun.Message{Raw: u.sign(stun.MethodRefresh)}
	_ = m.Decode()
	key := algorithmMD5.key("alice", "parley", "secret")
	if !right {
		key = algorithmMD5.key("alice", "parley", "guess")
	}
	integritySHA256.addTo(m, key)
	return m.Raw
}

// RFC 8489 section 9.2: every way to sign gets through to an allocation, and every answer is signed
// the same way. The requester checks that.
func TestWaysToSign(t *testing.T) {
	for name, change := range map[string]func(*requester){
		"MESSAGE-INTEGRITY, MD5":             func(*requester) {},
		"MESSAGE-INTEGRITY, MD5, said so":    func(u *requester) { u.chosen = algorithmMD5 },
		"MESSAGE-INTEGRITY-SHA256, MD5":      func(u *requester) { u.how = integritySHA256 },
		"MESSAGE-INTEGRITY, SHA-256":         func(u *requester) { u.chosen = algorithmSHA256 },
		"MESSAGE-INTEGRITY-SHA256, SHA-256":  func(u *requester) { u.chosen, u.how = algorithmSHA256, integritySHA256 },
		"the older one of several passwords": func(u *requester) { u.username = "rotated" },
		"the newer one of several passwords": func(u *requester) { u.username, u.password = "rotated", "new" },
		"USERHASH":                           func(u *requester) { u.hash, u.chosen, u.how = true, algorithmSHA256, integritySHA256 },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{change: func(c *Config) {
				c.Username = func(hash [32]byte) (string, bool) { return "alice", hash == userHash("alice", "parley") }
			}})
			u := l.user("alice", UDP)
			change(u)
			u.allocate()
			u.must(stun.MethodRefresh)
			u.permit(peerA)
			u.bind(0x4000, peerA)
			if got := codeOf(u.request(stun.MethodRefresh, attr(0x7777))); got != 420 {
				t.Errorf("got %d, want 420", got)
			}
		})
	}
}

// RFC 8489 section 9.2.1: the security features are those of the server.
func TestNonceCookie(t *testing.T) {
	for want, username := range map[string]func([32]byte) (string, bool){
		"obMatJos2gAAA": nil,                                                // bit 0, password algorithms
		"obMatJos2wAAA": func([32]byte) (string, bool) { return "", false }, // and bit 1, username anonymity
	} {
		l := newLab(t, setup{change: func(c *Config) { c.Username = username }})
		u := l.user("alice", UDP)
		u.challenge()
		if got := string(u.nonce[:13]); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		u.nonce[9] = 'A' // somebody takes a feature away
		if got := codeOf(u.once(stun.MethodAllocate, transport(protocolUDP))); got != 438 {
			t.Errorf("with other features: %d, want 438", got)
		}
	}
}

func TestNoncesAreForAnHourAndAnAddress(t *testing.T) {
	l := newLab(t, setup{engines: 2})
	u := l.user("alice", UDP)
	u.challenge()
	try := func(what string, want int) {
		t.Helper()
		if got := codeOf(u.once(stun.MethodRefresh)); got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	try("at once", 437)
	u.client.Addr = netip.AddrPortFrom(u.client.Addr.Addr(), 9)
	try("from another port", 437)
	u.client.Transport = TCP
	try("over another transport", 437)
	u.b = l.engines[1]
	try("at another engine", 437)
	l.pass(59*time.Minute + 59*time.Second)
	try("within an hour", 437)
	l.pass(time.Second)
	try("after an hour", 438)
	u.nonce = nil
	u.challenge()
	u.client.Addr = netip.AddrPortFrom(u.client.Addr.Addr().Next(), 9)
	try("from another address", 438)
	for i := range u.nonce {
		for _, b := range []byte{u.nonce[i] ^ 1, u.nonce[i] ^ 0x20, '=', 0, '\n'} {
			broken := bytes.Clone(u.nonce)
			if broken[i] == b {
				continue
			}
			broken[i] = b
			if l.engines[0].nonces.valid(broken, l.now, u.client.Addr.Addr()) {
				t.Errorf("valid with byte %d changed to %q", i, b)
			}
		}
	}
	if other := newLab(t, setup{}); other.engines[0].nonces.valid(u.nonce, l.now, u.client.Addr.Addr()) {
		t.Error("valid at another relay")
	}
}

// RFC 8489 section 14.5: what follows MESSAGE-INTEGRITY is ignored.
func TestWhatFollowsTheSignatureDoesNotCount(t *testing.T) {
	l := newLab(t, setup{})
	u := l.user("alice", UDP)
	u.allocate()
	behind := func(method stun.Method, setters ...stun.Setter) *stun.Message {
		m := &stun.Message{Raw: u.sign(method)}
		_ = m.Decode()
		for _, s := range setters {
			_ = s.AddTo(m)
		}
		return u.signed(m.Raw)
	}
	if m := behind(stun.MethodRefresh, lifetime(0)); codeOf(m) != 0 || lifetimeIn(t, m) != 600 {
		t.Errorf("a LIFETIME of 0 behind it: %v", m)
	}
	if m := behind(stun.MethodCreatePermission, peer(peerA)); codeOf(m) != 400 {
		t.Errorf("a peer behind it: %d, want 400 as without", codeOf(m))
	}
	if m := behind(stun.MethodRefresh, attr(0x7777)); codeOf(m) != 0 {
		t.Errorf("an unknown attribute behind it: %d, want success", codeOf(m))
	}
	if m := behind(stun.MethodRefresh, stun.Fingerprint); codeOf(m) != 0 || !m.Contains(stun.AttrFingerprint) {
		t.Errorf("FINGERPRINT behind it: %v, want it answered with one", m)
	}
}

func TestUserOfAnAllocation(t *testing.T) {
	l := newLab(t, setup{})
	u := l.user("alice", UDP)
	u.allocate()
	u.username = "bob"
	for name, test := range map[string]struct {
		method  stun.Method
		setters []stun.Setter
		want    int
	}{
		"Refresh":          {stun.MethodRefresh, nil, 441},
		"deleting":         {stun.MethodRefresh, []stun.Setter{lifetime(0)}, 441},
		"CreatePermission": {stun.MethodCreatePermission, []stun.Setter{peer(peerA)}, 441},
		"ChannelBind":      {stun.MethodChannelBind, []stun.Setter{channelNumber(0x4000), peer(peerA)}, 441},
		"Connect":          {stun.MethodConnect, []stun.Setter{peer(peerA)}, 441},
		"Allocate":         {stun.MethodAllocate, []stun.Setter{transport(protocolUDP)}, 437},
	} {
		if got := codeOf(u.request(test.method, test.setters...)); got != test.want {
			t.Errorf("%s by another user: %d, want %d", name, got, test.want)
		}
	}
	u.username = "alice"
	u.must(stun.MethodRefresh)
	// Not signed, on a five-tuple that has an allocation: worth a challenge.
	for _, method := range []stun.Method{stun.MethodRefresh, stun.MethodCreatePermission, stun.MethodChannelBind} {
		if got := codeOf(u.answer(build(method, stun.ClassRequest))); got != 401 {
			t.Errorf("%v, not signed: %d, want 401", method, got)
		}
	}
}
