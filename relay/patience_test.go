package relay

import (
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"
)

// pipe serves one end of a connection and returns the other, with what is closed when serving has ended.
func pipe(t *testing.T, server *Server) (net.Conn, chan struct{}) {
	t.Helper()
	ours, theirs := net.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.ServeConn(theirs)
	}()
	t.Cleanup(func() { _ = ours.Close(); <-ended })
	return ours, ended
}

// soon fails the test unless serving ends after so long.
func soon(t *testing.T, ended chan struct{}, least, most time.Duration) {
	t.Helper()
	began := time.Now()
	<-ended
	if took := time.Since(began); took < least || took > most {
		t.Errorf("it took %v, want %v to %v", took, least, most)
	}
}

func TestAConnectionHasTenSecondsToAuthenticate(t *testing.T) {
	ask := stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw
	for name, test := range map[string]struct {
		do   func(conn net.Conn)
		drop string
	}{
		"silence":             {func(net.Conn) {}, "unauthenticated-connection"},
		"half a message":      {func(conn net.Conn) { _, _ = conn.Write(ask[:10]) }, "half-message"},
		"a byte a second":     {func(conn net.Conn) { drip(conn, ask, time.Second) }, "half-message"},
		"a byte a minute":     {func(conn net.Conn) { drip(conn, ask, time.Minute) }, "half-message"},
		"messages, unsigned":  {func(conn net.Conn) { _, _ = conn.Write(ask); _, _ = io.Copy(io.Discard, conn) }, "unauthenticated-connection"},
		"a length that lies":  {func(conn net.Conn) { _, _ = conn.Write([]byte("\x00\x01\xff\xec\x21\x12\xa4\x42012345678901")) }, "half-message"},
		"questions, and deaf": {func(conn net.Conn) { _, _ = conn.Write(ask) }, "client-not-reading"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newServer(t, both())
				t.Cleanup(func() { _ = server.Close() })
				conn, ended := pipe(t, server)
				var client sync.WaitGroup
				client.Go(func() { test.do(conn) })
				t.Cleanup(client.Wait)
				soon(t, ended, 10*time.Second, 13*time.Second)
				if drops := server.Stats().Drops; drops[test.drop] != 1 {
					t.Errorf("drops = %v, want one as %s", drops, test.drop)
				}
				if n := server.Stats().Connections; n != 0 {
					t.Errorf("%d connections are left", n)
				}
			})
		})
	}
}

// drip writes byte by byte.
func drip(conn net.Conn, p []byte, every time.Duration) {
	for i := range p {
		if _, err := conn.Write(p[i : i+1]); err != nil {
			return
		}
		time.Sleep(every)
	}
}

// A client that has authenticated may be silent for as long as it has an allocation, but must take what it is sent.
func TestAClientThatIsDeafIsHungUpOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(t, both())
		t.Cleanup(func() { _ = server.Close() })
		conn, ended := pipe(t, server)
		r := &requester{t: t, conn: conn}
		r.as("alice", "secret")
		if err := r.nonce.GetFrom(r.exchange(stun.MethodAllocate, transportUDP)); err != nil {
			t.Fatal(err)
		}
		if got := codeOf(r.request(stun.MethodRefresh)); got != stun.CodeAllocMismatch {
			t.Fatalf("Refresh without an allocation: %d, want 437", got)
		}
		for range 10_000 { // until its queue is full
			if _, err := conn.Write(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw); err != nil {
				t.Fatal(err)
			}
		}
		soon(t, ended, 25*time.Second, 33*time.Second)
		if drops := server.Stats().Drops; drops["client-not-reading"] == 0 || drops["client-queue-full"] == 0 {
			t.Errorf("drops = %v, want client-not-reading and client-queue-full", drops)
		}
	})
}
