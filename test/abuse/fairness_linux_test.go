package abuse

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"golang.org/x/sys/unix"
)

// flooding is set in the environment of a process that is to flood: where to.
const flooding = "PARLEY_TEST_FLOOD"

// floodPayload is the size of a datagram of a flood, and floodTrain how many leave by one system call.
const (
	floodPayload = 1000
	floodTrain   = 32
)

// flood sends ChannelData, or what a peer sends, by the socket that is file 3, as fast as the machine lets it. It ends with its parent.
func flood(target string) {
	to := netip.MustParseAddrPort(target)
	address := &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
	var train []byte
	for range floodTrain {
		train = append(train, 0x40, 0)
		train = binary.BigEndian.AppendUint16(train, floodPayload)
		train = append(train, make([]byte, floodPayload)...)
	}
	each := floodPayload + 4
	if unix.SetsockoptInt(3, unix.SOL_UDP, unix.UDP_SEGMENT, each) != nil {
		train = train[:each] // one by one then
	}
	for parent := os.Getppid(); os.Getppid() == parent; {
		for range 1000 {
			_ = unix.Sendto(3, train, 0, address) // there is no end of it
		}
	}
}

// speaker is a client by hand: with an allocation, a socket that nobody else reads, and channel 0x4000.
type speaker struct {
	conn    *net.UDPConn
	relayed netip.AddrPort
}

// speak makes an allocation with a channel to a peer.
func speak(t *testing.T, server string, peer netip.AddrPort) speaker {
	t.Helper()
	to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(server))
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var known []stun.Setter
	ask := func(method stun.Method, setters ...stun.Setter) *stun.Message {
		t.Helper()
		buf := make([]byte, 1500)
		for range 10 {
			request := stun.MustBuild(slices.Concat([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, setters, known)...)
			if _, err := conn.WriteToUDP(request.Raw, to); err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(patience / 10)); err != nil {
				t.Fatal(err)
			}
			n, _, err := conn.ReadFromUDP(buf)
			answer := &stun.Message{Raw: buf[:n]}
			if err == nil && answer.Decode() == nil && answer.TransactionID == request.TransactionID {
				return answer
			}
		}
		t.Fatalf("%v is not answered", method)
		return nil
	}
	transport := stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}
	var realm stun.Realm
	var nonce stun.Nonce
	if err := ask(stun.MethodAllocate, transport).Parse(&realm, &nonce); err != nil {
		t.Fatal(err)
	}
	known = []stun.Setter{stun.NewUsername("alice"), realm, nonce, stun.NewLongTermIntegrity("alice", realm.String(), "secret")}
	var relayed stun.XORMappedAddress
	if err := relayed.GetFromAs(ask(stun.MethodAllocate, transport), stun.AttrXORRelayedAddress); err != nil {
		t.Fatal(err)
	}
	answer := ask(stun.MethodChannelBind, stun.RawAttribute{Type: stun.AttrChannelNumber, Value: []byte{0x40, 0, 0, 0}}, xorPeer(peer))
	if answer.Type.Class != stun.ClassSuccessResponse {
		t.Fatalf("ChannelBind: %v", answer)
	}
	addr, _ := netip.AddrFromSlice(relayed.IP)
	return speaker{conn, netip.AddrPortFrom(addr.Unmap(), uint16(relayed.Port))}
}

// xorPeer is XOR-PEER-ADDRESS.
type xorPeer netip.AddrPort

func (p xorPeer) AddTo(m *stun.Message) error {
	return stun.XORMappedAddress{IP: netip.AddrPort(p).Addr().AsSlice(), Port: int(netip.AddrPort(p).Port())}.AddToAs(m, stun.AttrXORPeerAddress)
}

// echoed sends small packets to a peer that sends them back, one every 10 ms, and returns how long they were under way, in order
// of that. What is not back that long after the last is lost.
func echoed(t *testing.T, server string, n int) (times []time.Duration, lost int) {
	t.Helper()
	peer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	echoing := make(chan struct{})
	go func() {
		defer close(echoing)
		buf := make([]byte, 1500)
		for {
			n, from, err := peer.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = peer.WriteToUDPAddrPort(buf[:n], from) // it is counted as lost
		}
	}()
	defer func() {
		_ = peer.Close()
		<-echoing
	}()
	c := speak(t, server, peer.LocalAddr().(*net.UDPAddr).AddrPort())
	to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(server))
	sent := make([]time.Time, n)
	over := make(chan struct{})
	if err := c.conn.SetReadDeadline(time.Now().Add(time.Duration(n)*10*time.Millisecond + 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	type arrival struct {
		number int
		at     time.Time
	}
	arrivals := make(chan arrival, n)
	complete := make(chan struct{})
	go func() {
		defer close(over)
		came := make(map[int]bool)
		buf := make([]byte, 1500)
		for {
			size, _, err := c.conn.ReadFromUDP(buf)
			if err != nil {
				return
			}
			if size == 24 && buf[0] == 0x40 {
				if number := int(binary.BigEndian.Uint32(buf[4:])); number < n && !came[number] {
					came[number] = true
					arrivals <- arrival{number, time.Now()}
					if len(came) == n {
						close(complete)
					}
				}
			}
		}
	}()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for i := range n {
		<-ticker.C
		p := make([]byte, 24)
		p[0], p[3] = 0x40, 20
		binary.BigEndian.PutUint32(p[4:], uint32(i))
		sent[i] = time.Now()
		if _, err := c.conn.WriteToUDP(p, to); err != nil {
			t.Fatal(err)
		}
	}
	select { // for the last ones
	case <-complete:
	case <-time.After(slowest):
	}
	_ = c.conn.Close()
	<-over
	close(arrivals)
	for a := range arrivals {
		times = append(times, a.at.Sub(sent[a.number]))
	}
	slices.Sort(times)
	return times, n - len(times)
}

// One allocation at full speed does not starve another's small packets. What a peer floods has a socket of its own, of which a turn
// handles a share. What a client floods is in the way of all that come by the same socket: some of the others' is lost there when
// the flood is more than the relay can read, so there the limit of bits per second must leave enough time to read.
func TestAFloodStarvesNobody(t *testing.T) {
	n := size(1000, 120)
	modes := []string{"offload", "batch"}
	if *full {
		modes = append(modes, "plain")
	}
	for _, mode := range modes {
		t.Run(mode+", from a peer", func(t *testing.T) {
			beside(t, n, 0.05, 0.99, func(t *testing.T) (string, *net.UDPConn, string) {
				server := start(t, "--udp-mode="+mode)
				loud, sink := loudspeaker(t, server.udp)
				return server.udp, sink, loud.relayed.String()
			})
		})
		t.Run(mode+", from a client", func(t *testing.T) {
			beside(t, n, 0.6, 0.5, func(t *testing.T) (string, *net.UDPConn, string) {
				server := start(t, "--udp-mode="+mode, "--bits-per-allocation=20000000")
				loud, _ := loudspeaker(t, server.udp)
				return server.udp, loud.conn, server.udp
			})
		})
	}
}

// loudspeaker is a client that is to be flooded, or to flood, and its peer, which reads nothing.
func loudspeaker(t *testing.T, server string) (speaker, *net.UDPConn) {
	t.Helper()
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sink.Close() })
	return speak(t, server, sink.LocalAddr().(*net.UDPAddr).AddrPort()), sink
}

// slowest is how much longer packets may take beside a flood: the flood, the relay, and whoever else the machine has to do with, share
// its processors, and a flood's turn is some milliseconds.
const slowest = 500 * time.Millisecond

// beside sends small packets beside a flood by a socket, and fails if more than that share of them is lost, or that quantile takes too
// long, three times: the machine may be busy with others for a while.
func beside(t *testing.T, n int, most, quantile float64, begin func(t *testing.T) (server string, by *net.UDPConn, to string)) {
	t.Helper()
	for attempt := 1; ; attempt++ {
		server, by, to := begin(t)
		quiet, _ := echoed(t, server, n/3)
		stop := startFlood(t, by, to)
		times, lost := echoed(t, server, n)
		stop()
		if len(quiet) == 0 {
			t.Fatal("nothing comes back where nobody floods")
		}
		at := func(times []time.Duration) time.Duration {
			if len(times) == 0 {
				return time.Hour
			}
			return times[int(float64(len(times))*quantile)]
		}
		t.Logf("%d of %d lost; quantile %v: %v, undisturbed %v", lost, n, quantile, at(times), at(quiet))
		if float64(lost) <= most*float64(n) && at(times) <= at(quiet)+slowest {
			return
		}
		if attempt == 3 {
			t.Fatalf("want at most %v of them lost, and %v more", most, slowest)
		}
	}
}

// startFlood starts a process that floods by a socket, and returns what ends it.
func startFlood(t *testing.T, by *net.UDPConn, to string) (stop func()) {
	t.Helper()
	file, err := by.File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // the process has its own
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), flooding+"="+to)
	cmd.ExtraFiles = []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it fails, as it should
	}
}

// floodIfAsked floods, if that is what this process was started for.
func floodIfAsked() {
	if target := os.Getenv(flooding); target != "" {
		flood(target)
		os.Exit(0)
	}
}
