//go:build linux

package load

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestSendIndicationsAreWellFormed(t *testing.T) {
	peer := netip.MustParseAddrPort("192.0.2.7:40000")
	for _, size := range []int{8, 200, 1001} {
		p := make([]byte, roomFor)
		n := sendIndication(p, peer, size, 42)
		m := &stun.Message{Raw: p[:n]}
		if err := m.Decode(); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		var to stun.XORMappedAddress
		if err := to.GetFromAs(m, stun.AttrXORPeerAddress); err != nil || to.IP.String() != "192.0.2.7" || to.Port != 40000 {
			t.Errorf("%d bytes: for %v, %v", size, to, err)
		}
		data, err := m.Get(stun.AttrData)
		if err != nil || len(data) != size || m.Type != stun.NewType(stun.MethodSend, stun.ClassIndication) {
			t.Errorf("%d bytes: %v with %d bytes, %v", size, m.Type, len(data), err)
		}
		if at := dataAt(p[:n]); !bytes.Equal(p[at:at+size], data) {
			t.Errorf("%d bytes: the payload is not at %d", size, at)
		}
	}
}
