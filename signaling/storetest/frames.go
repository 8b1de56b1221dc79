package storetest

import (
	"context"
	"fmt"
	"strings"

	"github.com/parley-rtc/parley/signaling/store"
)

var frameCases = []Case{
	{"a signal reaches its recipient, stamped with who sent it", with(func(f *fixture) {
		alice, bob, other := f.linked("alice"), f.linked("bob"), f.linked("other")
		result := f.send(alice, signal(1, bob, `{"sdp":1}`))
		f.equal("received", result.Received, 1)
		f.equal("refused", len(result.Refused), 0)
		frames := f.read(bob, 1) // after other's joined
		f.equal("bob's", tell(frames), []string{`2 signal alice {"sdp":1}`})
		f.equal("epoch", frames[0].Epoch, alice.Epoch)
		f.equal("other's", tell(f.read(other, 0)), []string{})
	})},
	{"a signal without an epoch goes to whichever session has the id", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.linked("bob")
		f.send(alice, store.Sent{N: 1, Kind: store.Signal, To: "bob", Data: []byte("1")})
		f.equal("bob's", tell(f.read(bob, 0)), []string{"1 signal alice 1"})
	})},
	{"a broadcast reaches everybody else", with(func(f *fixture) {
		alice, bob, carol := f.linked("alice"), f.linked("bob"), f.linked("carol")
		f.send(alice, store.Sent{N: 1, Kind: store.Broadcast, Data: []byte(`"hi"`)})
		f.equal("alice's", tell(f.read(alice, 0)), []string{"1 joined bob", "2 joined carol"})
		f.equal("bob's", tell(f.read(bob, 0)), []string{"1 joined carol", `2 signal alice "hi"`})
		frames := f.read(carol, 0)
		f.equal("carol's", tell(frames), []string{`1 signal alice "hi"`})
		f.equal("marked as one", frames[0].Broadcast, true)
	})},
	{"a change is told, and is in the roster", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.linked("bob")
		name := "Ada"
		f.send(alice, store.Sent{N: 1, Kind: store.Change, Name: &name, Meta: []byte(`{"a":1}`)})
		f.send(alice, store.Sent{N: 2, Kind: store.Change, Meta: []byte(`null`)})
		f.equal("bob's", tell(f.read(bob, 0)), []string{`1 changed alice name=Adameta={"a":1}`, "2 changed alice meta=null"})
		peers := f.attach(bob, 2).Peers
		f.equal("name", peers[0].Name, "Ada")
		f.equal("meta", peers[0].Meta == nil, true)
	})},
	{"a leave ends the session, and is told", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.linked("bob")
		_, err := f.Exchange(context.Background(), alice.ref, store.Exchange{Frames: []store.Sent{{N: 1, Kind: store.Leave}}})
		if err == nil {
			f.Error("the exchange goes on after the end")
		}
		f.ended(alice, store.CodeLeft)
		f.equal("bob's", tell(f.read(bob, 0)), []string{"1 left alice leave"})
	})},
	{"a frame received already is skipped", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.linked("bob")
		first, second := signal(1, bob, "1"), signal(2, bob, "2")
		f.send(alice, first)
		result := f.exchange(alice, store.Exchange{Frames: []store.Sent{first, second}})
		f.equal("received", result.Received, 2)
		f.equal("gap", result.Gap, false)
		f.send(alice, second)
		f.equal("bob's", tell(f.read(bob, 0)), []string{"1 signal alice 1", "2 signal alice 2"})
	})},
	{"behind a gap nothing is taken", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.linked("bob")
		result := f.exchange(alice, store.Exchange{Frames: []store.Sent{signal(1, bob, "1"), signal(3, bob, "3"), signal(4, bob, "4")}})
		f.equal("received", result.Received, 1)
		f.equal("gap", result.Gap, true)
		f.equal("bob's", tell(f.read(bob, 0)), []string{"1 signal alice 1"})
	})},
	{"a refused frame is consumed", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.linked("bob")
		stale := signal(2, bob, "2")
		stale.Epoch--
		result := f.exchange(alice, store.Exchange{Frames: []store.Sent{
			{N: 1, Kind: store.Signal, To: "nobody", Data: []byte("1")},
			stale,
			{N: 3, Kind: store.Invalid, Refusal: store.Refusal{Code: "bad_frame", Message: "why"}},
			signal(4, bob, "4"),
		}})
		f.equal("received", result.Received, 4)
		f.equal("refused", result.Refused, []store.Refusal{
			{N: 1, To: "nobody", Code: store.CodeNoPeer},
			{N: 2, To: "bob", Code: store.CodeStaleEpoch},
			{N: 3, Code: "bad_frame", Message: "why"},
		})
		f.equal("alice's, whatever link she has", tell(f.read(alice, 1)), []string{
			"2 refused 1 nobody no_peer", "3 refused 2 bob stale_epoch", "4 refused 3  bad_frame",
		})
		f.equal("bob's", tell(f.read(bob, 0)), []string{"1 signal alice 4"})
	})},
	{"frames stay until they are acknowledged", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.linked("bob")
		for n := range int64(3) {
			f.send(alice, signal(n+1, bob, fmt.Sprint(n+1)))
		}
		f.equal("read", len(f.read(bob, 0)), 3)
		f.equal("read again", len(f.read(bob, 0)), 3)
		result := f.exchange(bob, store.Exchange{Ack: 2, After: 2, Max: 1 << 20, Fence: bob.fence})
		f.equal("after an acknowledgement", tell(result.Frames), []string{"3 signal alice 3"})
		f.equal("tail", result.Tail, 3)
		f.exchange(bob, store.Exchange{Ack: 1})
		result = f.exchange(bob, store.Exchange{After: 1, Max: 1 << 20, Fence: bob.fence})
		f.equal("what is acknowledged is not read again", tell(result.Frames), []string{"3 signal alice 3"})
		_, err := f.Exchange(context.Background(), bob.ref, store.Exchange{After: 4, Max: 1, Fence: bob.fence})
		f.is(err, store.ErrHistoryLost)
	})},
	{"a read has a limit, and one frame at least", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.linked("bob")
		for n := range int64(4) {
			f.send(alice, signal(n+1, bob, `"`+strings.Repeat("x", 500)+`"`))
		}
		result := f.exchange(bob, store.Exchange{Max: 1, Fence: bob.fence})
		f.equal("with the least limit", len(result.Frames), 1)
		f.equal("tail", result.Tail, 4)
		result = f.exchange(bob, store.Exchange{After: 1, Max: 1500, Fence: bob.fence})
		f.equal("with a limit of two", len(result.Frames), 2)
		f.equal("with none", len(f.exchange(bob, store.Exchange{After: 1, Fence: bob.fence}).Frames), 0)
	})},
	{"one sender cannot fill a mailbox", with(func(f *fixture) {
		alice, bob, carol := f.linked("alice"), f.linked("bob"), f.linked("carol")
		share := Rules.MailboxFrames / 4
		for n := range share {
			f.equal("refused", f.send(alice, signal(int64(n+1), bob, "1")).Refused, []store.Refusal{})
		}
		result := f.send(alice, signal(int64(share+1), bob, "1"))
		f.equal("refused past a quarter", result.Refused, []store.Refusal{{N: int64(share + 1), To: "bob", Code: store.CodeBusy}})
		f.equal("another sender", f.send(carol, signal(1, bob, "2")).Refused, []store.Refusal{})
		f.exchange(bob, store.Exchange{Ack: 3})
		f.equal("after an acknowledgement", f.send(alice, signal(int64(share+2), bob, "3")).Refused, []store.Refusal{})
	})},
	{"bytes fill a mailbox, too", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.linked("bob")
		big := `"` + strings.Repeat("x", Rules.MailboxBytes/4-500) + `"`
		f.equal("refused", f.send(alice, signal(1, bob, big)).Refused, []store.Refusal{})
		f.equal("refused", f.send(alice, signal(2, bob, big)).Refused, []store.Refusal{{N: 2, To: "bob", Code: store.CodeBusy}})
	})},
	{"all senders together leave a quarter of a mailbox free", with(func(f *fixture) {
		bob := f.linked("bob")
		share, taken := Rules.MailboxFrames/4, 0
		for _, peer := range []string{"a", "b", "c"} {
			sender := f.linked(peer)
			for n := range share {
				taken += 1 - len(f.send(sender, signal(int64(n+1), bob, "1")).Refused)
			}
		}
		f.equal("frames taken, beside three of the roster", taken, Rules.MailboxFrames*3/4-3)
	})},
	{"a peer cannot fill a mailbox with changes either", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.linked("bob")
		refused := 0
		for n := range int64(Rules.MailboxFrames) / 2 {
			name := fmt.Sprint(n)
			refused += len(f.send(alice, store.Sent{N: n + 1, Kind: store.Change, Name: &name}).Refused)
		}
		f.equal("refused", refused, Rules.MailboxFrames/4)
		f.equal("name, as it was told", f.attach(bob, -1).Peers[0].Name, fmt.Sprint(Rules.MailboxFrames/4-1))
	})},
	{"who has no place for the roster is ended as slow, and that is told", with(func(f *fixture) {
		alice, bob := f.linked("alice"), f.linked("bob")
		for n := range Rules.MailboxFrames/2 + 1 { // each comes and goes
			s, err := f.try(f.request(fmt.Sprint(n), ""))
			f.is(err, nil)
			_, _, err = f.Leave(context.Background(), s.ref, false)
			f.is(err, nil)
			f.exchange(alice, store.Exchange{Ack: 1 << 40})
		}
		f.ended(bob, store.CodeSlow)
		f.equal("roster", f.peers(), []string{"alice:here"})
	})},
	{"what a session may not do is refused", with(func(f *fixture) {
		bob := f.linked("bob")
		req := f.request("muted", "muted")
		req.Deny = store.Deny{Signal: true, Broadcast: true, Rename: true}
		muted, err := f.try(req)
		f.is(err, nil)
		name := "another"
		result := f.exchange(muted, store.Exchange{Frames: []store.Sent{
			signal(1, bob, "1"),
			{N: 2, Kind: store.Broadcast, Data: []byte("1")},
			{N: 3, Kind: store.Change, Name: &name},
			{N: 4, Kind: store.Change, Meta: []byte("1")},
		}})
		f.equal("refused", result.Refused, []store.Refusal{
			{N: 1, To: "bob", Code: store.CodeForbidden}, {N: 2, Code: store.CodeForbidden}, {N: 3, Code: store.CodeForbidden},
		})
		f.equal("bob's", tell(f.read(bob, 0)), []string{"1 joined muted", "2 changed muted meta=1"})
	})},
	{"the server's own frames arrive once per key", with(func(f *fixture) {
		ctx := context.Background()
		alice, bob := f.linked("alice"), f.linked("bob")
		for range 2 {
			_, err := f.Post(ctx, room, "key", "bob", []byte(`"hello"`))
			f.is(err, nil)
		}
		_, err := f.Post(ctx, room, "other", "", []byte(`"all"`))
		f.is(err, nil)
		_, err = f.Post(ctx, room, "third", "nobody", []byte(`1`))
		f.is(err, store.ErrNoPeer)
		_, err = f.Post(ctx, "no such room", "fourth", "bob", []byte(`1`))
		f.is(err, store.ErrNoPeer)
		f.equal("bob's", tell(f.read(bob, 0)), []string{`1 signal  "hello"`, `2 signal  "all"`})
		f.equal("alice's", tell(f.read(alice, 1)), []string{`2 signal  "all"`})
	})},
}
