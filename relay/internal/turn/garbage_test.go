package turn

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// messages returns one message of every kind that a client sends, as the requester would send it.
func messages(u *requester) map[string][]byte {
	udp := transport(protocolUDP)
	return map[string][]byte{
		"Binding":          build(stun.MethodBinding, stun.ClassRequest, stun.NewSoftware("test"), stun.Fingerprint),
		"Allocate":         u.sign(stun.MethodAllocate, udp, lifetime(900), attr(stun.AttrDontFragment)),
		"dual Allocate":    u.sign(stun.MethodAllocate, udp, additional(IPv6), attr(stun.AttrEvenPort, 0)),
		"reserving":        u.sign(stun.MethodAllocate, udp, attr(stun.AttrEvenPort, 0x80), family(IPv6)),
		"claiming":         u.sign(stun.MethodAllocate, udp, attr(stun.AttrReservationToken, 1, 2, 3, 4, 5, 6, 7, 8)),
		"TCP Allocate":     u.sign(stun.MethodAllocate, transport(protocolTCP)),
		"bare Allocate":    build(stun.MethodAllocate, stun.ClassRequest, udp),
		"Refresh":          u.sign(stun.MethodRefresh, lifetime(1200)),
		"CreatePermission": u.sign(stun.MethodCreatePermission, peer(peerA), peer(peerB), peer(peer6)),
		"ChannelBind":      u.sign(stun.MethodChannelBind, channelNumber(0x4123), peer(peerA)),
		"Connect":          u.sign(stun.MethodConnect, peer(peerA)),
		"ConnectionBind":   u.sign(stun.MethodConnectionBind, connectionID(12345)),
		"Send":             build(stun.MethodSend, stun.ClassIndication, peer(peerA), attr(stun.AttrData, 1, 2, 3), attr(stun.AttrDontFragment)),
		"ChannelData":      {0x40, 0x00, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0},
		"SHA-256": func() []byte {
			v := *u
			v.chosen, v.how = algorithmSHA256, integritySHA256
			return v.sign(stun.MethodRefresh)
		}(),
		"RFC 5769": vectorRequest, "RFC 5769, response": vectorIPv4, "RFC 8489": vectorSHA256,
	}
}

// mutilated returns a message with every truncation, every bit flipped, and every length that lies:
// each 16-bit field in turn takes values that overflow something.
func mutilated(p []byte) [][]byte {
	var all [][]byte
	for n := range p {
		all = append(all, p[:n:n])
	}
	for bit := range 8 * len(p) {
		q := bytes.Clone(p)
		q[bit/8] ^= 1 << (bit % 8)
		all = append(all, q)
	}
	for at := 0; at+2 <= len(p); at += 2 {
		for _, value := range []uint16{0, 1, 2, 3, 4, 5, 8, 0x7fff, 0x8000, 0xFFEB, 0xFFEC, 0xFFED, 0xFFFC, 0xFFFE, 0xFFFF, uint16(len(p)), uint16(len(p) - headerSize), uint16(len(p) - at)} {
			q := bytes.Clone(p)
			binary.BigEndian.PutUint16(q[at:], value)
			all = append(all, q)
		}
	}
	for _, n := range []int{1, 2, 3, 4, 20, 1000} { // and a tail
		all = append(all, append(bytes.Clone(p), make([]byte, n)...))
	}
	return all
}

// Nothing that is done to a message makes the engine panic, leak, answer at length, or change an
// allocation: a signed message that was tampered with does nothing.
func TestMutilatedMessages(t *testing.T) {
	n := 0
	for _, over := range transports {
		l := newLab(t, setup{change: func(c *Config) { c.AnswersPerSource, c.Answers = 1e9, 1e9 }})
		owner, stranger := l.user("alice", over), l.user("bob", over)
		owner.allocate(additional(IPv6), lifetime(3600))
		owner.bind(0x4000, peerA)
		owner.permit(peerB)
		stranger.challenge()
		state := func() (perms, chans int, expires time.Time) {
			a := owner.b.allocations[owner.client.tuple()]
			return len(a.permissions), len(a.channels), a.expires()
		}
		for _, u := range []*requester{owner, stranger} {
			for name, p := range messages(u) {
				signed := len(p) > headerSize && p[0] < 4
				if _, value := find(p, stun.AttrMessageIntegrity); value == nil {
					_, value = find(p, stun.AttrMessageIntegritySHA256)
					signed = signed && value != nil
				}
				for _, q := range mutilated(p) {
					n++
					perms, chans, expires := state()
					l.shared.quota.mu.Lock()
					count := l.shared.quota.count
					l.shared.quota.mu.Unlock()
					for _, answer := range u.raw(bytes.Clone(q)) {
						if answer[0] == 0x40 {
							continue
						}
						decode(t, answer)
						if len(answer) > 200 {
							t.Fatalf("%s: %x is answered by %d bytes", name, q, len(answer))
						}
					}
					if !signed || bytes.Equal(p, q) {
						continue
					}
					if end := tampered(p, q); end {
						if p2, c2, e2 := state(); p2 != perms || c2 != chans || !e2.Equal(expires) || l.shared.Live() != count {
							t.Fatalf("%s over %v: tampered with, it changed something: %x", name, over, q)
						}
					}
				}
			}
		}
		for _, b := range l.engines {
			b.Close()
		}
		l.idle()
	}
	t.Logf("%d mutilated messages", n)
}

// tampered reports whether q differs from p in what the signature covers.
func tampered(p, q []byte) bool {
	end, value := find(p, stun.AttrMessageIntegrity)
	if value == nil {
		end, value = find(p, stun.AttrMessageIntegritySHA256)
	}
	end += attributeSize + len(value)
	return len(q) < end || !bytes.Equal(p[:2], q[:2]) || !bytes.Equal(p[4:end], q[4:end])
}

// FuzzEngine passes sequences of packets: the first byte of each record says how, two bytes how long
// it is. What the fuzzer can do with credentials it does through the seeds, which are signed with
// nonces that are valid in the run: nonce and signature are written anew.
func FuzzEngine(f *testing.F) {
	seedLab := newLab(f, setup{})
	u := seedLab.user("alice", UDP)
	u.challenge()
	for _, p := range messages(u) {
		for kind := range byte(8) {
			f.Add(append([]byte{kind, byte(len(p) >> 8), byte(len(p))}, p...))
		}
	}
	f.Add(bytes.Repeat([]byte{0, 0, 4, 0x40, 0, 0, 0}, 3))
	all := messages(u)
	for kind := range byte(8) { // and whole sessions, over each transport
		for _, allocate := range []string{"Allocate", "dual Allocate", "reserving", "TCP Allocate"} {
			var script []byte
			for _, name := range []string{allocate, "CreatePermission", "ChannelBind", "Send", "ChannelData", "Connect", "SHA-256", "ConnectionBind", allocate, "claiming", "Refresh", "Send", "ChannelData"} {
				p := all[name]
				script = append(append(script, kind|kind<<6, byte(len(p)>>8), byte(len(p))), p...)
			}
			f.Add(script)
		}
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		l := newLab(t, setup{engines: 2})
		clients := map[byte]*requester{}
		for len(script) >= 3 {
			kind, size := script[0], int(binary.BigEndian.Uint16(script[1:]))
			script = script[3:]
			size = min(size, len(script))
			p := bytes.Clone(script[:size])
			script = script[size:]
			c := clients[kind&3]
			if c == nil {
				c = l.user("alice", transports[kind&3])
				c.b = l.engines[kind&1]
				c.challenge()
				clients[kind&3] = c
			}
			if kind&4 != 0 {
				p = resign(c, p)
			}
			if kind&8 != 0 {
				l.pass(time.Duration(kind>>4) * 37 * time.Second)
			}
			for _, answer := range c.raw(p) {
				if answer[0] < 4 {
					decode(t, answer)
				}
			}
			for _, b := range l.engines {
				for _, s := range b.open {
					if s.relay != nil && s.addr.Addr() == relay4 {
						b.FromPeer(l.now, s.relay, peerA, p)
						b.Unreachable(l.now, s.relay, peerA, ICMP{3, 4, 1})
						break
					}
				}
				for _, d := range b.dialed {
					b.Connected(l.now, d.id)
				}
				b.reply()
				b.dialed, b.out, b.closed, b.joined = nil, nil, nil, nil
			}
		}
		for _, b := range l.engines {
			b.Close()
		}
		l.idle()
	})
}

// resign gives a message the requester's nonce and a right signature and fingerprint, if it is well-formed.
func resign(u *requester, p []byte) []byte {
	if !wellFormed(p) {
		return p
	}
	m := &stun.Message{Raw: bytes.Clone(p)}
	if m.Decode() != nil {
		return p
	}
	out := stun.New()
	out.Type, out.TransactionID = m.Type, m.TransactionID
	out.WriteHeader()
	for _, a := range m.Attributes {
		switch a.Type {
		case stun.AttrMessageIntegrity, stun.AttrMessageIntegritySHA256, stun.AttrFingerprint:
		case stun.AttrNonce:
			out.Add(a.Type, u.nonce)
		default:
			out.Add(a.Type, a.Value)
		}
	}
	chosen, ok := chosenAlgorithm(out)
	if !ok {
		chosen = algorithmMD5
	}
	how := integritySHA1
	if m.Contains(stun.AttrMessageIntegritySHA256) {
		how = integritySHA256
	}
	how.addTo(out, chosen.key("alice", "parley", "secret"))
	if m.Contains(stun.AttrFingerprint) {
		out.Add(stun.AttrFingerprint, make([]byte, 4))
		end := len(out.Raw) - 8
		binary.BigEndian.PutUint32(out.Raw[end+4:], crc32.ChecksumIEEE(out.Raw[:end])^0x5354554e)
	}
	return out.Raw
}

// The same packets from addresses of every form.
func TestOddClients(t *testing.T) {
	for _, text := range []string{"0.0.0.0:0", "255.255.255.255:65535", "[::]:0", "[fe80::1%eth0]:1", "[::ffff:1.2.3.4]:5"} {
		l := newLab(t, setup{})
		u := l.user("alice", UDP)
		u.client.Addr = netip.MustParseAddrPort(text)
		u.allocate()
		u.permit(peerA)
		u.b.Gone(u.client)
		l.idle()
	}
}
