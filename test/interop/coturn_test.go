// Package interop runs Parley's programs against software of others.
package interop

import (
	"context"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/turn/v4"

	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const (
	clients  = 2
	messages = 20 // of each client
)

// attempts bounds how many of coturn's clients run at once: mostly they wait for each other.
var attempts = make(chan struct{}, 20)

// attempt is a run of coturn's client.
type attempt struct {
	args []string
	out  []byte
	err  error
	done chan struct{} // closed when the rest is set
}

// uclient starts coturn's client, as soon as there is room for it.
func uclient(t *testing.T, patience time.Duration, args ...string) *attempt {
	t.Helper()
	program, err := exec.LookPath("turnutils_uclient")
	if err != nil {
		t.Skip("turnutils_uclient is not installed; it comes with coturn")
	}
	a := &attempt{args: args, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		attempts <- struct{}{}
		defer func() { <-attempts }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		a.out, a.err = exec.CommandContext(ctx, program, args...).CombinedOutput()
	}()
	t.Cleanup(func() { <-a.done })
	return a
}

// exchange starts coturn's client with some messages to send.
func exchange(t *testing.T, flags ...string) *attempt {
	t.Helper()
	return uclient(t, 60*time.Second, append([]string{"-n", strconv.Itoa(messages), "-m", strconv.Itoa(clients)}, flags...)...)
}

// nothingLost fails the test unless coturn's client got all of its messages back.
func (a *attempt) nothingLost(t *testing.T, streams int) {
	t.Helper()
	<-a.done
	if a.err != nil {
		t.Fatalf("turnutils_uclient %v: %v\n%s", a.args, a.err, a.out)
	}
	// It exits with 0 even when nothing got through.
	if got := last(t, `tot_recv_msgs=(\d+)`, a.out); got != streams*messages {
		t.Errorf("%d messages arrived, want %d\n%s", got, streams*messages, a.out)
	}
	if got := last(t, `Total lost packets (\d+)`, a.out); got != 0 {
		t.Errorf("%d packets were lost\n%s", got, a.out)
	}
}

// exchanged is with a listener, by flags of coturn's client.
type exchanged struct {
	addr  string
	flags []string
}

func TestCoturnsClientLosesNothing(t *testing.T) {
	relay := startRelay(t)
	lived := []string{"-u", "alice", "-W", "s3cret"}
	// -y lets pairs of clients talk to each other; without -c each has a second port, as for RTCP.
	tests := map[string]exchanged{
		"UDP":                                {relay.udp, []string{"-c"}},
		"UDP, pairs of ports":                {relay.udp, nil},
		"UDP, fixed password":                {relay.udp, []string{"-c", "-u", "bob", "-w", "secret"}},
		"UDP, indications":                   {relay.udp, []string{"-s", "-c"}},
		"UDP, indications, pairs of ports":   {relay.udp, []string{"-s"}},
		"UDP, without fragments":             {relay.udp, []string{"-g", "-c"}},
		"UDP, padded channels":               {relay.udp, []string{"-D", "-c"}},
		"UDP, large messages":                {relay.udp, []string{"-c", "-l", "1400"}},
		"UDP, relayed by IPv6":               {relay.udp, []string{"-x", "-c"}},
		"UDP, by IPv6, pairs of ports":       {relay.udp, []string{"-x"}},
		"UDP over IPv6, relayed by IPv6":     {relay.udp6, []string{"-x", "-c"}},
		"UDP over IPv6, relayed by IPv4":     {relay.udp6, []string{"-X", "-c"}},
		"UDP, relayed by both":               {relay.udp, []string{"-Z"}},
		"UDP, requests for more":             {relay.udp, []string{"-G", "-c"}},
		"UDP, negative tests on the side":    {relay.udp, []string{"-N", "-c"}},
		"TCP":                                {relay.tcp, []string{"-t", "-c"}},
		"TCP, pairs of ports":                {relay.tcp, []string{"-t"}},
		"TCP, indications":                   {relay.tcp, []string{"-t", "-s", "-c"}},
		"TCP, relayed by IPv6":               {relay.tcp, []string{"-t", "-x", "-c"}},
		"TCP, relayed by both":               {relay.tcp, []string{"-t", "-Z"}},
		"TLS":                                {relay.tls, []string{"-t", "-S", "-c"}},
		"TLS, pairs of ports":                {relay.tls, []string{"-t", "-S"}},
		"TLS, indications":                   {relay.tls, []string{"-t", "-S", "-s", "-c"}},
		"DTLS":                               {relay.udp, []string{"-S", "-c"}},
		"DTLS, pairs of ports":               {relay.udp, []string{"-S"}},
		"DTLS, indications, relayed by IPv6": {relay.udp, []string{"-S", "-s", "-x", "-c"}},
		"TCP relayed over TCP":               {relay.tcp, []string{"-T"}},
		"TCP relayed over TLS":               {relay.tls, []string{"-T", "-S"}},
	}
	for _, mode := range []string{"batch", "plain"} { // those above are with offloads
		relay := startRelay(t, "--udp-mode="+mode, "--workers=3")
		for name, flags := range map[string][]string{
			"UDP": {"-c"}, "UDP, pairs of ports": nil, "UDP, indications": {"-s", "-c"}, "UDP, without fragments": {"-g", "-c"},
			"UDP, relayed by IPv6": {"-x", "-c"}, "DTLS": {"-S", "-c"},
		} {
			tests[name+", "+mode] = exchanged{relay.udp, flags}
		}
	}
	running := make(map[string]*attempt)
	for name, test := range tests {
		host, port := split(t, test.addr)
		running[name] = exchange(t, slices.Concat(lived, test.flags, []string{"-y", "-p", port, host})...)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			streams := clients
			if !slices.ContainsFunc(test.flags, func(flag string) bool { return flag == "-c" || flag == "-Z" || flag == "-T" }) {
				streams = 2 * clients
			}
			running[name].nothingLost(t, streams)
		})
	}
}

func TestCoturnsPeerIsReached(t *testing.T) {
	peer, err := exec.LookPath("turnutils_peer")
	if err != nil {
		t.Skip("turnutils_peer is not installed; it comes with coturn")
	}
	relay := startRelay(t, "--allow-loopback")
	port := freePort(t)
	process := exec.CommandContext(t.Context(), peer, "-L", "127.0.0.1", "-p", port)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	time.Sleep(200 * time.Millisecond) // it says nothing when it is ready
	tests := map[string]struct {
		addr  string
		flags []string
	}{
		"UDP":              {relay.udp, []string{"-c"}},
		"UDP, indications": {relay.udp, []string{"-s", "-c"}},
		"TCP":              {relay.tcp, []string{"-t", "-c"}},
		"TLS":              {relay.tls, []string{"-t", "-S", "-c"}},
		"DTLS":             {relay.udp, []string{"-S", "-c"}},
	}
	running := make(map[string]*attempt)
	for name, test := range tests {
		host, listening := split(t, test.addr)
		running[name] = exchange(t, append(test.flags, "-u", "alice", "-W", "s3cret", "-e", "127.0.0.1", "-r", port, "-p", listening, host)...)
	}
	for name := range tests {
		t.Run(name, func(t *testing.T) { running[name].nothingLost(t, clients) })
	}
}

func TestNegativeTestsLeaveTheRelayHealthy(t *testing.T) {
	relay := startRelay(t)
	var running []*attempt
	for _, flags := range [][]string{{"-N", "-R", "-c"}, {"-R", "-c"}, {"-R", "-s", "-c"}, {"-t", "-R", "-c"}, {"-t", "-N", "-R", "-c"}} {
		addr := relay.udp
		if flags[0] == "-t" {
			addr = relay.tcp
		}
		host, port := split(t, addr)
		args := append(flags, "-u", "alice", "-W", "s3cret", "-n", "5", "-m", "2", "-y", "-p", port, host)
		running = append(running, uclient(t, 8*time.Second, args...))
	}
	for _, a := range running {
		<-a.done // in whatever way: it waits for answers that broken requests do not get
	}
	host, port := split(t, relay.udp)
	exchange(t, "-u", "alice", "-W", "s3cret", "-c", "-y", "-p", port, host).nothingLost(t, clients)
}

func TestAWrongPasswordIsRefused(t *testing.T) {
	relay := startRelay(t)
	host, port := split(t, relay.udp)
	a := uclient(t, 5*time.Second, "-u", "bob", "-w", "wrong", "-p", port, "-n", "1", "-c", "-y", host)
	<-a.done
	if regexp.MustCompile(`tot_recv_msgs=[1-9]`).Match(a.out) {
		t.Errorf("messages arrived\n%s", a.out)
	}
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0") // coturn's client does not say why it failed
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	client, err := turn.NewClient(&turn.ClientConfig{TURNServerAddr: relay.udp, Conn: conn, Username: "bob", Password: "wrong"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Allocate(); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("Allocate: %v, want 401", err)
	}
}

func split(t *testing.T, addr string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// freePort returns a UDP port that was free a moment ago, as the next is that coturn's peer wants, too.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		one, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := one.LocalAddr().(*net.UDPAddr).Port
		next, err := net.ListenPacket("udp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+1)))
		_ = one.Close()
		if err == nil {
			_ = next.Close()
			return strconv.Itoa(port)
		}
	}
	t.Fatal("no two ports in a row are free")
	return ""
}

// last returns the number in the last match of pattern.
func last(t *testing.T, pattern string, out []byte) int {
	t.Helper()
	matches := regexp.MustCompile(pattern).FindAllSubmatch(out, -1)
	if len(matches) == 0 {
		t.Fatalf("the output has no %s:\n%s", pattern, out)
	}
	n, err := strconv.Atoi(string(matches[len(matches)-1][1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
