package peers

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/parley-rtc/parley/signaling"
)

// walled returns an API without any path while open is not set.
func walled(open *atomic.Bool) *webrtc.API {
	return onLoopback(func(s *webrtc.SettingEngine) {
		s.SetInterfaceFilter(func(name string) bool { return name == "lo" && open.Load() })
	})
}

// hasty is how much less is waited for where nothing depends on it.
const hasty = 5

// noPath is an API of peers that never have a path.
func noPath() *webrtc.API { return walled(new(atomic.Bool)) }

func TestWithoutAPathMessagesGoThroughTheServer(t *testing.T) {
	key := NewKey()
	for name, c := range map[string]struct {
		alice, bob Config
		verified   bool
	}{
		"sealed, with a key":      {Config{Key: key}, Config{Key: key}, true},
		"in clear, without one":   {Config{}, Config{}, false},
		"where one alone has one": {Config{Key: key, AllowUnverified: true}, Config{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			s := serve(t, generous)
			m := s.meddled(t)
			c.alice.API, c.bob.API, c.alice.haste, c.bob.haste = noPath(), noPath(), hasty, hasty
			alice, bob := s.join("alice", c.alice), m.join("bob", c.bob)
			ac, bc := alice.open("bob", "chat"), bob.open("alice", "chat")
			done := make(chan []string)
			for _, side := range []struct {
				*member
				in, out *Channel
			}{{alice, ac, ac}, {bob, bc, bc}} {
				go func() {
					var got []string
					for range 200 {
						got = append(got, string(side.read(side.in)))
					}
					done <- got
				}()
			}
			var want []string
			for i := range 200 {
				want = append(want, fmt.Sprint("secret ", i))
				alice.write(ac, []byte(want[i]))
				bob.write(bc, []byte(want[i]))
			}
			for range 2 {
				if got := <-done; !slices.Equal(got, want) {
					t.Errorf("got %q", got)
				}
			}
			large := bytes.Repeat([]byte("large"), 60_000)
			alice.write(ac, large)
			if got := bob.read(bc); !bytes.Equal(got, large) {
				t.Errorf("%d bytes arrived", len(got))
			}
			for _, p := range []*Peer{alice.Peer("bob"), bob.Peer("alice")} {
				if p.Path().Kind != Server || p.Verified() != c.verified || p.State() != Connected {
					t.Errorf("%s is %s by %+v, verified %t", p, p.State(), p.Path(), p.Verified())
				}
			}
			alice.until("all is known to have arrived", func() bool { return ac.Buffered() == 0 })
			plain := base64.RawURLEncoding.EncodeToString([]byte{0, 0, 's', 'e', 'c', 'r', 'e', 't'})[:8]
			if notes := m.notes(); strings.Contains(notes, plain) == c.verified || !strings.Contains(notes, kindRelayed) {
				t.Errorf("whether the server can read it: %t", !c.verified)
			}
			if saw(alice, func(Fault) bool { return true }) || saw(bob, func(Fault) bool { return true }) {
				t.Errorf("faults: %s %s", alice.log(), bob.log())
			}
		})
	}
}

func TestWhoHasNoKeyGetsNothingThroughTheServer(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := serve(t, generous)
	alice, mallory := s.join("alice", Config{Key: NewKey(), API: noPath(), haste: hasty}), s.join("mallory", Config{API: noPath(), haste: hasty})
	alice.until("mallory is refused", func() bool {
		return saw(alice, func(f Fault) bool { return errors.Is(f.Err, ErrNoKey) })
	})
	mallory.until("mallory is told", func() bool {
		return saw(mallory, func(f Fault) bool { return errors.Is(f.Err, ErrKeyNeeded) })
	})
	leads := mallory.open("alice", "chat") // who has no key grants what it is asked for, and that leads nowhere
	mallory.write(leads, []byte("let me in"))
	alice.until("alice wishes in vain", func() bool { return alice.wishes("mallory") > 1 })
	if p := alice.Peer("mallory"); p.State() != Connecting || p.Verified() || leads.Buffered() == 0 {
		t.Errorf("mallory is %s, %d bytes did not arrive", p.State(), leads.Buffered())
	}
}

// wishes returns how often this side wished for a way through the server since there was one.
func (m *member) wishes(id string) (n int) {
	done := make(chan struct{})
	if m.post(func() { n = m.peers[id].relay.wishes; close(done) }) {
		<-done
	}
	return n
}

func TestWhatAServerDoesToTheWayThroughItIsFoundOut(t *testing.T) {
	key := NewKey()
	only := func(kind string, change func(note map[string]any)) func(map[string]any) []map[string]any {
		return func(note map[string]any) []map[string]any {
			note = maps.Clone(note)
			if note["kind"] == kind {
				change(note)
			}
			return []map[string]any{note}
		}
	}
	sealed := func(change func(note map[string]any, data string)) func(map[string]any) []map[string]any {
		return only(kindRelayed, func(note map[string]any) {
			if data, is := note["data"].(string); is {
				change(note, data)
			}
		})
	}
	for name, c := range map[string]struct {
		meddle func(note map[string]any) []map[string]any
		want   error
	}{
		"changes a nonce": {only(kindRelay, func(note map[string]any) { note["nonce"] = newNonce() }), ErrChanged},
		"repeats an opening": {func(note map[string]any) []map[string]any {
			if note["kind"] == kindRelay {
				return []map[string]any{note, note}
			}
			return []map[string]any{note}
		}, ErrRepeated},
		"takes the proof away":     {only(kindRelay, func(note map[string]any) { delete(note, "proof") }), ErrNoKey},
		"says that WebRTC is none": {only(kindRelay, func(note map[string]any) { note["webrtc"] = false }), ErrChanged},
		"changes sealed bytes":     {sealed(func(note map[string]any, data string) { note["data"] = data[:len(data)-4] + "AAAA" }), ErrChanged},
		"swaps data and acks": {only(kindRelayed, func(note map[string]any) {
			note["n"] = 1
			if note["data"] != nil {
				note["ack"] = note["data"]
				delete(note, "data")
			}
		}), ErrChanged},
		"sends bytes that nobody sealed": {sealed(func(note map[string]any, _ string) { note["data"] = "AABldmls" }), ErrChanged},
		"renews what is no good": {func(note map[string]any) []map[string]any {
			return []map[string]any{note, {"kind": kindRenew, "generation": []int64{maxWhole, maxWhole}}}
		}, ErrNoKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			s := serve(t, generous)
			m := s.meddled(t)
			alice := s.join("alice", Config{Key: key, API: noPath(), haste: hasty})
			m.set(c.meddle)
			bob := m.join("bob", Config{Key: key, API: noPath(), haste: hasty})
			stop := make(chan struct{})
			wrote := make(chan struct{})
			go func() { // whenever there is a way
				defer close(wrote)
				for !isClosed(stop) {
					ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
					if p := alice.Peer("bob"); p != nil {
						if channel, err := p.Open(ctx, "chat"); err == nil {
							_ = channel.WriteMessage(ctx, []byte("there"))
						}
					}
					cancel()
					time.Sleep(20 * time.Millisecond) // not to fill it up
				}
			}()
			bob.until("the server is found out", func() bool {
				return saw(bob, func(f Fault) bool { return errors.Is(f.Err, c.want) && f.Peer.ID() == "alice" })
			})
			m.set(nil)
			bob.until("it is told of once", func() bool { // and they talk again
				channel := bob.open("alice", "chat")
				_ = channel.SetReadDeadline(time.Now().Add(time.Second))
				message, err := channel.ReadMessage(t.Context())
				if err == nil && string(message) != "there" {
					t.Fatalf("%q came", message)
				}
				return err == nil
			})
			close(stop)
			<-wrote
			n := 0
			saw(bob, func(f Fault) bool { n++; return false })
			if n != 1 {
				t.Errorf("%d faults: %s", n, bob.log())
			}
		})
	}
}

func TestPiecesThatAServerRepeatsSwapsOrDropsChangeNothing(t *testing.T) {
	t.Parallel() // it waits most of the time
	key := NewKey()
	s := serve(t, generous)
	m := s.meddled(t)
	alice, bob := s.join("alice", Config{Key: key, API: noPath(), haste: hasty}), m.join("bob", Config{Key: key, API: noPath(), haste: hasty})
	ac, bc := alice.open("bob", "chat"), bob.open("alice", "chat")
	var late []map[string]any
	seen := 0
	m.set(func(note map[string]any) []map[string]any {
		if note["kind"] != kindRelayed || note["ack"] != nil {
			return []map[string]any{note}
		}
		switch seen++; {
		case seen == 5: // one is lost
			return nil
		case seen%7 == 0:
			return []map[string]any{note, note}
		case seen%11 == 0:
			late = append(late, note)
			return nil
		}
		now := append([]map[string]any{note}, late...)
		late = nil
		return now
	})
	for i := range 40 {
		alice.write(ac, fmt.Append(nil, i))
	}
	for i := range 40 {
		if got := string(bob.read(bc)); got != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, got)
		}
	}
	if saw(bob, func(Fault) bool { return true }) {
		t.Error(bob.log())
	}
}

func TestMessagesMoveToAConnectionAsSoonAsThereIsOne(t *testing.T) {
	t.Parallel() // it waits most of the time
	var open atomic.Bool
	s := serve(t, generous)
	cfg := Config{Key: NewKey(), API: walled(&open)}
	alice, bob := s.join("alice", cfg), s.join("bob", cfg)
	ac, bc := alice.open("bob", "chat"), bob.open("alice", "chat")
	talk(alice, bob, ac, bc)
	if alice.Peer("bob").Path().Kind != Server {
		t.Fatalf("the path is %+v", alice.Peer("bob").Path())
	}
	open.Store(true)
	for _, m := range []*member{alice, bob} { // else it would be a quarter of a minute later
		m.post(func() {
			for _, p := range m.peers {
				if p.offers() {
					p.renew()
				}
			}
		})
	}
	moved := func(m *member, id string) func() bool {
		return func() bool { return m.Peer(id).Path().Kind == Direct }
	}
	next := 0
	say := func() {
		alice.write(ac, fmt.Append(nil, next))
		if got := string(bob.read(bc)); got != fmt.Sprint(next) {
			t.Fatalf("message %d is %q", next, got)
		}
		next++
	}
	alice.until("messages move", func() bool { say(); return moved(alice, "bob")() })
	bob.until("messages move", func() bool { say(); return moved(bob, "alice")() })
	talk(alice, bob, ac, bc)
	for _, c := range []*Channel{ac, bc} {
		if isClosed(c.Done()) {
			t.Error("a channel has ended")
		}
	}
}

func TestWhenThePathIsCutMessagesGoThroughTheServer(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := serve(t, generous)
	var cut atomic.Bool
	cfg := Config{Key: NewKey()}
	alice := s.join("alice", cfg)
	cfg.API = cuttable(t, &cut)
	bob := s.join("bob", cfg)
	ac, bc := alice.open("bob", "chat"), bob.open("alice", "chat")
	talk(alice, bob, ac, bc)
	cut.Store(true)
	if _, err := ac.ReadMessage(t.Context()); !errors.Is(err, ErrLost) {
		t.Errorf("the channel of the connection says %v", err)
	}
	alice.until("messages go through the server", func() bool { return alice.Peer("bob").Path().Kind == Server })
	talk(alice, bob, alice.open("bob", "chat"), bob.open("alice", "chat"))
	cut.Store(false)
	ac, bc = alice.open("bob", "chat"), bob.open("alice", "chat")
	alice.until("there is a path again", func() bool { return alice.Peer("bob").Path().Kind == Direct })
	bob.until("there is a path again", func() bool { return bob.Peer("alice").Path().Kind == Direct })
	talk(alice, bob, ac, bc)
}

func TestAfterTheServerWasKilledTheWayThroughItOpensAgain(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := serve(t, generous)
	cfg := Config{Key: NewKey(), API: noPath(), haste: hasty}
	alice, bob := s.join("alice", cfg), s.join("bob", cfg)
	ac, bc := alice.open("bob", "chat"), bob.open("alice", "chat")
	talk(alice, bob, ac, bc)
	s.kill()
	alice.until("the loss is seen", func() bool { p := alice.Peer("bob"); return p == nil || p.State() == Reconnecting })
	s.start(generous)
	bob.until("they talk again", func() bool {
		p, q := alice.Peer("bob"), bob.Peer("alice")
		return p != nil && q != nil && p.State() == Connected && q.State() == Connected && alice.says(bob) && bob.says(alice)
	})
}

func TestWhereMessagesAreNotToGoThroughTheServerTheyDoNot(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := serve(t, signaling.Config{})
	alice, bob := s.join("alice", Config{API: noPath(), haste: hasty}), s.join("bob", Config{API: noPath(), haste: hasty, NoServerRelay: true})
	alice.until("alice wishes twice", func() bool { p := alice.Peer("bob"); return p != nil && alice.wishes("bob") > 1 })
	for _, p := range []*Peer{alice.Peer("bob"), bob.Peer("alice")} {
		if p.State() != Connecting || p.Path().Kind != "" {
			t.Errorf("%s is %s by %+v", p, p.State(), p.Path())
		}
	}
}
