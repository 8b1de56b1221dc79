package storetest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/parley-rtc/parley/signaling/store"
)

// slowly has a session join as peer that may send the cost of so many signals of a byte at once, and as many in so many seconds.
func (f *fixture) slowly(peer string, signals, seconds int) session {
	f.Helper()
	req := f.request("attempt of "+peer, peer)
	req.Rules.Burst = signals * (store.Overhead + 1)
	req.Rules.Rate = max(req.Rules.Burst/seconds, 1)
	s, err := f.try(req)
	f.is(err, nil)
	s.fence = f.attach(s, -1).Fence
	return s
}

// from returns a join request from an address.
func (f *fixture) from(attempt, address string) store.JoinRequest {
	req := f.request(attempt, "")
	req.Address = address
	return req
}

var limitCases = []Case{
	{"one address has so many sessions in a room and no more", with(func(f *fixture) {
		var first session
		for n := range Rules.PerAddress {
			s, err := f.try(f.from(fmt.Sprint(n), "192.0.2.1"))
			f.is(err, nil)
			first = s
		}
		_, err := f.try(f.from("one too many", "192.0.2.1"))
		f.is(err, store.ErrTooMany)
		_, err = f.try(f.from("of another", "192.0.2.2"))
		f.is(err, nil)
		_, err = f.Join(context.Background(), "another room", f.from("elsewhere", "192.0.2.1"))
		f.is(err, nil)
		_, _, err = f.Leave(context.Background(), first.ref, false)
		f.is(err, nil)
		_, err = f.try(f.from("instead", "192.0.2.1"))
		f.is(err, nil)
	})},
	{"a repeated join and a resume count for nothing at an address", with(func(f *fixture) {
		var last session
		var req store.JoinRequest
		for n := range Rules.PerAddress {
			req = f.from(fmt.Sprint(n), "192.0.2.1")
			s, err := f.try(req)
			f.is(err, nil)
			last = s
		}
		_, err := f.try(req)
		f.is(err, nil)
		again := f.from("again", "192.0.2.1")
		again.Resuming, again.Resume = true, last.ref.SecretHash
		s, err := f.try(again)
		f.is(err, nil)
		f.equal("peer id", s.Peer, last.Peer)
	})},
	{"sessions of unknown addresses are not counted", with(func(f *fixture) {
		for n := range Rules.PerAddress + 1 {
			_, err := f.try(f.from(fmt.Sprint(n), ""))
			f.is(err, nil)
		}
	})},
	{"what is over the rate is not taken, and may be when it was waited for", with(func(f *fixture) {
		bob := f.linked("bob")
		alice := f.slowly("alice", 2, 1)
		var frames []store.Sent
		for n := range int64(4) {
			frames = append(frames, signal(n+1, bob, fmt.Sprint(n)))
		}
		result := f.exchange(alice, store.Exchange{Frames: frames})
		f.equal("received", result.Received, 2)
		f.equal("gap", result.Gap, false)
		f.equal("refused", len(result.Refused), 0)
		if result.Wait <= 0 || result.Wait > time.Second/2 {
			f.Errorf("to wait %v, want up to half a second", result.Wait)
		}
		f.equal("bob's", tell(f.read(bob, 1)), []string{"2 signal alice 0", "3 signal alice 1"})
		time.Sleep(result.Wait)
		result = f.exchange(alice, store.Exchange{Frames: frames})
		f.equal("more is received later", result.Received > 2, true)
		time.Sleep(time.Second)
		result = f.exchange(alice, store.Exchange{Frames: frames})
		f.equal("received at last", result.Received, 4)
		f.equal("to wait", result.Wait, time.Duration(0))
		f.equal("bob's, once each", len(f.read(bob, 1)), 4)
	})},
	{"frames received already cost nothing again", with(func(f *fixture) {
		bob := f.linked("bob")
		alice := f.slowly("alice", 2, 1000)
		first := signal(1, bob, "1")
		for range 5 {
			f.equal("to wait", f.send(alice, first).Wait, time.Duration(0))
		}
		f.equal("received", f.send(alice, signal(2, bob, "2")).Received, 2)
	})},
	{"a broadcast costs as much as it reaches", with(func(f *fixture) {
		f.linked("bob")
		f.linked("carol")
		alice := f.slowly("alice", 3, 1000)
		broadcast := func(n int64) store.Sent { return store.Sent{N: n, Kind: store.Broadcast, Data: []byte("1")} }
		f.equal("one to two peers", f.send(alice, broadcast(1)).Received, 1)
		result := f.send(alice, broadcast(2))
		f.equal("another", result.Received, 1)
		f.equal("has to wait", result.Wait > 0, true)
	})},
	{"a refused frame costs, too", with(func(f *fixture) {
		alice := f.slowly("alice", 2, 1000)
		for n := range int64(3) {
			f.send(alice, store.Sent{N: n + 1, Kind: store.Signal, To: "nobody", Data: []byte("1")})
		}
		f.equal("received", f.exchange(alice, store.Exchange{}).Received, 2)
	})},
	{"a frame that costs more than the burst is taken when everything before is paid for", with(func(f *fixture) {
		bob := f.linked("bob")
		alice := f.slowly("alice", 2, 1)
		big := `"` + strings.Repeat("x", 1000) + `"`
		result := f.exchange(alice, store.Exchange{Frames: []store.Sent{signal(1, bob, big), signal(2, bob, big)}})
		f.equal("received", result.Received, 1)
		f.equal("waits", result.Wait > 0 && result.Wait <= time.Second, true)
	})},
	{"who resumes has sent what the session before it had", with(func(f *fixture) {
		bob := f.linked("bob")
		alice := f.slowly("alice", 2, 1000)
		f.exchange(alice, store.Exchange{Frames: []store.Sent{signal(1, bob, "1"), signal(2, bob, "2")}})
		req := f.request("again", "alice")
		req.Resuming, req.Resume = true, alice.ref.SecretHash
		req.Rules.Burst = 2 * (store.Overhead + 1)
		req.Rules.Rate = 1
		again, err := f.try(req)
		f.is(err, nil)
		result := f.exchange(again, store.Exchange{Frames: []store.Sent{signal(1, bob, "1"), signal(2, bob, "2")}})
		f.equal("has to wait", result.Wait > 0, true)
	})},
	{"who is over the rate can leave", with(func(f *fixture) {
		bob := f.linked("bob")
		alice := f.slowly("alice", 1, 1000)
		_, err := f.Exchange(context.Background(), alice.ref, store.Exchange{Frames: []store.Sent{signal(1, bob, "1"), {N: 2, Kind: store.Leave}}})
		f.equal("goes on", err == nil, false)
		f.ended(alice, store.CodeLeft)
	})},
}
