package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

// sendAll sends a peer as much as is taken, over a WebSocket, until the attack is over. It does not wait when it is over the rate.
func (e *enemy) sendAll(from wire.JoinReply, to wire.Peer, data string) {
	conn := e.dial()
	if conn == nil {
		return
	}
	r, res := e.upgrade(conn, pairRoom, from, "")
	if res == nil {
		return
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	defer context.AfterFunc(e.ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	var received atomic.Int64 // of the last frame that says so
	e.work.Go(func() {
		text := make([]byte, 4096)
		for {
			n, err := r.Read(text)
			if err != nil {
				return
			}
			var at int64
			if _, after, found := strings.Cut(string(text[:n]), `{"kind":"received","n":`); found {
				if _, err := fmt.Sscanf(after, "%d", &at); err == nil {
					received.Store(max(received.Load(), at))
				}
			}
		}
	})
	for e.ctx.Err() == nil {
		first := received.Load() + 1
		for n := first; n < first+64; n++ {
			frame := fmt.Sprintf(`{"kind":"signal","n":%d,"to":%q,"epoch":%d,"data":%q}`, n, to.Peer, to.Epoch, data)
			if _, err := conn.Write(masked(textFrame, frame)); err != nil {
				if e.ctx.Err() == nil {
					e.Errorf("the link broke: %v", err)
				}
				break
			}
		}
		e.pause(5 * time.Millisecond)
	}
	if received.Load() < 64 && !racing {
		e.Errorf("only %d frames were received: it was no flood", received.Load())
	}
}

func (e *enemy) leaves(all ...wire.JoinReply) {
	for _, at := range all {
		req, err := http.NewRequest("DELETE", "http://"+e.host+"/v1/rooms/"+pairRoom+"/sessions/"+at.Session, nil)
		if err != nil {
			e.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+at.Secret)
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
		}
	}
}

// neverReads joins the others' room and opens a link that it never reads, while somebody sends it all that is taken.
func neverReads(e *enemy) {
	client := e.client()
	deaf, loud := e.join(client, pairRoom), e.join(client, pairRoom)
	if conn := e.dial(); conn != nil {
		e.upgrade(conn, pairRoom, deaf, "")
	}
	e.sendAll(loud, wire.Peer{Peer: deaf.Peer, Epoch: deaf.Epoch}, strings.Repeat("x", 30_000))
	e.leaves(deaf, loud)
}

// floodsOne sends one of the others all that is taken.
func floodsOne(e *enemy) {
	loud := e.join(e.client(), pairRoom)
	if len(loud.Peers) != 2 {
		e.Fatalf("there are %d others, want alice and bob", len(loud.Peers))
	}
	e.sendAll(loud, loud.Peers[1], strings.Repeat("x", 2000))
	e.leaves(loud)
}

// crossSite is a page of another site that tries everything.
func crossSite(e *enemy) {
	client := e.client()
	at := e.join(client, "site")
	path := "/v1/rooms/site/sessions/" + at.Session
	header := []string{"Origin", "https://evil.example", "Authorization", "Bearer " + at.Secret}
	for {
		for _, c := range []struct {
			method, path, body string
			header             []string
		}{
			{"POST", "/v1/rooms/site/sessions", joinBody(), nil},
			{"POST", path + "/frames", `{}`, nil},
			{"POST", path + "/leave", `{"secret":"` + at.Secret + `"}`, []string{"Content-Type", "text/plain"}},
			{"GET", path + "/frames", "", nil},
			{"GET", path + "/events", "", nil},
			{"GET", path + "/ice", "", nil},
			{"DELETE", path, "", nil},
			{"GET", path + "/ws", "", []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="}},
			{"OPTIONS", "/v1/rooms/site/sessions", "", []string{"Access-Control-Request-Method", "POST"}},
		} {
			status, body := e.call(client, c.method, c.path, c.body, append(c.header, header...)...)
			if status != 403 && status != 0 {
				e.Fatalf("%s %s is answered by %d %s", c.method, c.path, status, body)
			}
		}
		if !e.pause(5 * time.Millisecond) {
			return
		}
	}
}

// forgedAddress claims to be somebody else with every join, in a room that one address fills.
func forgedAddress(e *enemy) {
	client := e.client()
	admitted := 0
	for n := 0; e.ctx.Err() == nil; n++ {
		status, _ := e.call(client, "POST", "/v1/rooms/forged/sessions", joinBody(),
			"X-Forwarded-For", fmt.Sprintf("203.0.113.%d, 127.0.0.1", n%256), "X-Real-IP", "203.0.113.1", "Forwarded", "for=203.0.113.1")
		if status == 201 {
			admitted++
		}
		e.pause(5 * time.Millisecond)
	}
	if admitted > 16 {
		e.Errorf("%d sessions of one address are in a room, want at most 16", admitted)
	}
}

// manyJoins asks 100,000 times to join, over a few connections, without waiting for the answers of each.
func manyJoins(e *enemy) {
	const joins, conns, batch = 100_000, 4, 5
	var admitted, refused, named atomic.Int64
	began := time.Now()
	e.many(conns, func(i int) {
		conn := e.dial()
		if conn == nil {
			return
		}
		_ = conn.SetDeadline(began.Add(60 * time.Second))
		r := bufio.NewReader(conn)
		for done := 0; done < joins/conns; done += batch {
			var requests strings.Builder
			for range batch {
				body := joinBody()
				fmt.Fprintf(&requests, "POST /v1/rooms/many/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			}
			if _, err := io.WriteString(conn, requests.String()); err != nil {
				e.Errorf("after %d joins: %v", done, err)
				return
			}
			for range batch {
				res, err := http.ReadResponse(r, nil)
				if err != nil {
					e.Errorf("after %d joins: %v", done, err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				switch res.StatusCode {
				case http.StatusCreated:
					admitted.Add(1)
				case http.StatusTooManyRequests:
					refused.Add(1)
					if res.Header.Get("Retry-After") != "" {
						named.Add(1)
					}
				default:
					e.Errorf("a join is answered by %s", res.Status)
				}
			}
			// As much as an enemy can who shares two processors with those it disturbs.
			time.Sleep(time.Until(began.Add(time.Duration(done*conns+i*batch) * 14 * time.Second / joins)))
		}
	})
	took := time.Since(began)
	e.Logf("%d joins in %v: %d admitted, %d refused, %d of them told when to come again", joins, took.Round(time.Millisecond), admitted.Load(), refused.Load(), named.Load())
	if most := 256 + int64(33*took.Seconds()); admitted.Load() > most || admitted.Load()+refused.Load() != joins {
		e.Errorf("%d of %d are admitted, want at most %d", admitted.Load(), admitted.Load()+refused.Load(), most)
	}
}

// slowLoris is connections on which requests come a byte at a time.
type slowLoris struct {
	began           time.Time
	headers, bodies []net.Conn
}

func beginSlowLoris(t *testing.T, host string) *slowLoris {
	s := &slowLoris{began: time.Now()}
	stop, done := make(chan struct{}), make(chan struct{})
	for n := range 400 {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(enemyAddress)}}
		conn, err := dialer.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		if n%2 == 0 {
			s.headers = append(s.headers, conn)
			_, _ = io.WriteString(conn, "POST /v1/rooms/slow/sessions HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		} else {
			s.bodies = append(s.bodies, conn)
			// Of a session that does not exist: the joins of an address are refused before their bodies are read.
			_, _ = io.WriteString(conn, "POST /v1/rooms/slow/sessions/x/frames HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
		}
	}
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(300 * time.Millisecond):
			}
			for _, conn := range append(s.headers, s.bodies...) {
				_, _ = conn.Write([]byte("x"))
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
		for _, conn := range append(s.headers, s.bodies...) {
			conn.Close()
		}
	})
	return s
}

// check fails unless the server has closed all of them in its time: 10 s for headers, 30 s for a whole request.
func (s *slowLoris) check(t *testing.T) {
	closed := func(conns []net.Conn, limit time.Duration) (n int) {
		for _, conn := range conns {
			_ = conn.SetReadDeadline(time.Now().Add(max(time.Second, time.Until(s.began.Add(limit+10*time.Second)))))
			if _, err := io.Copy(io.Discard, conn); err == nil || !strings.Contains(err.Error(), "timeout") {
				n++
			}
		}
		return n
	}
	if got := closed(s.headers, 10*time.Second); got != len(s.headers) {
		t.Errorf("%d of %d connections with slow headers were closed", got, len(s.headers))
	}
	if got := closed(s.bodies, 30*time.Second); got != len(s.bodies) {
		t.Errorf("%d of %d connections with slow bodies were closed", got, len(s.bodies))
	}
}
