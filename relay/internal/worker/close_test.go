package worker

import (
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/relay/internal/policy"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

// reluctant is a listener whose first Close takes until it is let go.
type reluctant struct {
	net.Listener
	again atomic.Bool
	asked chan struct{} // closed when Close was called
	let   chan struct{}
}

func (r *reluctant) Close() error {
	if r.again.Swap(true) {
		return nil
	}
	close(r.asked)
	err := r.Listener.Close()
	<-r.let
	return err
}

func TestWhoeverClosesACrewFindsItClosed(t *testing.T) {
	localhost := netip.MustParseAddr("127.0.0.1")
	rules, err := policy.New(policy.Rules{Relayed: []netip.Addr{localhost}})
	if err != nil {
		t.Fatal(err)
	}
	crew, err := New(Settings{
		Engine: turn.Config{
			Shared: turn.NewShared(turn.Limits{}), Policy: rules, Relayed: rules.Own,
			Account: func(string, time.Time) turn.Account { return turn.Account{} },
		},
		Relays:  [2]Address{{Bind: localhost, Public: localhost}},
		MinPort: 20000, MaxPort: 29999, Connections: 100,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := &reluctant{Listener: plain, asked: make(chan struct{}), let: make(chan struct{})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = crew.ServeStreams(listener, false)
	}()
	for conn := net.Conn(nil); conn == nil; { // so that it is served
		if conn, err = net.Dial("tcp4", plain.Addr().String()); err == nil {
			_ = conn.Close()
		}
	}
	for serving := 0; serving == 0; time.Sleep(time.Millisecond) {
		for _, w := range crew.workers {
			w.mu.Lock()
			serving += len(w.serving)
			w.mu.Unlock()
		}
	}
	first, second := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(first)
		_ = crew.Close()
	}()
	<-listener.asked
	go func() {
		defer close(second)
		_ = crew.Close()
	}()
	<-served // nothing is served any more, and the first one is not done
	select {
	case <-second:
		t.Error("the second Close returns before the first")
	case <-time.After(100 * time.Millisecond):
	}
	close(listener.let)
	<-first
	<-second
}
