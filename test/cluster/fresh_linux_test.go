package cluster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/internal/redistest"
)

// fresh has each request answered by a process that was started for it, and that is killed as soon as it has.
type fresh struct {
	t         testing.TB
	redis     string
	processes atomic.Int64
	requests  atomic.Int64
}

var listening = regexp.MustCompile(`Listening +http://([0-9.:]+)/`)

// dial starts a process and connects to it.
func (f *fresh) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	process := exec.Command(program, "--listen", "127.0.0.1:0", "--no-relay", "--redis", f.redis, "--log-level", "error", "--public-url", "http://cluster.test")
	process.Env, process.Stderr = clock(int(f.processes.Load()%3)), os.Stderr
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := process.StdoutPipe()
	if err == nil {
		err = process.Start()
	}
	if err != nil {
		return nil, err
	}
	f.processes.Add(1)
	kill := sync.OnceFunc(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if found := listening.FindStringSubmatch(lines.Text()); found != nil {
			var dialer net.Dialer
			conn, err := dialer.DialContext(ctx, network, found[1])
			if err != nil {
				kill()
				return nil, err
			}
			return &lastConn{Conn: conn, fresh: f, kill: kill}, nil
		}
	}
	kill()
	return nil, errors.New("the process ended, or said nothing of where it listens")
}

// lastConn is the only connection to a process, which ends with it.
type lastConn struct {
	net.Conn
	fresh *fresh
	kill  func()
	used  atomic.Bool
}

var requestLine = regexp.MustCompile(`^(GET|POST|DELETE) /[^ ]* HTTP/1.1\r\n`)

// Write counts requests, and refuses a second one.
func (c *lastConn) Write(b []byte) (int, error) {
	if requestLine.Match(b) {
		c.fresh.requests.Add(1)
		if c.used.Swap(true) {
			c.fresh.t.Error("a process got a second request")
		}
	}
	return c.Conn.Write(b)
}

// Close kills the process.
func (c *lastConn) Close() error {
	err := c.Conn.Close()
	c.kill()
	return err
}

func (f *fresh) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: f.dial, DisableKeepAlives: true}}
}

func testEachRequestMeetsANewProcess(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t).URL()
	for _, kind := range []client.Link{client.ShortPoll, client.LongPoll} {
		t.Run("over "+kind.String(), func(t *testing.T) {
			t.Parallel()
			f := &fresh{t: t, redis: redis}
			converse(t, f, fmt.Sprint("room", int(kind)), kind)
			t.Logf("%d processes answered %d requests", f.processes.Load(), f.requests.Load())
		})
	}
	t.Run("every call", func(t *testing.T) {
		t.Parallel()
		testEveryCall(t, &fresh{t: t, redis: redis})
	})
}

// converse has two clients say all that they say to get connected, and more.
func converse(t *testing.T, f *fresh, room string, kind client.Link) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	join := func(o client.Options) *listener {
		t.Helper()
		o.Link, o.HTTPClient, o.Logger = kind, f.client(), quiet()
		return listen(ctx, t, room, o)
	}
	alice := join(client.Options{Peer: "alice", Name: "Alice"})
	bob := join(client.Options{Peer: "bob", Name: "Bob"})
	alice.wants("joined bob Bob")
	say := func(from, to *listener, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if err := from.Send(ctx, to.ID(), to.Epoch(), text); err != nil {
				t.Fatal(err)
			}
		}
		for _, text := range texts {
			to.wants(fmt.Sprintf("signal %s %q", from.ID(), text))
		}
	}
	candidates := func(of string) (list []string) {
		for i := range 8 {
			list = append(list, fmt.Sprintf("candidate %d of %s", i+1, of))
		}
		return list
	}
	say(bob, alice, "offer")
	say(alice, bob, "answer")
	say(bob, alice, candidates("bob")...)
	say(alice, bob, candidates("alice")...)
	name := "Robert"
	if err := bob.Change(ctx, client.Change{Name: &name}); err != nil {
		t.Fatal(err)
	}
	alice.wants("changed bob Robert here")
	if err := alice.Broadcast(ctx, "to all"); err != nil {
		t.Fatal(err)
	}
	bob.wants(`signal alice "to all"`)
	if ice, err := bob.FreshICE(ctx); err != nil {
		t.Errorf("fresh ICE servers: %v, error %v", ice, err)
	}

	again := join(client.Options{Resume: bob.Secret(), Name: "Bob again"})
	if !again.Resumed() || again.ID() != "bob" || again.Epoch() <= bob.Epoch() {
		t.Errorf("resumed is %v, as %s, epoch %d after %d", again.Resumed(), again.ID(), again.Epoch(), bob.Epoch())
	}
	alice.wants("joined bob Bob again")
	bob.wants("ended")
	say(again, alice, "another offer")
	say(alice, again, "another answer")
	if err := again.Leave(ctx); err != nil {
		t.Error(err)
	}
	alice.wants("left bob leave")
	if left := alice.Peers(); len(left) != 0 {
		t.Errorf("in the room are %v", left)
	}
}

// listener is a client whose events are read one by one.
type listener struct {
	*client.Session
	t   testing.TB
	ctx context.Context
}

func listen(ctx context.Context, t testing.TB, room string, o client.Options) *listener {
	t.Helper()
	s, err := client.Join(ctx, "http://cluster.test", room, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &listener{s, t, ctx}
}

// wants fails unless the next event, apart from those about links, is this one.
func (l *listener) wants(want string) {
	l.t.Helper()
	for {
		var got string
		select {
		case e := <-l.Events():
			switch e := e.(type) {
			case client.LinkChanged, client.ICEChanged:
				continue
			case client.Joined:
				got = fmt.Sprintf("joined %s %s", e.Peer.ID, e.Peer.Name)
			case client.Left:
				got = fmt.Sprintf("left %s %s", e.Peer.ID, e.Reason)
			case client.Changed:
				got = fmt.Sprintf("changed %s %s %s", e.Peer.ID, e.Peer.Name, e.Peer.Presence)
			case client.Signal:
				got = fmt.Sprintf("signal %s %s", e.From, e.Data)
			case client.Ended:
				got = "ended"
			default:
				got = fmt.Sprintf("%T %+v", e, e)
			}
		case <-l.ctx.Done():
			got = "nothing"
		}
		if got != want {
			l.t.Fatalf("%s got %s, want %s", l.ID(), got, want)
		}
		return
	}
}

// testEveryCall makes the calls that clients do not, and checks what is answered to the letter.
func testEveryCall(t *testing.T, f *fresh) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	over := f.client()
	var answer struct {
		Session, Secret, Peer string
		Link, Received        int64
		Frames                []struct {
			N              int64
			Kind, Presence string
			Data           json.RawMessage
		}
		Error struct{ Code string }
	}
	call := func(method, path, secret, body string, want int) {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, method, "http://cluster.test/v1/rooms/room/sessions"+path, bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if secret != "" {
			req.Header.Set("Authorization", "Bearer "+secret)
		}
		res, err := over.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != want {
			t.Fatalf("%s %s is answered %s %s, error %v; want %d", method, path, res.Status, text, err, want)
		}
		answer.Frames, answer.Error.Code = nil, ""
		if len(text) > 0 {
			if err := json.Unmarshal(text, &answer); err != nil {
				t.Fatalf("%s %s is answered %s: %v", method, path, text, err)
			}
		}
	}
	frames := func(want string) {
		t.Helper()
		got := ""
		for _, frame := range answer.Frames {
			got += fmt.Sprint(frame.N, " ", frame.Kind, " ", frame.Presence, string(frame.Data), "; ")
		}
		if got != want {
			t.Errorf("got frames %s, want %s", got, want)
		}
	}
	join := func(peer string) (path, secret string) {
		t.Helper()
		body := fmt.Sprintf(`{"peer":%q,"instance":"i","attempt":"attempt-of-%s-22-characters"}`, peer, peer)
		call(http.MethodPost, "", "", body, http.StatusCreated)
		path, secret = "/"+answer.Session, answer.Secret
		call(http.MethodPost, "", "", body, http.StatusCreated) // its reply might have been lost
		if path != "/"+answer.Session || secret != answer.Secret {
			t.Errorf("a repeated join of %s made another session", peer)
		}
		return path, secret
	}
	alice, asAlice := join("alice")
	bob, asBob := join("bob")
	call(http.MethodGet, alice+"/frames", asAlice, "", http.StatusOK)
	frames("1 joined here; ")
	link := fmt.Sprint("?link=", answer.Link)
	call(http.MethodGet, bob+"/frames", "guess", "", http.StatusUnauthorized)
	call(http.MethodGet, bob+"/frames", asBob, "", http.StatusOK)
	toAlice := `{"first":1,"frames":[{"kind":"signal","to":"alice","data":"one"},{"kind":"signal","to":"alice","data":"two"}]}`
	call(http.MethodPost, bob+"/frames", asBob, toAlice, http.StatusOK)
	call(http.MethodPost, bob+"/frames", asBob, toAlice, http.StatusOK) // sent again, it is had already
	if answer.Received != 2 {
		t.Errorf("received are %d frames, want 2", answer.Received)
	}
	call(http.MethodPost, bob+"/frames", asBob, `{"first":4,"frames":[{"kind":"broadcast","data":4}]}`, http.StatusConflict) // a gap
	call(http.MethodGet, alice+"/frames"+link+"&after=1&wait=5", asAlice, "", http.StatusOK)
	frames(`2 signal "one"; 3 signal "two"; `)
	call(http.MethodGet, alice+"/frames"+link+"&after=1", asAlice, "", http.StatusOK) // the answer was lost, say
	frames(`2 signal "one"; 3 signal "two"; `)
	began := time.Now()
	call(http.MethodGet, alice+"/frames"+link+"&after=3&wait=0.5", asAlice, "", http.StatusOK)
	frames("")
	if took := time.Since(began); took < 500*time.Millisecond {
		t.Errorf("a long poll was answered after %v, with nothing", took)
	}
	call(http.MethodGet, alice+"/ice", asAlice, "", http.StatusOK)

	call(http.MethodPost, bob+"/leave", "", fmt.Sprintf(`{"secret":%q}`, asBob), http.StatusNoContent) // softly
	call(http.MethodGet, alice+"/frames"+link+"&after=3&wait=5", asAlice, "", http.StatusOK)
	frames("4 changed leaving; ")
	call(http.MethodGet, bob+"/frames", asBob, "", http.StatusOK) // it stays after all
	call(http.MethodGet, alice+"/frames"+link+"&after=4&wait=5", asAlice, "", http.StatusOK)
	frames("5 changed here; ")
	call(http.MethodDelete, bob, asBob, "", http.StatusNoContent)
	call(http.MethodDelete, bob, asBob, "", http.StatusNoContent)
	call(http.MethodGet, bob+"/frames", asBob, "", http.StatusGone)
	call(http.MethodGet, alice+"/frames"+link+"&after=5&wait=5", asAlice, "", http.StatusOK)
	frames("6 left ; ")
	if processes, requests := f.processes.Load(), f.requests.Load(); processes != requests {
		t.Errorf("%d processes answered %d requests", processes, requests)
	}
}
