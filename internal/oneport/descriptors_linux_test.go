package oneport

import (
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// descriptors counts the file descriptors of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open) - 1 // without the one that reads this
}

func TestGarbageLeavesNoDescriptorBehind(t *testing.T) {
	s := serve(t, Config{TLS: serverTLS(), Patience: 3 * time.Second}, true, nil)
	s.ask(t, "http://"+s.addr+"/healthz", &http.Transport{}) // what is opened once is open
	before := descriptors(t)
	garbage := []string{"\x16\x03\x01\x00\x05\xff\xff\xff\xff\xff", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\xff", "\x00\x00\x00\x00nonsense", "GARBAGE\n\n"}
	for n := range 1000 {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, garbage[n%len(garbage)])
		if n%5%2 == 0 { // the others wait for more
			ends(t, conn)
		}
		_ = conn.Close()
	}
	eventually(t, "the descriptors are those of before", func() bool { return descriptors(t) <= before })
}

// Running out of descriptors ends no listener: what waits is served when there are some again.
func TestAcceptingGoesOnAfterRunningOutOfDescriptors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := New(l, Config{})
	client := dial(t, l.Addr().String()) // the kernel accepts it
	_, _ = io.WriteString(client, "GET / HTTP/1.1\r\n\r\n")
	conns := make(chan net.Conn, 1)
	go func() {
		defer close(conns)
		if conn, err := p.HTTP().Accept(); err == nil {
			conns <- conn
		}
	}()

	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	restore := func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) }
	defer restore()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 1, Max: limit.Max}); err != nil {
		t.Skipf("the limit cannot be lowered: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Serve() }()
	defer func() { _ = p.Close(); <-done }()
	eventually(t, "accepting has failed", func() bool { return p.Stats().Refused["accept-error"] >= 3 })
	restore()
	select {
	case conn := <-conns:
		_ = conn.Close()
	case <-time.After(patience):
		t.Error("the connection that waited is not served")
	}
}

func TestTenThousandSilentConnectionsAreGoneInTenSeconds(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	silent := min(10_000, int(limit.Cur)/2-250) // both ends are here
	s := serve(t, Config{TLS: serverTLS()}, true, nil)
	s.ask(t, "http://"+s.addr+"/healthz", &http.Transport{}) // what is opened once is open
	before, goroutines := descriptors(t), runtime.NumGoroutine()
	conns := make([]net.Conn, 0, silent)
	for range silent {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	last := time.Now()
	for _, conn := range conns {
		ends(t, conn)
	}
	if took := time.Since(last); took > 13*time.Second {
		t.Errorf("the last is gone after %v, want 10 s", took)
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	eventually(t, "the descriptors and goroutines are those of before", func() bool {
		return descriptors(t) <= before && runtime.NumGoroutine() <= goroutines
	})
	if got := s.Stats().Refused; got["silent"]+got["crowded"] != uint64(silent) {
		t.Errorf("counted %v, want %d in all", got, silent)
	}
}
