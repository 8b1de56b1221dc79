package turn

import (
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

// What a packet costs in the engine, among 10,000 allocations of one channel each.
func BenchmarkPacketPath(b *testing.B) {
	const n = 10_000
	l := newLab(b, setup{limits: Limits{AllocationsPerUser: n, AllocationsPerSource: n}, change: func(c *Config) { c.Sink = discard{} }})
	e := l.engines[0]
	var clients []Client
	var relays []*Relay
	for range n {
		u := l.user("alice", UDP)
		u.nonce = e.nonces.appendTo(nil, l.now, u.client.Addr.Addr())
		e.FromClient(l.now, u.client, u.sign(stun.MethodAllocate, transport(protocolUDP)))
		e.FromClient(l.now, u.client, u.sign(stun.MethodChannelBind, channelNumber(0x4000), peer(peerA)))
		e.FromClient(l.now, u.client, u.sign(stun.MethodCreatePermission, peer(peerB)))
		r := e.allocations[u.client.tuple()].relays[0]
		r.port = discard{}
		clients, relays = append(clients, u.client), append(relays, r)
	}
	body := make([]byte, 1000)
	channelData := append([]byte{0x40, 0, 0x03, 0xe8}, body...)
	send := build(stun.MethodSend, stun.ClassIndication, peer(peerB), attr(stun.AttrData, body...))
	spoofed := build(stun.MethodAllocate, stun.ClassRequest, transport(protocolUDP))
	for _, bench := range []struct {
		name string
		f    func(i int)
	}{
		{"ChannelData to a peer", func(i int) { e.FromClient(l.now, clients[i], channelData) }},
		{"ChannelData from a peer", func(i int) { e.FromPeer(l.now, relays[i], peerA, body) }},
		{"Send", func(i int) { e.FromClient(l.now, clients[i], send) }},
		{"Data", func(i int) { e.FromPeer(l.now, relays[i], peerB, body) }},
		{"a spoofed Allocate", func(i int) {
			e.FromClient(l.now, Client{Addr: netip.AddrPortFrom(nth(i).Addr(), 1), Transport: UDP}, spoofed)
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				bench.f(i)
				i = (i + 7919) % n
			}
		})
	}
}
