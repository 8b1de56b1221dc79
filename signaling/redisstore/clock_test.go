package redisstore

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/internal/redistest"
	"github.com/parley-rtc/parley/signaling/store"
)

// A node whose clock says that it is the year 2000, and stands still, serves a room together with one whose clock is right. In make clocks-cluster
// whole nodes do.
func TestClocksOfNodesDoNotMatter(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	right := openAs(t, server.URL(), "clocks")
	short := rules()
	short.Lease, short.Left = 2*time.Second, time.Second
	alice := right.enter(t, "room", "alice", rules())
	synctest.Test(t, func(t *testing.T) {
		if year := time.Now().Year(); year != 2000 {
			t.Fatalf("it is %d", year)
		}
		wrong := openAs(t, server.URL(), "clocks")
		bob := wrong.enter(t, "room", "bob", rules())
		if bob.Epoch <= alice.Epoch || bob.Epoch-alice.Epoch > 60_000 {
			t.Errorf("epochs are %d and %d", alice.Epoch, bob.Epoch)
		}
		for n := range int64(2) {
			if _, err := alice.at(wrong).send(2*n+1, "bob", fmt.Sprint(2*n+1)); err != nil {
				t.Fatal(err)
			}
			if _, err := alice.send(2*n+2, "bob", fmt.Sprint(2*n+2)); err != nil {
				t.Fatal(err)
			}
		}
		if got := fmt.Sprint(bob.texts(0)); got != "[1 2 3 4]" {
			t.Errorf("bob has %s", got)
		}
		if err := bob.renew(); err != nil {
			t.Error(err)
		}
		if result, err := bob.at(right).Exchange(context.Background(), bob.ref, store.Exchange{}); err != nil || result.Quiet < 0 || result.Quiet > patience {
			t.Errorf("its lease was renewed %v ago, error %v", result.Quiet, err)
		}
		// What the node with the wrong clock joins and then leaves alone ends in its time, not years later or earlier.
		wrong.enter(t, "short", "carol", short)
		if got := presences(t, right, "short"); got != "carol:here " {
			t.Errorf("at once there is %s", got)
		}
	})
	if got := presences(t, right, "room"); got != "alice:here bob:here " {
		t.Errorf("in the room are %s", got)
	}
	began := time.Now()
	await(t, "an end of who does not renew", func() bool { return presences(t, right, "short") == "" })
	if took := time.Since(began); took < time.Second {
		t.Errorf("it ended after %v", took)
	}
}
