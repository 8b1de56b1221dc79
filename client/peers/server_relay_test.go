package peers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// wire is two ends of a way through the server, which is slow and may lose much. One goroutine, the test's, is the room's of both.
type wire struct {
	*testing.T
	random *rand.Rand
	calls  chan func()
	work   sync.WaitGroup
	loss   float64
	ends   [2]*wireEnd
}

type wireEnd struct {
	*serverRelay
	wire    *wire
	name    string
	other   *wireEnd
	pipe    *pipe
	in      reassembly // of the connection
	log     []string
	arrives time.Time // when the last note does
	stalled bool      // what comes is not read

	mu  sync.Mutex
	got []string // guarded by mu
}

func newWire(t *testing.T, seed uint64) *wire {
	w := &wire{T: t, random: rand.New(rand.NewPCG(seed, seed)), calls: make(chan func(), 1<<16)}
	for i, name := range []string{"alice", "bob"} {
		w.ends[i] = &wireEnd{wire: w, name: name, in: reassembly{limit: 1 << 20}}
	}
	w.ends[0].other, w.ends[1].other = w.ends[1], w.ends[0]
	for _, e := range w.ends {
		e.forget()
	}
	return w
}

// forget has an end know nothing any more.
func (e *wireEnd) forget() {
	if e.serverRelay != nil {
		e.close()
		e.pipe.finish(ErrLost)
	}
	key, _ := parseKey("AAECAwQFBgcICQoLDA0ODw")
	k, err := newKeyring(key, "garden")
	if err != nil {
		e.wire.Fatal(err)
	}
	self, peer := party{e.name, e.name}, party{e.other.name, e.other.name}
	var r *serverRelay
	r = &serverRelay{
		near: []string{"text"}, maxMessage: 1 << 20,
		after: e.wire.after, canSignal: func() bool { return true },
		say: func(nonce, echo string) {
			e.carry(&note{kind: kindRelay, nonce: nonce, echo: echo, webrtc: true, channels: []string{"text"}})
		},
		send: e.carry,
		seals: func(own, other string) (*seal, *seal) {
			in, _ := k.sealing(peer, self, other, own)
			out, _ := k.sealing(self, peer, own, other)
			return in, out
		},
		start:   func(work func()) { e.wire.work.Go(work) },
		post:    func(do func()) bool { e.wire.calls <- do; return true },
		target:  func(string) *pipe { return e.pipe },
		dropped: func(err error) { e.log = append(e.log, "dropped "+err.Error()) },
		moved:   func(lossy bool) { e.log = append(e.log, fmt.Sprint("moved ", lossy)) },
		opened: func(answered bool) {
			e.log = append(e.log, fmt.Sprint("opened ", answered))
			if e.pipe != nil {
				e.pipe.finish(ErrLost)
			}
			r.use(func(name string) *pipe {
				e.pipe = newPipe(nil, name, ChannelOptions{}, 1<<20)
				return e.pipe
			})
			if !e.stalled {
				e.wire.work.Go(func() { e.read(e.pipe.current()) })
			}
		},
	}
	e.serverRelay = r
}

func (w *wire) after(delay time.Duration, call func()) func() {
	cancelled := false
	timer := time.AfterFunc(delay, func() {
		w.calls <- func() {
			if !cancelled {
				call()
			}
		}
	})
	return func() {
		cancelled = true
		timer.Stop()
	}
}

// pass lets time pass, and does what is due.
func (w *wire) pass(d time.Duration) {
	over := time.After(d)
	for {
		select {
		case call := <-w.calls:
			call()
		case <-over:
			return
		}
	}
}

// end ends everything.
func (w *wire) end() {
	for _, e := range w.ends {
		e.close()
		if e.pipe != nil {
			e.pipe.finish(ErrClosed)
		}
	}
	w.work.Wait()
}

// carry carries a note to the other side, in order, or loses it.
func (e *wireEnd) carry(n *note) {
	if n.kind == kindRelayed && e.wire.random.Float64() < e.wire.loss {
		return
	}
	text, err := n.MarshalJSON()
	if err != nil {
		e.wire.Fatal(err)
	}
	if now := time.Now(); e.arrives.Before(now) {
		e.arrives = now
	}
	e.arrives = e.arrives.Add(time.Duration(e.wire.random.Int64N(int64(20 * time.Millisecond))))
	e.wire.after(time.Until(e.arrives), func() {
		n, err := parseNote(text)
		if err != nil {
			e.wire.Fatalf("%s: %v", text, err)
		}
		if n.kind == kindRelay {
			e.other.receive(n, true)
		} else {
			e.other.piece(n)
		}
	})
}

func (e *wireEnd) read(c *Channel) {
	for {
		message, err := c.ReadMessage(context.Background())
		if err != nil {
			return
		}
		e.mu.Lock()
		e.got = append(e.got, strings.TrimRight(string(message), "\x00"))
		e.mu.Unlock()
	}
}

func (e *wireEnd) texts() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.got)
}

// wireConnection is a connection, which is quicker than the server.
type wireConnection struct{ to *wireEnd }

func (c wireConnection) Send(chunk []byte) error {
	message, _, err := c.to.in.take(slices.Clone(chunk))
	if message != nil {
		c.to.pipe.deliver(message, nil)
	}
	return err
}
func (wireConnection) BufferedAmount() uint64               { return 0 }
func (wireConnection) SetBufferedAmountLowThreshold(uint64) {}
func (wireConnection) OnBufferedAmountLow(func())           {}

func (e *wireEnd) connect() {
	if e.used {
		e.moveTo(map[string]carrier{"text": wireConnection{e.other}})
	}
}

// write writes what there is room for.
func (e *wireEnd) write(text string, size int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Microsecond)
	defer cancel()
	return e.pipe.current().WriteMessage(ctx, append([]byte(text), make([]byte, max(0, size-len(text)))...))
}

func TestThroughTheServer(t *testing.T) {
	for name, test := range map[string]func(w *wire, alice, bob *wireEnd){
		"two that wish at once have one way": func(w *wire, alice, bob *wireEnd) {
			bob.wishIn(0)
			w.pass(time.Second)
			for _, e := range w.ends {
				if len(e.log) != 1 {
					w.Errorf("%s: %q", e.name, e.log)
				}
				w.says(e, "hello")
			}
			w.pass(time.Second)
			w.heard(alice, "hello")
			w.heard(bob, "hello")
		},
		"an opening that comes again changes nothing": func(w *wire, alice, bob *wireEnd) {
			w.pass(time.Second)
			bob.receive(&note{kind: kindRelay, nonce: bob.stream.other, webrtc: true, channels: []string{"text"}}, true)
			w.says(alice, "hello")
			w.pass(time.Second)
			w.heard(bob, "hello")
			if len(alice.log) != 1 || len(bob.log) != 1 {
				w.Errorf("%q, %q", alice.log, bob.log)
			}
		},
		"one whose stream the other side does not know any more opens another": func(w *wire, alice, bob *wireEnd) {
			w.pass(time.Second)
			bob.forget()
			w.says(alice, "lost")
			old := alice.pipe.current()
			w.pass(time.Minute)
			if err := old.WriteMessage(w.Context(), nil); !errors.Is(err, ErrLost) {
				w.Errorf("the channel of before says %v", err)
			}
			w.says(alice, "kept")
			w.pass(time.Second)
			w.heard(bob, "kept")
		},
		"a move waits for no acknowledgement for ever, and says that something may be lost": func(w *wire, alice, bob *wireEnd) {
			w.pass(time.Second)
			bob.close()
			w.says(alice, "lost")
			w.pass(100 * time.Millisecond)
			alice.connect()
			w.pass(9 * time.Second)
			if alice.log[len(alice.log)-1] != "opened true" {
				w.Errorf("%q", alice.log)
			}
			w.pass(2 * time.Second)
			if alice.log[len(alice.log)-1] != "moved true" || alice.used {
				w.Errorf("%q", alice.log)
			}
		},
		"a server that refuses pieces for a minute costs nothing but time": func(w *wire, alice, bob *wireEnd) {
			w.pass(time.Second)
			w.loss = 1
			var sent []string
			for i := range 100 {
				sent = append(sent, fmt.Sprint("message ", i))
				w.says(alice, sent[i])
			}
			for range 60 {
				alice.resend(time.Second)
				w.pass(time.Second)
			}
			w.loss = 0
			w.pass(5 * time.Second)
			w.heard(bob, sent...)
			if len(alice.log) != 1 {
				w.Errorf("%q", alice.log)
			}
		},
		"more than a mebibyte does not wait, but for one message": func(w *wire, alice, bob *wireEnd) {
			w.pass(time.Second)
			taken := 0
			for alice.write("", 100_000) == nil {
				taken++
			}
			if taken != 10 || alice.pipe.buffered() > highWater {
				w.Errorf("%d are taken, %d bytes wait", taken, alice.pipe.buffered())
			}
			w.pass(20 * time.Second)
			if err := alice.write("", 1<<20); err != nil || alice.write("", 0) == nil {
				w.Errorf("one of a mebibyte: %v; and another is taken", err)
			}
			w.pass(20 * time.Second)
			if n := alice.pipe.buffered(); n != 0 || len(bob.texts()) != 11 {
				w.Errorf("%d bytes wait, %d arrived", n, len(bob.texts()))
			}
		},
		"a reader that stalls for minutes holds the writer, and loses nothing": func(w *wire, alice, bob *wireEnd) {
			bob.stalled = true
			w.pass(time.Second)
			var sent []string
			for i := 0; alice.write(fmt.Sprint(i), 10_000) == nil; i++ {
				sent = append(sent, fmt.Sprint(i))
				w.pass(100 * time.Millisecond)
			}
			if len(sent) < 100 || len(sent) > 200 {
				w.Errorf("%d messages are held", len(sent))
			}
			w.pass(5 * time.Minute)
			if len(alice.log) != 1 {
				w.Errorf("%q", alice.log)
			}
			w.work.Go(func() { bob.read(bob.pipe.current()) })
			w.pass(time.Minute)
			w.heard(bob, sent...)
		},
		"numbers that were had, or come early, or are sealed by nobody are dropped": func(w *wire, alice, bob *wireEnd) {
			w.pass(time.Second)
			var pieces []*note
			send := alice.stream.send
			alice.stream.send = func(n *note) { pieces = append(pieces, n); send(n) }
			w.says(alice, "one")
			w.says(alice, "two")
			w.pass(time.Second)
			first, second := *pieces[0], *pieces[1]
			first.number, second.number = 3, 4
			forged := "AABldmls"
			for _, n := range []*note{
				pieces[0], pieces[1], &second, &first,
				{kind: kindRelayed, stream: first.stream, number: 3, data: &forged},
				{kind: kindRelayed, stream: first.stream, number: 1, ack: &forged},
				{kind: kindRelayed, stream: newNonce(), number: 3, data: &forged},
			} {
				bob.piece(n)
			}
			w.says(alice, "three")
			w.pass(time.Second)
			w.heard(bob, "one", "two", "three")
			if got := fmt.Sprint(bob.log); strings.Count(got, ErrChanged.Error()) != 3 || len(bob.log) != 4 {
				w.Errorf("%q", bob.log)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, 1)
				defer w.end()
				w.ends[0].wishIn(0)
				test(w, w.ends[0], w.ends[1])
			})
		})
	}
}

func (w *wire) says(e *wireEnd, text string) {
	w.Helper()
	w.pass(time.Millisecond) // in which what was written before is taken
	if err := e.write(text, 0); err != nil {
		w.Errorf("%s says %q: %v", e.name, text, err)
	}
}

func (w *wire) heard(e *wireEnd, want ...string) {
	w.Helper()
	if got := e.texts(); !slices.Equal(got, want) {
		w.Errorf("%s heard %.100q (%d), want %.100q (%d)", e.name, got, len(got), want, len(want))
	}
}

func TestMessagesMoveToAConnectionWithoutLossDoubleOrDisorder(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, seed)
				defer w.end()
				w.ends[seed%2].wishIn(0)
				w.pass(time.Second)
				if seed%3 == 0 {
					w.loss = 0.05
				}
				sent := map[*wireEnd][]string{}
				say := func(count int) {
					for _, e := range w.ends {
						for range count {
							text, size := fmt.Sprint(len(sent[e])), 0
							if w.random.IntN(10) == 0 {
								size = 40_000
							}
							if e.write(text, size) == nil {
								sent[e] = append(sent[e], text)
							}
						}
					}
				}
				some := func(most time.Duration) { w.pass(time.Duration(w.random.Int64N(int64(most)))) }
				say(8)
				some(100 * time.Millisecond)
				for _, e := range w.ends {
					e.connect()
				}
				say(5)
				some(40 * time.Millisecond)
				if w.random.IntN(2) == 0 {
					for _, e := range w.ends {
						e.stay()
					}
				}
				say(5)
				some(200 * time.Millisecond)
				for _, e := range w.ends {
					e.connect()
				}
				say(3)
				w.pass(9 * time.Second)
				for _, e := range w.ends {
					w.heard(e.other, sent[e]...)
					if got := e.log[1:]; !slices.Equal(got, []string{"moved false"}) {
						t.Errorf("%s: %q", e.name, e.log)
					}
					if n := e.pipe.buffered(); n != 0 {
						t.Errorf("%d bytes wait", n)
					}
				}
			})
		})
	}
}
