package worker

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestAWideSocketAnswersFromWhereItWasAsked(t *testing.T) {
	for name, test := range map[string]struct {
		network, listen string
		ask             []string
	}{
		"IPv4":       {"udp4", "0.0.0.0:0", []string{"127.0.0.1", "127.0.0.2", "127.3.4.5"}},
		"IPv6":       {"udp6", "[::]:0", []string{"::1"}},
		"both at it": {"udp", "[::]:0", []string{"127.0.0.1", "127.0.0.2", "::1"}},
	} {
		t.Run(name, func(t *testing.T) {
			socket, err := net.ListenPacket(test.network, test.listen)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = socket.Close() }()
			conn, ok := packetConnOf(socket).(*wideConn)
			if !ok {
				t.Fatalf("it is a %T", packetConnOf(socket))
			}
			_ = socket.SetReadDeadline(time.Now().Add(10 * time.Second))
			port := socket.LocalAddr().(*net.UDPAddr).AddrPort().Port()
			for _, host := range test.ask {
				addr := netip.AddrPortFrom(netip.MustParseAddr(host), port)
				client, err := net.Dial("udp", addr.String()) // takes nothing from elsewhere
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = client.Close() }()
				_ = client.SetReadDeadline(time.Now().Add(10 * time.Second))
				buf, question, answer := make([]byte, 100), []byte("question"), []byte("answer")
				allocated := testing.AllocsPerRun(100, func() {
					if _, err := client.Write(question); err != nil {
						t.Fatal(err)
					}
					n, from, local, err := conn.read(buf)
					if err != nil || string(buf[:n]) != "question" || local != addr.Addr() {
						t.Fatalf("read %q to %v, %v, want it to %v", buf[:n], local, err, addr.Addr())
					}
					if err := conn.write(answer, from, local); err != nil {
						t.Fatal(err)
					}
					if n, err := client.Read(buf); err != nil || string(buf[:n]) != "answer" {
						t.Fatalf("%v answers %q, %v", addr, buf[:n], err)
					}
				})
				if allocated != 0 {
					t.Errorf("%v allocations for a packet each way, want none", allocated)
				}
			}
		})
	}
}

func TestControlMessages(t *testing.T) {
	good := appendSource(nil, netip.MustParseAddr("2001:db8::1"), true)
	if got, want := destination(good), netip.MustParseAddr("2001:db8::1"); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	two := append([]byte(nil), good...)
	two[len(two)-len(good)+sizeofLength] ^= 1 // of another level
	if got, want := destination(append(two, good...)), netip.MustParseAddr("2001:db8::1"); got != want {
		t.Errorf("behind another: %v, want %v", got, want)
	}
	for i := range good { // those that lie do no harm
		destination(good[:i])
		for _, b := range []byte{0, 1, 0x7f, 0xff} {
			bad := append([]byte(nil), good...)
			bad[i] = b
			destination(bad)
		}
	}
}
