//go:build amd64 || arm64

package packet

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// One datagram goes through the kernel in place of many, and comes apart again as it was put together.
func TestRunsTravelAsOne(t *testing.T) {
	to := bound(t, Offload)
	from := bound(t, Offload)
	if from.batch.segment.Load() == 0 {
		t.Skip("the kernel has no UDP_SEGMENT")
	}
	out := NewOutbox(func(_ *Socket, n int, err error) { t.Errorf("%d lost: %v", n, err) })
	var want []string
	for i, size := range []int{500, 500, 500, 200, 800, 800} {
		want = append(want, strings.Repeat(fmt.Sprint(i), size))
		out.Add(from, Message{To: to.Addr(), Head: []byte(want[i][:4]), Body: []byte(want[i][4:])})
	}
	out.Flush()
	in := newReader()
	var got []string
	buffers := 0
	for deadline := time.Now().Add(patience); len(got) < len(want) && time.Now().Before(deadline); {
		in.reset()
		datagrams, _, _, err := in.receive(to.batch.fd, to, batchSize)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range datagrams {
			got = append(got, string(d.Body))
		}
		buffers += in.used
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if buffers != 2 {
		t.Errorf("they came in %d buffers, want 2: a run of four with a tail, and one of two", buffers)
	}
}

// bound returns a socket that nobody reads.
func bound(t *testing.T, m Mode) *Socket {
	t.Helper()
	g := NewGroup(m, func(*Outbox, []Arrival) {}, nil)
	t.Cleanup(func() { _ = g.Close() })
	s, err := g.Bind(netip.AddrPortFrom(localhost, 0), Options{Receive: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.prepare()
	return s
}

func TestWhatDoesNotFitIsLostAndCounted(t *testing.T) {
	for _, m := range []Mode{Offload, Batch} {
		t.Run(m.String(), func(t *testing.T) {
			to, from := bound(t, m), bound(t, Batch) // a run that is dropped counts as one
			if err := unix.SetsockoptInt(to.batch.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096); err != nil {
				t.Fatal(err)
			}
			out := NewOutbox(func(_ *Socket, n int, err error) { t.Errorf("%d lost by the sender: %v", n, err) })
			const sent = 100
			for range sent {
				out.Add(from, Message{To: to.Addr(), Body: make([]byte, 1000)})
			}
			out.Flush()
			in := newReader()
			first, _, _, err := in.receive(to.batch.fd, to, batchSize)
			if err != nil || len(first) == 0 || len(first) == sent {
				t.Fatalf("got %d datagrams, %v", len(first), err)
			}
			// The count of what is lost comes with the next one that has arrived.
			in.reset()
			out.Add(from, Message{To: to.Addr(), Body: []byte("next")})
			out.Flush()
			next, lost, _, err := in.receive(to.batch.fd, to, batchSize)
			if err != nil || len(next) != 1 || int(lost) < sent/2 || to.Lost() != 0 {
				t.Errorf("got %d datagrams, %d lost, %d not told of, %v", len(next), lost, to.Lost(), err)
			}
		})
	}
}

func TestNothingIsAllocatedPerDatagram(t *testing.T) {
	for _, m := range []Mode{Offload, Batch} {
		t.Run(m.String(), func(t *testing.T) {
			to, from := bound(t, m), bound(t, m)
			out := NewOutbox(func(*Socket, int, error) {})
			in := newReader()
			head, body := []byte("head"), make([]byte, 1000)
			got := 0
			allocs := testing.AllocsPerRun(200, func() {
				for range 8 {
					out.Add(from, Message{To: to.Addr(), Head: head, Body: body})
				}
				out.Flush()
				in.reset()
				datagrams, _, _, _ := in.receive(to.batch.fd, to, batchSize)
				got += len(datagrams)
			})
			if allocs != 0 || got < 8*200 {
				t.Errorf("%v allocations for 8 datagrams; %d arrived", allocs, got)
			}
		})
	}
}

// inside runs the calling test again in a network namespace of its own with a loopback interface of the MTU.
func inside(t *testing.T, mtu int) bool {
	t.Helper()
	const mark = "PARLEY_TEST_NAMESPACE"
	if os.Getenv(mark) != "" {
		if err := loopbackUp(mtu); err != nil {
			t.Fatal(err)
		}
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), mark+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM):
		t.Skipf("no network namespace can be made: %v", err)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// loopbackUp sets up the loopback interface of this namespace.
func loopbackUp(mtu int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	for _, set := range []struct {
		request uintptr
		value   uint32
	}{{unix.SIOCSIFMTU, uint32(mtu)}, {unix.SIOCSIFFLAGS, unix.IFF_UP | unix.IFF_RUNNING}} {
		request := struct {
			name  [16]byte
			value uint32
			_     [20]byte
		}{value: set.value}
		copy(request.name[:], "lo")
		if _, _, code := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), set.request, uintptr(unsafe.Pointer(&request))); code != 0 {
			return code
		}
	}
	return nil
}

// Datagrams larger than the route's packets cannot be cut out of a larger one: they go singly, in fragments, and
// smaller ones are still put together.
func TestWhatTheKernelWillNotCutGoesSingly(t *testing.T) {
	if !inside(t, 1300) {
		return
	}
	g, b := group(t, Offload)
	to := open(t, g, localhost, "to", Options{})
	from := open(t, g, localhost, "from", Options{Fragment: true})
	out := NewOutbox(b.miss)
	var want []string
	add := func(n, size int) {
		for range n {
			want = append(want, strings.Repeat(fmt.Sprint(len(want)%10), size))
			out.Add(from, Message{To: to.Addr(), Head: []byte(want[len(want)-1][:1]), Body: []byte(want[len(want)-1][1:])})
		}
	}
	add(3, 1000)
	add(5, 1400)
	add(3, 1000)
	add(4, 1350)
	add(3, 1000)
	out.Flush()
	for i, d := range b.wait(t, len(want)) {
		if d.body != want[i] {
			t.Fatalf("datagram %d is %.20q of %d bytes, want %.20q of %d", i, d.body, len(d.body), want[i], len(want[i]))
		}
	}
	if len(b.lost) > 0 {
		t.Errorf("lost: %v", b.lost)
	}
	if got := from.batch.segment.Load(); got < 1000 || got >= 1350 {
		t.Errorf("the largest that is put together is %d bytes", got)
	}
}

// A datagram in the middle of a batch that cannot be sent costs no other.
func TestOneThatIsRefusedCostsNoOther(t *testing.T) {
	for _, m := range []Mode{Offload, Batch} {
		t.Run(m.String(), func(t *testing.T) {
			g, b := group(t, m)
			from := open(t, g, localhost, "from", Options{})
			to := open(t, g, localhost, "to", Options{})
			out := NewOutbox(b.miss)
			bad := netip.MustParseAddrPort("255.255.255.255:9") // broadcasts are not allowed
			for i := range 9 {
				if i%3 == 1 {
					out.Add(from, Message{To: bad, Body: bytes.Repeat([]byte("b"), i)})
					out.Add(from, Message{To: bad, Body: bytes.Repeat([]byte("b"), i)})
				}
				out.Add(from, Message{To: netip.AddrPortFrom(to.Addr().Addr(), to.Addr().Port()), Body: bytes.Repeat([]byte("g"), i)})
			}
			out.Flush()
			for i, d := range b.wait(t, 9) {
				if len(d.body) != i {
					t.Errorf("datagram %d has %d bytes", i, len(d.body))
				}
			}
			if len(b.lost) != 6 || !errors.Is(b.lost[0], syscall.EACCES) {
				t.Errorf("lost: %v, want six times EACCES", b.lost)
			}
		})
	}
}

func BenchmarkForward(b *testing.B) {
	for _, m := range []Mode{Offload, Batch} {
		for _, burst := range []int{1, 8} {
			b.Run(fmt.Sprintf("%v/%d", m, burst), func(b *testing.B) {
				g := NewGroup(m, nil, nil)
				defer func() { _ = g.Close() }()
				var s [3]*Socket
				for i := range s {
					var err error
					if s[i], err = g.Bind(netip.AddrPortFrom(localhost, 0), Options{}); err != nil {
						b.Fatal(err)
					}
					defer func() { _ = s[i].Close() }()
				}
				out, in, end := NewOutbox(func(*Socket, int, error) {}), newReader(), newReader()
				body := make([]byte, 1000)
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					for range burst {
						out.Add(s[0], Message{To: s[1].Addr(), Body: body})
					}
					out.Flush()
					b.StartTimer()
					in.reset()
					got, _, _, _ := in.receive(s[1].batch.fd, s[1], batchSize)
					for _, d := range got {
						out.Add(s[1], Message{To: s[2].Addr(), Head: body[:4], Body: d.Body})
					}
					out.Flush()
					b.StopTimer()
					end.reset()
					_, _, _, _ = end.receive(s[2].batch.fd, s[2], batchSize)
					b.StartTimer()
				}
			})
		}
	}
}

func TestNamesKeepWhatTheySay(t *testing.T) {
	for _, test := range []struct {
		addr string
		six  bool
		want string
	}{
		{"192.0.2.1:65535", false, "192.0.2.1:65535"},
		{"192.0.2.1:1", true, "192.0.2.1:1"},
		{"[2001:db8::1]:3478", true, "[2001:db8::1]:3478"},
		{"[fe80::1%7]:3478", true, "[fe80::1%7]:3478"},
		{"[fe80::1%lo]:3478", true, "[fe80::1%1]:3478"},
	} {
		var n name
		putName(&n, test.six, netip.MustParseAddrPort(test.addr))
		if got := nameOf(&n).String(); got != test.want {
			t.Errorf("%s becomes %s, want %s", test.addr, got, test.want)
		}
	}
}
