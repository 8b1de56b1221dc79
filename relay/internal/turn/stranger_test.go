package turn

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

// strangers are what is sent by those who have no allocation, by name.
func strangers() map[string][]byte {
	return map[string][]byte{
		"Binding":              build(stun.MethodBinding, stun.ClassRequest),
		"Allocate":             build(stun.MethodAllocate, stun.ClassRequest, transport(protocolUDP)),
		"Allocate, signed":     build(stun.MethodAllocate, stun.ClassRequest, transport(protocolUDP), stun.NewUsername("alice"), stun.NewRealm("parley"), stun.NewNonce("obMatJos2gAAAabcdefghijklmnopqrs"), stun.NewShortTermIntegrity("x")),
		"Refresh":              build(stun.MethodRefresh, stun.ClassRequest),
		"an unknown attribute": build(stun.MethodBinding, stun.ClassRequest, attr(0x7fff)),
		"garbage":              append([]byte{0, 3, 0xff, 0xec, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 100)...),
		"ChannelData":          {0x40, 0, 0, 4, 1, 2, 3, 4},
	}
}

// somewhere is an address of a stranger, another for each number.
func somewhere(i int) netip.AddrPort {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 1<<24+uint32(i)*0x9E3779B1>>4)
	return netip.AddrPortFrom(netip.AddrFrom4(b), uint16(i))
}

// What strangers send leaves no garbage, so that a flood of it does not make the heap grow.
func TestStrangersLeaveNoGarbage(t *testing.T) {
	for name, p := range strangers() {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{change: func(c *Config) { c.Sink = discard{} }})
			e, i := l.engines[0], 0
			got := testing.AllocsPerRun(10_000, func() {
				i++
				l.now = l.now.Add(100_000) // within the budget and beyond
				e.FromClient(l.now, Client{Addr: somewhere(i), Transport: UDP, Listener: 1}, p)
			})
			if got != 0 {
				t.Errorf("%v allocations for each packet, want none", got)
			}
		})
	}
}

func BenchmarkStrangers(b *testing.B) {
	for name, p := range strangers() {
		b.Run(name, func(b *testing.B) {
			l := newLab(b, setup{change: func(c *Config) { c.Sink = discard{} }})
			e, i := l.engines[0], 0
			b.ReportAllocs()
			for b.Loop() {
				i++
				l.now = l.now.Add(10_000)
				e.FromClient(l.now, Client{Addr: somewhere(i), Transport: UDP, Listener: 1}, p)
			}
		})
	}
}
