package tokens

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// edToken is a token whose key has this id and is always the same.
func edToken(id string) string { return token(head("EdDSA", id), good(nil), edKey()) }

func edSet(ids ...string) string {
	var keys []members
	for _, id := range ids {
		keys = append(keys, jwk(edKey().Public(), id, nil))
	}
	return keySetOf(keys...)
}

// expect fails the test unless Verify says want of the token with that key id.
func (f *fixture) expect(t *testing.T, id string, want error) {
	t.Helper()
	if _, err := f.verify(t, edToken(id)); !errors.Is(err, want) {
		t.Errorf("key %s: %v, want %v", id, err, want)
	}
}

func TestKeysRotateByThemselves(t *testing.T) {
	i := newIssuer(t, edSet("a"))
	f := newFixture(t, Config{JWKSURL: i.URL})
	if d := f.clock.landed(t); d != RefreshEvery {
		t.Fatalf("after the first fetch the next is in %v, want %v", d, RefreshEvery)
	}
	f.expect(t, "a", nil)

	i.give(edSet("b", "c"))
	f.clock.advance(RefreshEvery - 1)
	f.expect(t, "a", nil)
	f.clock.advance(1)
	f.clock.landed(t)
	f.clock.set(start)
	f.expect(t, "a", ErrUnknownKey)
	f.expect(t, "b", nil)
	f.expect(t, "c", nil)
	if n := i.requests.Load(); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestAnUnknownKeyIsFetchedAtOnce(t *testing.T) {
	i := newIssuer(t, edSet("a"))
	f := newFixture(t, Config{JWKSURL: i.URL})
	f.clock.landed(t)
	i.give(edSet("a", "b"))
	f.clock.advance(FetchEvery)
	f.expect(t, "b", nil)
	f.expect(t, "a", nil)
	if n := i.requests.Load(); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestManyUnknownKeysFetchOnceIn30Seconds(t *testing.T) {
	i := newIssuer(t, edSet("a"))
	f := newFixture(t, Config{JWKSURL: i.URL})
	f.clock.landed(t)
	for second := range 120 {
		var ended sync.WaitGroup
		for n := range 20 {
			ended.Go(func() { f.expect(t, fmt.Sprintf("unknown-%d-%d", second, n), ErrUnknownKey) })
		}
		ended.Wait()
		f.expect(t, "a", nil)
		f.clock.advance(time.Second)
	}
	// The first was at 0 s, and unknown keys make it 30, 60 and 90 s.
	if n := i.requests.Load(); n != 4 {
		t.Errorf("%d requests in 120 s, want 4", n)
	}
}

func TestUnknownKeysWaitForOneFetch(t *testing.T) {
	i := newIssuer(t, edSet("a"))
	f := newFixture(t, Config{JWKSURL: i.URL})
	f.clock.landed(t)
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	i.do(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		fmt.Fprint(w, edSet("a", "b"))
	})
	f.clock.advance(FetchEvery)

	var ended sync.WaitGroup
	for range 50 {
		ended.Go(func() { f.expect(t, "b", nil) })
	}
	<-arrived
	f.expect(t, "a", nil) // a known key does not wait
	ended.Go(func() { f.expect(t, "c", ErrUnknownKey) })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Verify(gone, edToken("b")); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that does not wait is told %v, want ErrUnavailable and why", err)
	}
	close(release)
	ended.Wait()
	if n := i.requests.Load(); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestTheFirstTokenWaitsForTheKeys(t *testing.T) {
	i := newIssuer(t, "")
	release := make(chan struct{})
	i.do(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		fmt.Fprint(w, edSet("a"))
	})
	f := newFixture(t, Config{JWKSURL: i.URL})
	var ended sync.WaitGroup
	for range 10 {
		ended.Go(func() { f.expect(t, "a", nil) })
	}
	close(release)
	ended.Wait()
	if n := i.requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestADeadServerIsTriedLessAndLess(t *testing.T) {
	i := newIssuer(t, "")
	i.Close() // nobody listens now
	f := newFixture(t, Config{JWKSURL: i.URL})
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		got := f.clock.landed(t)
		if got != want*time.Second {
			t.Fatalf("the next fetch is in %v, want %v", got, want*time.Second)
		}
		f.expect(t, "a", ErrUnavailable)
		f.clock.advance(got)
	}
}

func TestKeysAreKeptForADay(t *testing.T) {
	i := newIssuer(t, edSet("a"))
	f := newFixture(t, Config{JWKSURL: i.URL})
	f.clock.landed(t)
	i.do(failures["the server fails"])
	lasting := token(head("EdDSA", "a"), good(members{"exp": start.Add(100 * time.Hour).Unix()}), edKey())
	f.clock.advance(KeepKeys)
	f.clock.landed(t)
	if _, err := f.verify(t, lasting); err != nil {
		t.Errorf("after %v: %v, want the key kept", KeepKeys, err)
	}
	f.clock.advance(1)
	if _, err := f.verify(t, lasting); !errors.Is(err, ErrUnavailable) {
		t.Errorf("after more: %v, want ErrUnavailable", err)
	}
	i.give(edSet("a"))
	f.clock.advance(firstRetry)
	f.clock.landed(t)
	if _, err := f.verify(t, lasting); err != nil {
		t.Errorf("after a fetch: %v", err)
	}
}

func TestCloseEndsAFetch(t *testing.T) {
	i := newIssuer(t, "")
	arrived := make(chan struct{})
	i.do(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	f := newFixture(t, Config{JWKSURL: i.URL})
	<-arrived
	var ended sync.WaitGroup
	ended.Go(func() { f.expect(t, "a", ErrUnavailable) })
	before := time.Now()
	f.Close()
	ended.Wait()
	if took := time.Since(before); took > FetchTimeout/2 {
		t.Errorf("Close took %v", took)
	}
	f.expect(t, "a", ErrUnavailable)
	if f.log.Len() > 0 {
		t.Errorf("log = %s, want nothing", f.log)
	}
}

func TestKeysStayAfterClose(t *testing.T) {
	i := newIssuer(t, edSet("a"))
	f := newFixture(t, Config{JWKSURL: i.URL})
	f.clock.landed(t)
	f.Close()
	f.clock.advance(FetchEvery)
	f.expect(t, "a", nil)
	f.expect(t, "b", ErrUnknownKey)
	if n := i.requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}
