package abuse

import (
	"encoding/binary"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"golang.org/x/net/ipv4"
)

// pktinfo is a control message that says where a packet is from (ip(7), IP_PKTINFO), and its address in it.
func pktinfo() (message, address []byte) {
	message = make([]byte, syscall.CmsgSpace(syscall.SizeofInet4Pktinfo))
	data := message[syscall.CmsgLen(0):]
	header := message[:syscall.CmsgLen(0)]
	length := uint64(syscall.CmsgLen(syscall.SizeofInet4Pktinfo))
	if len(header) == 16 {
		binary.NativeEndian.PutUint64(header, length)
	} else {
		binary.NativeEndian.PutUint32(header, uint32(length))
	}
	binary.NativeEndian.PutUint32(header[len(header)-8:], syscall.IPPROTO_IP)
	binary.NativeEndian.PutUint32(header[len(header)-4:], syscall.IP_PKTINFO)
	return message, data[4:8]
}

// spoof sends a request from ever other addresses of 127.0.0.0/8, so many a second, until the time is over. It returns how
// many it has sent.
func spoof(t *testing.T, server string, p []byte, perSecond int, during time.Duration) int {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp4", server)
	if err != nil {
		t.Fatal(err)
	}
	const batch = 50
	type source struct {
		*ipv4.PacketConn
		messages []ipv4.Message
		from     [batch][]byte
	}
	var sources []*source
	for range 16 { // ports
		conn, err := net.ListenUDP("udp4", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetReadBuffer(1) // nobody reads the answers
		s := &source{PacketConn: ipv4.NewPacketConn(conn), messages: make([]ipv4.Message, batch)}
		for i := range s.messages {
			message, address := pktinfo()
			s.messages[i] = ipv4.Message{Buffers: [][]byte{p}, OOB: message, Addr: to}
			s.from[i] = address
		}
		sources = append(sources, s)
	}
	sent := 0
	began := time.Now()
	for next := began; ; {
		now := time.Now()
		if now.Sub(began) > during {
			return sent
		}
		if now.Before(next) {
			time.Sleep(time.Millisecond / 2)
			continue
		}
		// What could not be sent for want of the processor is not made up for: that would be a burst of millions a second.
		if late := now.Add(-10 * time.Millisecond); next.Before(late) {
			next = late
		}
		next = next.Add(batch * time.Second / time.Duration(perSecond))
		s := sources[sent/batch%len(sources)]
		for i := range s.from {
			// Odd steps through 2^22 addresses, none of them the relay's own.
			binary.BigEndian.PutUint32(s.from[i], 127<<24|1<<23|uint32(sent+i)*0x9E3779B1>>10)
		}
		n, err := s.WriteBatch(s.messages, 0)
		if err != nil {
			t.Fatalf("after %d requests: %v", sent, err)
		}
		sent += n
	}
}

func TestSpoofedRequests(t *testing.T) {
	during := time.Duration(size(30, 2)) * time.Second
	for name, p := range map[string][]byte{
		"Allocates": stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest),
			stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}).Raw,
		"Allocates with a signature": stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest),
			stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}, stun.NewUsername("alice"),
			stun.NewRealm("parley"), stun.NewNonce("obMatJos2gAAAabcdefghijklmnopqrs"), stun.NewShortTermIntegrity("x")).Raw,
		"Bindings": stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw,
		"garbage":  append([]byte{0, 3, 0xff, 0xec, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 100)...),
	} {
		t.Run(name, func(t *testing.T) {
			quiet := start(t)
			begin(t, quiet.udp).finish()
			usual := quiet.goroutines()

			server := start(t)
			before, files := int64(0), 0
			for attempt := 1; ; attempt++ {
				c := begin(t, server.udp)
				if attempt == 1 {
					time.Sleep(time.Second)
					before, files = server.resident(), server.descriptors()
				}
				used, missed := server.cpu(), server.overflow()
				sent := spoof(t, server.udp, p, size(100_000, 20_000), during)
				used, missed = server.cpu()-used, server.overflow()-missed
				t.Logf("%d requests a second, %.1f µs of CPU time for each, %d not read in time", int(float64(sent)/during.Seconds()),
					float64(used.Microseconds())/float64(sent), missed)
				lost := c.finish()
				if lost <= 0.001 {
					break
				}
				// Others may have kept the server from the processor.
				if missed == 0 || attempt == 5 {
					t.Errorf("the call lost %.2f %% of its packets", 100*lost)
					break
				}
			}
			server.grew(before, 5_000_000)
			if now := server.descriptors(); now > files+4 { // of calls that have not ended
				t.Errorf("%d files are open, before it were %d", now, files)
			}
			if n := server.goroutines(); n > usual+8 {
				t.Errorf("%d goroutines, without the flood %d", n, usual)
			}
		})
	}
}
