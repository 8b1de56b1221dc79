//go:build linux

package load

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

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

func TestQuantilesAreCloseEnough(t *testing.T) {
	var h Histogram
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("of none: %v", got)
	}
	for i := range 100_000 {
		h.Add(time.Duration(i) * time.Microsecond)
	}
	for q, want := range map[float64]time.Duration{0: 0, 0.5: 50 * time.Millisecond, 0.99: 99 * time.Millisecond, 1: 100 * time.Millisecond} {
		if got := h.Quantile(q); got > want || got < want-want/50 {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
	h.Reset()
	h.Add(-time.Second)
	h.Add(1<<63 - 1)
	if least, most := h.Quantile(0), h.Quantile(1); least != 0 || most < 1<<62 {
		t.Errorf("extremes: %v, %v", least, most)
	}
}

func TestSlotsFollowEachOther(t *testing.T) {
	last := -1
	for v := uint64(0); v < 1<<20; v++ {
		s := slot(v)
		if s != last && s != last+1 || least(s) > v || v-least(s) > v/64 {
			t.Fatalf("%d is in slot %d, which begins at %d, after %d", v, s, least(s), last)
		}
		last = s
	}
}

func TestFramesOfAStreamAreTakenApart(t *testing.T) {
	channelData := append([]byte{0x40, 0, 0, 5}, "abcde\x00\x00\x00"...)
	message := append(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw, channelData...)
	for name, test := range map[string]struct {
		bytes []byte
		want  int
	}{
		"nothing":          {nil, 0},
		"half a head":      {[]byte{0x40, 0, 0}, 0},
		"padded":           {channelData, 12},
		"one without data": {[]byte{0x40, 0, 0, 0}, 4},
		"a message first":  {message, 20},
	} {
		if got := frameSize(test.bytes); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestTheBenchSaysWhenItIsTheLimit(t *testing.T) {
	for name, test := range map[string]struct {
		Result
		want string
	}{
		"all is well":       {Result{Sent: 1000, Arrived: 900}, ""},
		"too little sent":   {Result{Sent: 1000, Short: 0.5}, "50 % less"},
		"too little read":   {Result{Sent: 1000, Overrun: 10}, "lost 1.00 %"},
		"trains of packets": {Result{Sent: 1000, Behind: 0.2}, "20 % late"},
	} {
		got := test.Limit()
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
