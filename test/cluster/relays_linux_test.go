package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/client/peers"
	"github.com/parley-rtc/parley/internal/redistest"
)

// relay is a process of cmd/turn. It ends with its test.
type relay struct {
	url, admin string
	process    *exec.Cmd
}

// buildRelay returns the program that a relay is.
func buildRelay(t *testing.T) string {
	t.Helper()
	turn := filepath.Join(t.TempDir(), "turn")
	if out, err := exec.Command("go", "build", "-o", turn, "../../cmd/turn").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return turn
}

// newRelay returns a relay that does not run yet.
func newRelay(t *testing.T, program string) *relay {
	t.Helper()
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address, admin := socket.LocalAddr().String(), l.Addr().String()
	r := &relay{url: "turn:" + address, admin: "http://" + admin}
	r.process = exec.Command(program, "--listen", address, "--listen-tcp", "off", "--admin-listen", admin, "--public-ip", "127.0.0.1", "--allow-loopback", "--secret", "the relays' secret", "--log-level", "error")
	r.process.Stderr = os.Stderr
	r.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return r
}

func (r *relay) start(t *testing.T) {
	t.Helper()
	if err := r.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.kill)
	await(t, "the relay serves", func() bool { _, err := r.relayed(); return err == nil })
}

func startRelay(t *testing.T, program string) *relay {
	t.Helper()
	r := newRelay(t, program)
	r.start(t)
	return r
}

func (r *relay) kill() {
	if r.process != nil {
		_ = r.process.Process.Kill()
		_ = r.process.Wait()
		r.process = nil
	}
}

var toPeers = regexp.MustCompile(`parley_relay_packets_total\{direction="to_peers"\} (\S+)\n`)

// relayed is how many packets the relay's clients sent so far.
func (r *relay) relayed() (float64, error) {
	once := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	res, err := once.Get(r.admin + "/metrics")
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	found := toPeers.FindSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("the metrics are %s", text)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

// packets is what relayed says, of a relay that lives.
func (r *relay) packets(t *testing.T) float64 {
	t.Helper()
	n, err := r.relayed()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// given returns the URLs that a room's peers get from a node.
func given(t *testing.T, over *http.Client, room string) []string {
	t.Helper()
	body := fmt.Sprintf(`{"attempt":"attempt-%022d","instance":"i"}`, time.Now().UnixNano())
	res, err := over.Post("http://cluster.test/v1/rooms/"+room+"/sessions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var reply struct{ ICEServers []struct{ URLs []string } }
	if err := json.NewDecoder(res.Body).Decode(&reply); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("join: %s, %v", res.Status, err)
	}
	var urls []string
	for _, s := range reply.ICEServers {
		urls = append(urls, s.URLs...)
	}
	return urls
}

// meet joins a room over relays only.
func meet(t *testing.T, over *http.Client, room, name string) *peers.Room {
	t.Helper()
	settings := peers.NewSettingEngine(quiet())
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetRelayAcceptanceMinWait(0)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := peers.Join(ctx, "http://cluster.test", room, peers.Config{
		Client:    client.Options{Peer: name, HTTPClient: over, Logger: quiet()},
		Channels:  map[string]peers.ChannelOptions{"chat": {}},
		RelayOnly: true, NoServerRelay: true, API: peers.NewAPI(settings),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// say sends a message from one to the other.
func say(t *testing.T, from, to *peers.Channel, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := from.WriteMessage(ctx, []byte(text)); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if got, err := to.ReadMessage(ctx); err != nil || !bytes.Equal(got, []byte(text)) {
		t.Fatalf("got %q, %v, want %q", got, err, text)
	}
}

func testPeersGoOnOverTheBackupOfAKilledRelay(t *testing.T) {
	t.Parallel()
	turn := buildRelay(t)
	const missing = "turn:127.0.0.1:1"
	relays := make(map[string]*relay)
	args := []string{"--turn-secret", "the relays' secret", "--turn-url", "missing=" + missing}
	for _, name := range []string{"a", "b", "c"} {
		r := startRelay(t, turn)
		relays[r.url] = r
		args = append(args, "--turn-url", name+"="+r.url)
	}
	c := start(t, redistest.Start(t).URL(), 2, args...)
	one, two := c.only(c.nodes[0]), c.only(c.nodes[1])

	var rooms []string // others each time: nobody leaves them
	for round, out := 0, false; !out; round++ {
		time.Sleep(time.Second)
		if round == 60 {
			t.Fatal("rooms have the relay that is missing after a minute")
		}
		rooms, out = nil, true
		for i := range 10 {
			room := fmt.Sprintf("r%d-%d", round, i)
			rooms = append(rooms, room)
			out = out && !slices.Contains(given(t, one, room), missing) && !slices.Contains(given(t, two, room), missing)
		}
	}
	firsts := make(map[string]bool)
	for _, room := range rooms {
		urls := given(t, one, room)
		if others := given(t, two, room); len(urls) != 2 || urls[0] == urls[1] || !slices.Equal(urls, others) {
			t.Fatalf("in %s one node gives %v, the other %v", room, urls, others)
		}
		firsts[urls[0]] = true
	}
	if len(firsts) < 2 {
		t.Errorf("all rooms have %v", firsts)
	}

	const room = "meeting"
	urls := given(t, one, room)
	used, spare := relays[urls[0]], relays[urls[1]]
	alice, bob := meet(t, one, room, "alice"), meet(t, two, room, "bob")
	await(t, "they see each other", func() bool { return alice.Peer("bob") != nil && bob.Peer("alice") != nil })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ac, err := alice.Peer("bob").Open(ctx, "chat")
	if err != nil {
		t.Fatal(err)
	}
	bc, err := bob.Peer("alice").Open(ctx, "chat")
	if err != nil {
		t.Fatal(err)
	}
	before := []float64{used.packets(t), spare.packets(t)}
	for i := range 50 {
		say(t, ac, bc, fmt.Sprint("hello ", i))
		say(t, bc, ac, fmt.Sprint("hello yourself ", i))
	}
	if used.packets(t)-before[0] < spare.packets(t)-before[1] { // ICE may choose either
		used, spare = spare, used
	}

	used.kill()
	before[1] = spare.packets(t)
	began := time.Now()
	say(t, ac, bc, "are you there?")
	say(t, bc, ac, "still here")
	t.Logf("they went on %v after their relay was killed", time.Since(began).Round(time.Millisecond))
	if path := alice.Peer("bob").Path(); path.Kind != peers.Relayed {
		t.Errorf("the path is %+v", path)
	}
	if spare.packets(t) == before[1] {
		t.Error("the room's other relay relayed nothing")
	}
	for url, r := range relays {
		if r != used && r != spare && r.packets(t) > 0 {
			t.Errorf("%s, which the room does not have, relayed something", url)
		}
	}
}

// urlsOf are those of a client's ICE servers, in their order.
func urlsOf(ice client.ICE) (list []string) {
	for _, s := range ice.Servers {
		list = append(list, s.URLs...)
	}
	return list
}

// A relay that comes and goes while a client has a link.
func testClientsAreToldOfRelaysThatComeAndGo(t *testing.T) {
	t.Parallel()
	turn := buildRelay(t)
	a, b := startRelay(t, turn), newRelay(t, turn)
	c := start(t, "", 1, "--turn-secret", "the relays' secret", "--turn-url", "a="+a.url, "--turn-url", "b="+b.url)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	// The second relay is the first one of this room, by its name. Events have the most frequent heartbeats.
	s, err := client.Join(ctx, "http://cluster.test", "meeting", client.Options{Peer: "alice", Link: client.Events, HTTPClient: c.client(), Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	told := func(want ...string) {
		t.Helper()
		for began := time.Now(); ; {
			select {
			case e := <-s.Events():
				switch e := e.(type) {
				case client.ICEChanged:
					if got := urlsOf(e.ICE); slices.Equal(got, want) {
						t.Logf("told of %v after %v", want, time.Since(began).Round(time.Millisecond))
						return
					}
				case client.Rejoined, client.Ended:
					t.Fatalf("the session did not last: %+v", e)
				}
			case <-ctx.Done():
				t.Fatalf("never told of %v, only of %v", want, urlsOf(s.ICE()))
			}
		}
	}
	if got := urlsOf(s.ICE()); slices.Equal(got, []string{b.url, a.url}) { // else the node has found out already
		told(a.url)
	}
	b.start(t)
	told(b.url, a.url)
}
