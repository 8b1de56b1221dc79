package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/internal/wire"
)

// enemy is who attacks a program, from an address of its own on loopback, until ctx ends.
type enemy struct {
	*testing.T
	ctx  context.Context
	host string
	work sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // guarded by mu; closed at the end
}

const enemyAddress = "127.0.0.66"

// dial opens a connection that is closed when the attack is over; nil: none can be had.
func (e *enemy) dial() net.Conn {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(enemyAddress)}, Timeout: time.Second}
	conn, err := dialer.DialContext(e.ctx, "tcp", e.host)
	if err != nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conns = append(e.conns, conn)
	return conn
}

// client makes requests from the enemy's address, one connection each at a time.
func (e *enemy) client() *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			if conn := e.dial(); conn != nil {
				return conn, nil
			}
			return nil, io.ErrClosedPipe
		},
	}}
}

// call makes a request, with pairs of header names and values; 0: there was no answer.
func (e *enemy) call(client *http.Client, method, path, body string, header ...string) (int, string) {
	req, err := http.NewRequestWithContext(e.ctx, method, "http://"+e.host+path, strings.NewReader(body))
	if err != nil {
		e.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

func joinBody() string {
	return fmt.Sprintf(`{"attempt":%q,"instance":"i"}`, rand.Text())
}

// join joins a room from the enemy's address.
func (e *enemy) join(client *http.Client, room string) wire.JoinReply {
	e.Helper()
	var reply wire.JoinReply
	status, body := e.call(client, "POST", "/v1/rooms/"+room+"/sessions", joinBody())
	if status != 201 && e.ctx.Err() == nil {
		e.Fatalf("join: %d %s", status, body)
	}
	_ = json.Unmarshal([]byte(body), &reply)
	return reply
}

// upgrade asks for a session's WebSocket on a connection, and returns a reader of what follows and the answer's head.
func (e *enemy) upgrade(conn net.Conn, room string, at wire.JoinReply, query string, header ...string) (*bufio.Reader, *http.Response) {
	fmt.Fprintf(conn, "GET /v1/rooms/%s/sessions/%s/ws%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer %s\r\n%s\r\n",
		room, at.Session, query, at.Secret, strings.Join(append(header, ""), "\r\n"))
	r := bufio.NewReader(conn)
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return r, nil
	}
	return r, res
}

// masked is a client's WebSocket frame (RFC 6455 section 5.2) with a mask of zeros.
func masked(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = append(b, 0x80|126, byte(n>>8), byte(n))
	default:
		b = append(b, 0x80|127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	b = append(b, 0, 0, 0, 0)
	return append(b, payload...)
}

const textFrame = 0x81

// pause waits; false: the attack is over.
func (e *enemy) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-e.ctx.Done():
		return false
	}
}

// many runs f on so many goroutines.
func (e *enemy) many(n int, f func(i int)) {
	for i := range n {
		e.work.Go(func() { f(i) })
	}
	e.work.Wait()
}

// over ends the attack.
func (e *enemy) over() {
	e.work.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, conn := range e.conns {
		conn.Close()
	}
}

// pair is two well-behaved peers, one of which sends a signal to the other every 2 ms, for as long as the test lasts.
type pair struct {
	*testing.T
	alice, bob wire.JoinReply
	stop       chan struct{}
	work       sync.WaitGroup

	mu      sync.Mutex
	sent    map[int64]time.Time // guarded by mu; by number, not yet arrived
	delays  []time.Duration     // guarded by mu; since the last measurement
	arrived int64               // guarded by mu
}

const pairRoom = "lounge"

func newPair(t *testing.T, p *program) *pair {
	t.Helper()
	w := &pair{T: t, stop: make(chan struct{}), sent: make(map[int64]time.Time)}
	w.alice, w.bob = join(t, p.url, pairRoom), join(t, p.url, pairRoom)
	open := func(at wire.JoinReply) *websocket.Conn {
		url := fmt.Sprintf("ws%s/v1/rooms/%s/sessions/%s/ws", strings.TrimPrefix(p.url, "http"), pairRoom, at.Session)
		ws, _, err := websocket.DefaultDialer.Dial(url, http.Header{"Authorization": {"Bearer " + at.Secret}})
		if err != nil {
			t.Fatal(err)
		}
		return ws
	}
	alice, bob := open(w.alice), open(w.bob)
	w.work.Go(func() { w.send(alice) })
	for name, ws := range map[string]*websocket.Conn{"alice": alice, "bob": bob} {
		w.work.Go(func() { w.read(name, ws) })
	}
	t.Cleanup(func() {
		close(w.stop)
		alice.Close()
		bob.Close()
		w.work.Wait()
	})
	return w
}

func (w *pair) stopped() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// send is alone in writing to alice's link, so it answers for her reader, too.
func (w *pair) send(ws *websocket.Conn) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for n := int64(1); !w.stopped(); n++ {
		w.mu.Lock()
		w.sent[n] = time.Now()
		w.mu.Unlock()
		messages := []string{fmt.Sprintf(`{"kind":"signal","n":%d,"to":%q,"epoch":%d,"data":%d}`, n, w.bob.Peer, w.bob.Epoch, n)}
		if n%500 == 0 { // a second
			messages = append(messages, `{"kind":"pong"}`, fmt.Sprintf(`{"kind":"ack","n":%d}`, int64(1)<<40))
		}
		for _, m := range messages {
			if err := ws.WriteMessage(websocket.TextMessage, []byte(m)); err != nil {
				if !w.stopped() {
					w.Errorf("alice cannot send: %v", err)
				}
				return
			}
		}
		<-tick.C
	}
}

func (w *pair) read(name string, ws *websocket.Conn) {
	unacked := 0
	for {
		var f wire.Downlink
		if err := ws.ReadJSON(&f); err != nil {
			if !w.stopped() {
				w.Errorf("%s's link: %v", name, err)
			}
			return
		}
		switch {
		case f.Kind == wire.KindSignal && f.From == w.alice.Peer:
			w.arrive(f)
		case f.Kind == wire.KindRefused, f.Kind == wire.KindEnded, f.Kind == wire.KindSuperseded, f.Kind == wire.KindReceived && f.Code != "":
			w.Errorf("%s was told %+v", name, f)
		case f.Kind == wire.KindPing && name == "bob":
			_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"kind":"pong"}`))
		}
		if unacked++; name == "bob" && f.N > 0 && unacked >= 64 {
			unacked = 0
			_ = ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"kind":"ack","n":%d}`, f.N))
		}
	}
}

func (w *pair) arrive(f wire.Downlink) {
	var n int64
	_ = json.Unmarshal(f.Data, &n)
	w.mu.Lock()
	defer w.mu.Unlock()
	if n != w.arrived+1 {
		w.Errorf("signal %d came after %d", n, w.arrived)
	}
	w.arrived = n
	w.delays = append(w.delays, time.Since(w.sent[n]))
	delete(w.sent, n)
}

// measure returns the 99th percentile of how long signals took while f ran.
func (w *pair) measure(f func()) (p99 time.Duration) {
	w.mu.Lock()
	w.delays = nil
	w.mu.Unlock()
	f()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.delays) < 100 && !racing || len(w.delays) == 0 {
		w.Fatalf("only %d signals arrived", len(w.delays))
	}
	slices.Sort(w.delays)
	return w.delays[len(w.delays)*99/100]
}

// held is what the process holds: bytes live after a collection, and goroutines.
func held() (bytes int64, goroutines int) {
	runtime.GC()
	runtime.GC() // what pools keep goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()
}
