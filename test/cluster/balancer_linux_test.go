package cluster

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/internal/probe"
	"github.com/parley-rtc/parley/internal/redistest"
	"github.com/parley-rtc/parley/relay/credentials"
)

const turnSecret = "a secret of the relays"

// balancers are the files of deploy/, all of which documentation recommends.
var balancers = []struct {
	file   string
	hashes bool     // all requests of a room go to one node
	tcp    bool     // it passes TCP on
	tls    bool     // clients speak TLS, to it or to the nodes
	nodes  []string // what the nodes are addressed by in it
}{
	{file: "haproxy/rooms.cfg", hashes: true, tls: true, nodes: []string{"10.0.0.11:8080", "10.0.0.12:8080", "10.0.0.13:8080"}},
	{file: "nginx/rooms.conf", hashes: true, tls: true, nodes: []string{"10.0.0.11:8080", "10.0.0.12:8080", "10.0.0.13:8080"}},
	{file: "compose/haproxy.cfg", hashes: true, nodes: []string{"node-a:8080", "node-b:8080", "node-c:8080"}},
	{file: "haproxy/tcp.cfg", tcp: true, tls: true, nodes: []string{"10.0.0.11:443", "10.0.0.12:443", "10.0.0.13:443"}},
	{file: "nginx/tcp.conf", tcp: true, tls: true, nodes: []string{"10.0.0.11:443", "10.0.0.12:443", "10.0.0.13:443"}},
}

// Clients talk over each kind of link behind each balancer while one node after the other ends.
func testBalancers(t *testing.T) {
	t.Parallel()
	for _, b := range balancers {
		t.Run(b.file, func(t *testing.T) {
			t.Parallel()
			files := certify(t)
			// Each of the two peers of a room is at an address of its own, which the nodes have to get to know.
			args := []string{"--trusted-proxy", "127.0.0.1", "--max-per-address", "1", "--drain-delay", "2s", "--drain-window", "1s"}
			if b.tcp {
				args = append(args, "--proxy-protocol", "--tls-cert", files.cert, "--tls-key", files.key)
			}
			if b.file == "nginx/tcp.conf" { // these nodes relay themselves
				args = append(args, "--public-ip", "127.0.0.1", "--relay-listen", "127.0.0.1:0", "--turn-on-listen", "yes", "--turn-secret", turnSecret)
			} else {
				args = append(args, "--no-relay")
			}
			c := behind(t, redistest.Start(t).URL(), 3, args...)
			var replace []string
			for i, address := range b.nodes {
				replace = append(replace, address, c.nodes[i].address)
			}
			if b.file == "haproxy/tcp.cfg" {
				replace = append(replace, relays(t, files)...)
			}
			f := startFront(t, b.file, files, replace...)
			url := "http://" + f.address
			if b.tls {
				url = "https://" + f.address
			}
			rooms := make(map[client.Link][2]*talker)
			for i, kind := range kinds {
				room := fmt.Sprint("room", i)
				one := enterAt(t, url, room, "one", kind, f.client(t, fmt.Sprintf("127.0.1.%d", i)))
				two := enterAt(t, url, room, "two", kind, f.client(t, fmt.Sprintf("127.0.2.%d", i)))
				one.other, two.other = two, one
				rooms[kind] = [2]*talker{one, two}
			}
			crowded(t, f, url)
			if b.tcp {
				allocate(t, f)
			}
			c.converse(t, rooms, b.hashes)
		})
	}
}

// converse has the pairs talk: at first one after the other, to see which nodes serve them, and then all of them while one node after the other ends: one
// is told to, the others are killed.
func (c *cluster) converse(t *testing.T, rooms map[client.Link][2]*talker, hashed bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	const first, all = 10, 250
	for kind, pair := range rooms {
		for _, k := range pair {
			await(t, "a link", func() bool { return k.Link() != client.Auto })
		}
		before := c.frames(t)
		for _, k := range pair {
			if err := k.send(ctx, 1, first); err != nil {
				t.Fatal(err)
			}
		}
		await(t, "messages", func() bool {
			return pair[0].problem.Load() != nil || pair[1].problem.Load() != nil || pair[0].got.Load() == first && pair[1].got.Load() == first
		})
		serving := 0
		after := c.frames(t)
		for i := range after {
			if after[i] > before[i] {
				serving++
			}
		}
		if hashed && serving != 1 {
			t.Errorf("%d nodes served a room over %v: %v frames, then %v", serving, kind, before, after)
		}
	}
	sent := make(chan error)
	senders := 0
	for _, pair := range rooms {
		for _, k := range pair {
			senders++
			go func() {
				for n := int64(first + 1); n <= all; n += 10 {
					if err := k.send(ctx, n, n+9); err != nil {
						sent <- err
						return
					}
					time.Sleep(300 * time.Millisecond)
				}
				sent <- nil
			}()
		}
	}
	for i, n := range c.nodes {
		if i == 1 {
			n.stop()
		} else {
			n.kill()
		}
		time.Sleep(500 * time.Millisecond)
		n.start()
		time.Sleep(time.Second) // until balancers know it
	}
	for range senders {
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
	for kind, pair := range rooms {
		for _, k := range pair {
			await(t, fmt.Sprintf("all messages over %v", kind), func() bool { return k.problem.Load() != nil || k.got.Load() == all })
			k.check(t, kind.String(), all)
		}
	}
}

// crowded fails unless the nodes know which address a client comes from: only one peer of an address may be in a room.
func crowded(t *testing.T, f *front, url string) {
	t.Helper()
	join := func(from string) int {
		body := strings.NewReader(`{"attempt": "` + rand.Text() + `", "instance": "1"}`)
		res, err := f.client(t, from).Post(url+"/v1/rooms/crowded/sessions", "application/json", body)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := [3]int{join("127.0.3.1"), join("127.0.3.2"), join("127.0.3.1")}; got != [3]int{201, 201, 429} {
		t.Errorf("joins from one address, another, and the first again were answered %v", got)
	}
}

// allocate gets relays over TCP and TLS, on the one port.
func allocate(t *testing.T, f *front) {
	t.Helper()
	keyring, err := credentials.New(turnSecret)
	if err != nil {
		t.Fatal(err)
	}
	credential, err := keyring.Mint("user", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, secured := range []bool{false, true} {
		var conn net.Conn
		var err error
		if secured {
			dialer := tls.Dialer{Config: &tls.Config{ServerName: "turn.rtc.example", InsecureSkipVerify: true}}
			conn, err = dialer.DialContext(ctx, "tcp4", f.address)
		} else {
			conn, err = new(net.Dialer).DialContext(ctx, "tcp4", f.address)
		}
		if err != nil {
			t.Fatal(err)
		}
		relay := probe.New(conn, true)
		relay.As(credential.Username, credential.Password)
		if _, err := relay.Allocate(ctx, false); err != nil {
			t.Errorf("no relay (TLS: %v): %v", secured, err)
		}
		conn.Close()
	}
}

// behind starts nodes for a balancer on this host, each with an admin listener.
func behind(t testing.TB, redis string, count int, more ...string) *cluster {
	t.Helper()
	c := &cluster{t: t}
	for range count {
		n := &node{t: t, address: freeAddress(t), admin: freeAddress(t)}
		n.args = append([]string{
			"--listen", n.address, "--admin-listen", n.admin, "--redis", redis, "--log-level", "error",
			"--public-url", "https://rtc.example", "--join-rate", "10000", "--join-burst", "10000", "--max-connections", "100000",
		}, more...)
		c.nodes = append(c.nodes, n)
		t.Cleanup(n.kill)
		n.start()
	}
	return c
}

// relays starts two of cmd/turn, and returns where the file of a balancer has to lead to.
func relays(t testing.TB, files certified) (replace []string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "turn")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/turn").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for i := range 2 {
		inClear, secured := freeAddress(t), freeAddress(t)
		process := exec.Command(program, "--listen", "127.0.0.1:0", "--listen-tcp", inClear, "--listen-tls", secured, "--public-ip", "127.0.0.1",
			"--tls-cert", files.cert, "--tls-key", files.key, "--secret", turnSecret, "--log-level", "error")
		process.Stderr = os.Stderr
		process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = process.Process.Kill()
			_ = process.Wait()
		})
		await(t, "a relay", func() bool {
			conn, err := net.Dial("tcp4", secured)
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
		replace = append(replace, fmt.Sprintf("10.0.0.%d:3478", 21+i), inClear, fmt.Sprintf("10.0.0.%d:5349", 21+i), secured)
	}
	return replace
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// frames returns how many frames clients have sent to each node.
func (c *cluster) frames(t testing.TB) []float64 {
	t.Helper()
	counts := make([]float64, len(c.nodes))
	for i, n := range c.nodes {
		counts[i] = n.metric(t, `parley_signaling_frames_total{direction="up"`)
	}
	return counts
}

// stop tells the node's process to end, and waits until it has.
func (n *node) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	_ = n.process.Process.Signal(syscall.SIGTERM)
	if err := n.process.Wait(); err != nil {
		n.t.Errorf("the node %s, told to end: %v", n.address, err)
	}
	n.process = nil
}

// metric returns the sum of the metrics whose names and labels begin so.
func (n *node) metric(t testing.TB, prefix string) (sum float64) {
	t.Helper()
	once := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := once.Get("http://" + n.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if name, value, found := strings.Cut(lines.Text(), " "); found && strings.HasPrefix(name, prefix) {
			if f, err := strconv.ParseFloat(value, 64); err == nil {
				sum += f
			}
		}
	}
	return sum
}
