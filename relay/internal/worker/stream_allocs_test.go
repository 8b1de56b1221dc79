package worker

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/relay/internal/packet"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

// messages makes STUN messages of what comes on a stream.
type messages struct{ net.Conn }

func (m messages) ReadFrom(p []byte) (int, net.Addr, error) {
	if _, err := io.ReadFull(m.Conn, p[:20]); err != nil {
		return 0, nil, err
	}
	n := 20 + int(binary.BigEndian.Uint16(p[2:]))
	_, err := io.ReadFull(m.Conn, p[20:n])
	return n, m.RemoteAddr(), err
}

func (m messages) WriteTo(p []byte, _ net.Addr) (int, error) { return m.Write(p) }

// Nothing is allocated for packets of a client on a stream either, and those that come together leave together.
func TestNothingIsAllocatedPerPacketOfAStream(t *testing.T) {
	w := loopback(t, packet.Offload)
	seen := seeing(w, packet.Offload)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- w.crew.ServeStreams(l, false) }()
	t.Cleanup(func() {
		_ = w.crew.Close()
		<-done
	})
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	from, peer := listenUDP(t)
	ask := asking(t, messages{conn}, conn.RemoteAddr())
	ask(stun.MethodAllocate, stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}})
	ask(stun.MethodChannelBind, stun.RawAttribute{Type: stun.AttrChannelNumber, Value: []byte{0x40, 0, 0, 0}}, peerAddress(peer))
	var c *client
	var relayed netip.AddrPort
	w.do(func(e *turn.Engine, _ time.Time) {
		c = w.clients[1]
		e.Allocations(func(i turn.Info) { relayed = i.Relayed[0] })
	})

	const together, size = 8, 1000
	var frames []byte
	for range together {
		frames = binary.BigEndian.AppendUint16(append(frames, 0x40, 0), size)
		frames = append(frames, make([]byte, size)...)
	}
	of := begun(t)
	if n := testing.AllocsPerRun(200, func() {
		if used, _, _, err := c.feedStream(of, frames); used != len(frames) || err != nil {
			t.Errorf("%d bytes were taken together, want %d, %v", used, len(frames), err)
		}
	}); n != 0 && !raced {
		t.Errorf("from a client: %v allocations for %d packets", n, together)
	}

	if _, err := from.WriteTo([]byte("hello"), net.UDPAddrFromAddrPort(relayed)); err != nil {
		t.Fatal(err)
	}
	at := <-seen
	var came atomic.Int64
	go func() {
		buf := make([]byte, 64<<10)
		_ = conn.SetReadDeadline(time.Time{})
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return // it is closed
			}
			came.Add(int64(n))
		}
	}()
	payload := make([]byte, size)
	arrivals := []packet.Arrival{{Socket: at.socket, Tag: at, Datagrams: repeated(peer, payload)}}
	out := packet.NewOutbox(w.lost)
	before := w.crew.Stats().FromPeers.Packets
	want := int64(0)
	if n := testing.AllocsPerRun(200, func() {
		w.receive(out, arrivals)
		want += together * (4 + size)
		for deadline := time.Now().Add(10 * time.Second); came.Load() < want; time.Sleep(50 * time.Microsecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d bytes came, want %d", came.Load(), want)
			}
		}
	}); n != 0 && !raced {
		t.Errorf("to a client: %v allocations for %d packets", n, together)
	}
	if got := w.crew.Stats().FromPeers.Packets - before; got < together*200 {
		t.Errorf("%d packets were relayed", got)
	}
}
