package peers

import (
	"errors"
	"testing"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/signaling"
)

func TestPeersWithTheRoomsKeyAreVerified(t *testing.T) {
	s := serve(t, signaling.Config{})
	cfg := Config{Key: NewKey()}
	alice, bob := s.join("alice", cfg), s.join("bob", cfg)
	talk(alice, bob, alice.open("bob", "chat"), bob.open("alice", "chat"))
	if !alice.Peer("bob").Verified() || !bob.Peer("alice").Verified() {
		t.Error("they are not verified")
	}
}

func TestWhoDoesNotHaveTheKeyIsRefusedInWords(t *testing.T) {
	for name, c := range map[string]struct {
		key        string
		told, tell error
	}{
		"no key":      {"", ErrNoKey, ErrKeyNeeded},
		"another key": {NewKey(), ErrOtherKey, ErrOtherKey},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, signaling.Config{})
			alice, mallory := s.join("alice", Config{Key: NewKey()}), s.join("mallory", Config{Key: c.key})
			alice.until("mallory is refused", func() bool {
				return saw(alice, func(f Fault) bool { return errors.Is(f.Err, c.told) && f.Peer.ID() == "mallory" })
			})
			mallory.until("mallory is told", func() bool {
				return saw(mallory, func(f Fault) bool { return errors.Is(f.Err, c.tell) && f.Peer.ID() == "alice" })
			})
			if p := alice.Peer("mallory"); p.Verified() || p.State() != Connecting {
				t.Errorf("mallory is %s", p.State())
			}
		})
	}
}

func TestPeersWithoutProofAreLetInWhereThatIsAllowed(t *testing.T) {
	s := serve(t, signaling.Config{})
	alice, bob := s.join("alice", Config{Key: NewKey(), AllowUnverified: true}), s.join("bob", Config{})
	talk(alice, bob, alice.open("bob", "chat"), bob.open("alice", "chat"))
	if alice.Peer("bob").Verified() {
		t.Error("bob is verified")
	}
}

func TestAProofVerifiesNobodyOfWhomSomethingElseWasBelieved(t *testing.T) {
	s := serve(t, signaling.Config{})
	key := NewKey()
	alice, bob := s.join("alice", Config{Key: key, AllowUnverified: true}), s.join("bob", Config{Key: key})
	talk(alice, bob, alice.open("bob", "chat"), bob.open("alice", "chat"))
	p := alice.Peer("bob")
	if !p.Verified() {
		t.Fatal("bob is not verified")
	}
	answers := make(chan bool)
	believes := func(serial int64) bool {
		n := &note{kind: kindDescription, description: description{Type: answer}}
		alice.post(func() {
			if serial > 0 {
				alice.keyring.prove(n, p.party(), alice.self(), serial)
			}
			believed, _ := p.trusts(n)
			answers <- believed
		})
		return <-answers
	}
	if !believes(0) || p.Verified() {
		t.Error("a note without a proof is refused, or bob is verified still")
	}
	if !believes(1<<40) || p.Verified() {
		t.Error("a note with a proof is refused, or bob is verified again")
	}
}

func TestWhatTheServerDoesToADescriptionIsNoticed(t *testing.T) {
	key, err := parseKey(NewKey())
	if err != nil {
		t.Fatal(err)
	}
	k, err := newKeyring(key, "lobby")
	if err != nil {
		t.Fatal(err)
	}
	alice, bob := party{"alice", "a1"}, party{"bob", "b1"}
	for name, c := range map[string]struct {
		change   func(n *note)
		from, to party
		last     int64
		want     error
	}{
		"nothing":                 {func(*note) {}, alice, bob, 6, nil},
		"another fingerprint":     {func(n *note) { n.description.SDP += "a=fingerprint:sha-256 00" }, alice, bob, 6, ErrChanged},
		"another type":            {func(n *note) { n.description.Type = answer }, alice, bob, 6, ErrChanged},
		"another generation":      {func(n *note) { n.generation.count++ }, alice, bob, 6, ErrChanged},
		"a channel more":          {func(n *note) { n.channels = append(n.channels, "x") }, alice, bob, 6, ErrChanged},
		"from somebody else":      {func(*note) {}, party{"carol", "a1"}, bob, 6, ErrChanged},
		"from another visit":      {func(*note) {}, party{"alice", "a2"}, bob, 6, ErrChanged},
		"sent back to its sender": {func(*note) {}, bob, alice, 6, ErrChanged},
		"sent back to its sender under another id": {func(n *note) {
			k.prove(n, alice, party{"bob", "a1"}, 7)
		}, alice, party{"bob", "a1"}, 6, ErrChanged},
		"sent again":               {func(*note) {}, alice, bob, 7, ErrRepeated},
		"without its proof":        {func(n *note) { n.proof = nil }, alice, bob, 6, ErrNoKey},
		"with another key's name":  {func(n *note) { n.proof.Key = "AAAAAAAAAAA" }, alice, bob, 6, ErrOtherKey},
		"with another serial":      {func(n *note) { n.proof.Serial++ }, alice, bob, 6, ErrChanged},
		"with a mac that is none":  {func(n *note) { n.proof.MAC = "!" }, alice, bob, 6, ErrChanged},
		"with a mac cut short":     {func(n *note) { n.proof.MAC = n.proof.MAC[:10] }, alice, bob, 6, ErrChanged},
		"without a mac to be seen": {func(n *note) { n.proof.MAC = "" }, alice, bob, 6, ErrChanged},
	} {
		n := &note{kind: kindDescription, generation: generation{5, 1}, description: description{offer, "v=0\r\n"}, channels: []string{"chat"}}
		k.prove(n, alice, bob, 7)
		c.change(n)
		if got := k.check(n, c.from, c.to, c.last); !errors.Is(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestConfigNamesItsFaults(t *testing.T) {
	many := map[string]ChannelOptions{}
	for range 101 {
		many[NewKey()] = ChannelOptions{}
	}
	for name, c := range map[string]Config{
		"too many channels":        {Channels: many},
		"a name that is too long":  {Channels: map[string]ChannelOptions{string(make([]byte, 129)): {}}},
		"a negative MaxMessage":    {MaxMessage: -1},
		"AllowUnverified and none": {AllowUnverified: true},
		"a bad key":                {Key: "secret"},
		"an Instance with a key":   {Key: NewKey(), Client: client.Options{Instance: "i1"}},
	} {
		if room, err := Join(t.Context(), "http://127.0.0.1:1", "lobby", c); err == nil {
			room.Close()
			t.Errorf("%s: is taken", name)
		}
	}
	if _, err := Join(t.Context(), "127.0.0.1", "lobby", Config{Client: client.Options{}}); err == nil {
		t.Error("a server without a scheme is taken")
	}
}

func TestAServerCannotEndAConnection(t *testing.T) {
	s := serve(t, generous)
	m := s.meddled(t)
	m.set(func(note map[string]any) []map[string]any {
		if note["generation"] == nil {
			return []map[string]any{note}
		}
		return []map[string]any{note, {"kind": kindRenew, "generation": note["generation"]}}
	})
	cfg := Config{Key: NewKey()}
	alice, bob := s.join("alice", cfg), m.join("bob", cfg) // who came later begins connections
	ac, bc := alice.open("bob", "chat"), bob.open("alice", "chat")
	bob.until("the server is found out", func() bool {
		return saw(bob, func(f Fault) bool { return errors.Is(f.Err, ErrNoKey) })
	})
	talk(alice, bob, ac, bc)
	if g := bob.generation(bob.Peer("alice")); g.count != 1 {
		t.Errorf("%d connections were begun", g.count)
	}
}
