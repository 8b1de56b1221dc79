package relay

import (
	"net"
	"os"
	"strconv"
	"testing"
	"time"
)

// testWorkers is how many workers servers have in tests: several, unless the environment says otherwise.
func testWorkers(t *testing.T) int {
	t.Helper()
	given := os.Getenv("PARLEY_TEST_WORKERS")
	if given == "" {
		return 3
	}
	n, err := strconv.Atoi(given)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// served has a server serve a socket, and returns when it does: what comes before may be lost, and not all that tests send is sent
// again. What Serve returns goes to the channel.
func served(t *testing.T, server *Server, conn net.PacketConn) <-chan error {
	t.Helper()
	before := server.crew.Stats().Listeners
	done := make(chan error, 1)
	go func() { done <- server.Serve(conn) }()
	for deadline := time.Now().Add(patience); server.crew.Stats().Listeners == before; time.Sleep(time.Millisecond) {
		if len(done) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server does not serve")
		}
	}
	return done
}
