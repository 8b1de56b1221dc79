package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// pair returns the two ends of a TCP connection on loopback.
func pair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if a, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = a.Close()
		_ = b.Close()
	})
	return a, b
}

func TestWhatFitsIsWrittenAtOnce(t *testing.T) {
	a, b := pair(t)
	w := NewWriter(a)
	rest, err := w.Try([]byte("hello"))
	if err != nil || len(rest) != 0 && canTry {
		t.Fatalf("%d bytes are left, %v", len(rest), err)
	}
	if err := w.Write(rest); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(b, got); err != nil || string(got) != "hello" {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestWhatDoesNotFitIsLeft(t *testing.T) {
	a, b := pair(t)
	w := NewWriter(a)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MiB: more than the kernel keeps
	began := time.Now()
	rest, err := w.Try(sent)
	if err != nil || len(rest) == 0 {
		t.Fatalf("%d bytes are left, %v", len(rest), err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("trying waited: %v", took)
	}
	written := make(chan error, 1)
	go func() { written <- w.Write(rest) }()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("what arrives is not what was sent: %v", err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func TestAClosedConnectionIsAnError(t *testing.T) {
	a, _ := pair(t)
	w := NewWriter(a)
	_ = a.Close()
	if _, err := w.Try([]byte("x")); canTry && !errors.Is(err, net.ErrClosed) {
		t.Errorf("trying: %v", err)
	}
	if err := w.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("writing: %v", err)
	}
}

func TestAConnectionThatIsNoSocketWaits(t *testing.T) {
	a, b := net.Pipe()
	defer func() { _ = b.Close() }()
	w := NewWriter(a)
	rest, err := w.Try([]byte("hello"))
	if err != nil || string(rest) != "hello" {
		t.Fatalf("%q is left, %v", rest, err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, b)
	}()
	if err := w.Write(rest); err != nil {
		t.Error(err)
	}
	_ = a.Close()
}

func TestTryingTakesNoMemory(t *testing.T) {
	a, b := pair(t)
	go func() { _, _ = io.Copy(io.Discard, b) }()
	w := NewWriter(a)
	message := []byte("hello")
	if got := testing.AllocsPerRun(100, func() {
		if _, err := w.Try(message); err != nil {
			t.Fatal(err)
		}
	}); got != 0 && canTry {
		t.Errorf("%v allocations", got)
	}
	_ = a.Close()
}

func TestWhoSendsTooMuchIsNotListenedTo(t *testing.T) {
	a, b := pair(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		Discard(a)
	}()
	if _, err := b.Write(make([]byte, maxDiscarded)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("it goes on")
		_ = a.Close()
		<-done
	}
}
