package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

// attack is something that hostile clients do. It ends when the enemy's context does, and says what is wrong with
// the answers it got.
type attack struct {
	name    string
	run     func(e *enemy)
	counted bool // it ends when it has done so much
}

var attacks = []attack{
	{"half-open WebSockets", halfOpen, false},
	{"a compression bomb", compressionBomb, false},
	{"every wrong kind of frame", wrongFrames, false},
	{"a flood of what comes to nothing", floodOfNothing, false},
	{"a reader that never reads", neverReads, false},
	{"a sender that floods one peer", floodsOne, false},
	{"a cross-site page", crossSite, false},
	{"a forged X-Forwarded-For", forgedAddress, false},
	{"100,000 joins from one address", manyJoins, true},
}

// The suite starts the program as it is by default, has a pair exchange signals at a steady rate, and compares how
// long those take with and without each attack. What it measures is printed. Enemies, in processes of their own, and the
// measured share this machine's processors, so that a few milliseconds more are no fault. Nothing may be refused to the pair, lost or out of order.
func TestHostileClients(t *testing.T) {
	const (
		span  = 2 * time.Second
		tries = 4
		floor = 25 * time.Millisecond // below it nobody notices
	)
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	p := start(t, nil, "--no-relay", "--log-level", "error")
	host := strings.TrimPrefix(p.url, "http://")
	bytesBefore, goroutinesBefore := held()
	t.Run("attacks", func(t *testing.T) {
		pair := newPair(t, p)
		pair.measure(func() { time.Sleep(span / 2) }) // warm
		slow := beginSlowLoris(t, host)
		for _, a := range attacks {
			t.Run(a.name, func(t *testing.T) {
				var said []string
				for range tries {
					calm := pair.measure(func() { time.Sleep(span) })
					attacked := pair.measure(func() { unleash(t, a.name, host, span) })
					said = append(said, fmt.Sprintf("p99 %v, attacked %v", calm.Round(time.Microsecond), attacked.Round(time.Microsecond)))
					if attacked <= calm*11/10 || attacked <= floor || racing { // the race detector makes attacks ten times as dear
						t.Log(said)
						return
					}
				}
				t.Errorf("others suffer: %v", said)
			})
		}
		slow.check(t)
	})
	http.DefaultClient.CloseIdleConnections()
	deadline := time.Now().Add(20 * time.Second)
	for {
		b, g := held()
		if b-bytesBefore < 16<<20 && g-goroutinesBefore < 20 {
			t.Logf("memory %+d KiB, goroutines %+d afterwards", (b-bytesBefore)>>10, g-goroutinesBefore)
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("memory %+d KiB, goroutines %+d afterwards: they do not come back", (b-bytesBefore)>>10, g-goroutinesBefore)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// unleash runs an attack in a process of its own, which gives way to the server, for at least so long.
func unleash(t *testing.T, name, host string, span time.Duration) {
	t.Helper()
	began := time.Now()
	cmd := exec.CommandContext(t.Context(), "nice", "-n", "15", os.Args[0], "-test.run=^TestEnemy$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), "PARLEY_TEST_ATTACK="+name, "PARLEY_TEST_HOST="+host, "PARLEY_TEST_SPAN="+span.String())
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, said)
	}
	for line := range strings.Lines(string(said)) {
		if strings.Contains(line, "joins in") {
			t.Log(strings.TrimSpace(line))
		}
	}
	time.Sleep(time.Until(began.Add(span)))
}

// TestEnemy is the process of an attack; it is started by TestHostileClients.
func TestEnemy(t *testing.T) {
	name := os.Getenv("PARLEY_TEST_ATTACK")
	if name == "" {
		t.Skip("nobody attacks")
	}
	span, err := time.ParseDuration(os.Getenv("PARLEY_TEST_SPAN"))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attacks {
		if a.name != name {
			continue
		}
		if a.counted {
			span = time.Minute // it comes to its end by itself
		}
		ctx, cancel := context.WithTimeout(t.Context(), span)
		defer cancel()
		e := &enemy{T: t, ctx: ctx, host: os.Getenv("PARLEY_TEST_HOST")}
		a.run(e)
		cancel()
		e.over()
		http.DefaultClient.CloseIdleConnections()
	}
}

// halfOpen begins WebSockets and does not go on with them: without a request's end, without an answer to a refusal,
// as many probes of one session as it gets, and frames that break off.
func halfOpen(e *enemy) {
	client := e.client()
	at := e.join(client, "half-open")
	var probes, refused atomic.Int64
	e.many(100, func(i int) {
		conn := e.dial()
		if conn == nil {
			return
		}
		switch i % 4 {
		case 0:
			io.WriteString(conn, "GET /v1/rooms/half-open/sessions/x/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n")
		case 1:
			e.upgrade(conn, "half-open", wire.JoinReply{Session: "none", Secret: "none"}, "")
		default:
			r, res := e.upgrade(conn, "half-open", at, "?probe=1")
			if res == nil {
				return
			}
			first := make([]byte, 64)
			n, _ := io.ReadAtLeast(r, first, 40)
			if bytes.Contains(first[:n], []byte("hello")) {
				probes.Add(1)
				conn.Write(masked(textFrame, strings.Repeat("x", 1000))[:500])
			} else {
				refused.Add(1)
			}
		}
		<-e.ctx.Done()
	})
	if probes.Load() > 8 || refused.Load() == 0 {
		e.Errorf("%d probes of one session are open and %d were refused, want at most 8", probes.Load(), refused.Load())
	}
}

// makeBomb is 16 MiB of nothing, compressed.
var makeBomb = sync.OnceValue(func() string {
	var bomb bytes.Buffer
	w, err := flate.NewWriter(&bomb, flate.BestSpeed)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(make([]byte, 16<<20))
	_ = w.Close()
	return bomb.String()
})

// compressionBomb offers what would make little much: a WebSocket extension, and a content encoding.
func compressionBomb(e *enemy) {
	bomb := makeBomb()
	client := e.client()
	at := e.join(client, "bomb")
	for e.ctx.Err() == nil {
		conn := e.dial()
		if conn == nil {
			continue
		}
		r, res := e.upgrade(conn, "bomb", at, "", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
		if res == nil || res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Extensions") != "" {
			if e.ctx.Err() == nil {
				e.Errorf("the handshake is answered by %+v", res)
			}
			return
		}
		conn.Write(masked(textFrame|0x40, bomb)) // RSV1: compressed
		if code := closeCode(r); code != 1002 && e.ctx.Err() == nil {
			e.Errorf("a compressed message closes with %d, want 1002", code)
			return
		}
		status, body := e.call(client, "POST", "/v1/rooms/bomb/sessions/"+at.Session+"/frames", bomb,
			"Content-Encoding", "deflate", "Authorization", "Bearer "+at.Secret)
		if status != 400 && status != 0 {
			e.Errorf("a compressed body is answered by %d %s", status, body)
		}
		e.pause(20 * time.Millisecond)
	}
}

// closeCode reads to the close frame of a WebSocket, and returns its code; 0: there was none.
func closeCode(r *bufio.Reader) int {
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(r, head); err != nil {
			return 0
		}
		n := int(head[1])
		if n == 126 {
			long := make([]byte, 2)
			if _, err := io.ReadFull(r, long); err != nil {
				return 0
			}
			n = int(long[0])<<8 | int(long[1])
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(r, payload); err != nil {
			return 0
		}
		if head[0] == 0x88 && n >= 2 {
			return int(payload[0])<<8 | int(payload[1])
		}
	}
}

// wrong are messages, each in a connection of its own, and the close codes that they may earn; none: the link lives.
var wrong = []struct {
	name  string
	bytes []byte
	codes []int
}{
	{"not masked", []byte("\x81\x02{}"), []int{1002}},
	{"a reserved bit", masked(textFrame|0x20, "{}"), []int{1002}},
	{"a reserved opcode", masked(0x83, "{}"), []int{1002}},
	{"a continuation of nothing", masked(0x80, "{}"), []int{1002}},
	{"a message in a message", append(masked(0x01, "{"), masked(0x01, "}")...), []int{1002}},
	{"a control frame in parts", masked(0x09, "x"), []int{1002}},
	{"a control frame too long", masked(0x89, strings.Repeat("x", 126)), []int{1002}},
	{"a length past all", []byte("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"), []int{0, 1002, 1009, 4009}},
	{"a length that is not sent", []byte("\x81\xff\x00\x00\x00\x00\x7f\xff\xff\xff\x00\x00\x00\x00{}"), []int{0, 4009}},
	{"a frame over the limit", masked(textFrame, `{"kind":"`+strings.Repeat("x", 70_000)+`"}`), []int{4009}},
	{"binary, often", bytes.Repeat(masked(0x82, "{}"), 20), []int{4000}},
	{"not UTF-8, often", bytes.Repeat(masked(textFrame, "{\"kind\":\"\xff\"}"), 20), []int{4000}},
	{"not JSON, often", bytes.Repeat(masked(textFrame, "]["), 20), []int{4000}},
	{"deeply nested, often", bytes.Repeat(masked(textFrame, `{"kind":`+strings.Repeat("[", 20_000)), 20), []int{4000}},
	{"an unknown kind, often", bytes.Repeat(masked(textFrame, `{"kind":"nonsense"}`), 20), []int{4000}},
	{"frames from the far future", bytes.Repeat(masked(textFrame, `{"kind":"broadcast","n":9007199254740991,"data":1}`), 20), nil},
	{"frames with negative numbers, often", bytes.Repeat(masked(textFrame, `{"kind":"broadcast","n":-1,"data":1}`), 20), []int{4000}},
	{"an acknowledgement of what was never sent", masked(textFrame, `{"kind":"ack","n":9007199254740991}`), nil},
	{"the use of a link of nobody", masked(textFrame, `{"kind":"use","link":9007199254740991,"after":0}`), nil},
	{"empty parts", bytes.Repeat(append(masked(0x01, ""), masked(0x80, "")...), 20), []int{4000}},
	{"a broadcast of nonsense to nobody", masked(textFrame, `{"kind":"signal","n":1,"to":"nobody","epoch":1,"data":{"`+strings.Repeat("x", 60_000)+`":1}}`), nil},
}

func wrongFrames(e *enemy) {
	client := e.client()
	at := e.join(client, "wrong")
	for e.ctx.Err() == nil {
		for _, w := range wrong {
			conn := e.dial()
			if conn == nil || e.ctx.Err() != nil {
				return
			}
			r, res := e.upgrade(conn, "wrong", at, "")
			if res == nil {
				continue
			}
			conn.Write(w.bytes)
			if w.codes == nil {
				conn.Write(append(masked(0x89, "still there"), masked(0x88, "\x0f\xa0")...))
				if code := closeCode(r); code != 4000 && e.ctx.Err() == nil { // as it was closed
					e.Errorf("%s: closed with %d, want the link to live", w.name, code)
				}
				conn.Close()
				continue
			}
			if w.codes[0] == 0 {
				_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // the rest of it is waited for
			}
			code, fits := closeCode(r), false
			for _, want := range w.codes {
				fits = fits || code == want
			}
			if !fits && e.ctx.Err() == nil {
				e.Errorf("%s: closed with %d, want one of %v", w.name, code, w.codes)
			}
			conn.Close()
		}
	}
}

// floodOfNothing sends what needs no answer, or the same answer again and again, as fast as it is read.
func floodOfNothing(e *enemy) {
	client := e.client()
	messages := []string{`{"kind":"pong"}`, `{"kind":"ping"}`, `{"kind":"ack","n":0}`, `{"kind":"broadcast","n":7,"data":1}`}
	e.many(len(messages), func(i int) {
		at := e.join(client, "nothing")
		flood := bytes.Repeat(masked(textFrame, messages[i]), 100)
		for e.ctx.Err() == nil {
			conn := e.dial()
			if conn == nil {
				return
			}
			if r, res := e.upgrade(conn, "nothing", at, ""); res != nil && i != 1 {
				e.work.Go(func() { _, _ = io.Copy(io.Discard, r) })
			}
			_ = conn.SetDeadline(time.Now().Add(4 * time.Second))
			for e.ctx.Err() == nil {
				if _, err := conn.Write(flood); err != nil {
					break
				}
			}
			conn.Close()
			e.pause(50 * time.Millisecond)
		}
	})
}
