//go:build linux

package contender

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/pion/stun/v3"
)

const (
	startTime = 20 * time.Second // until a server must answer
	stopTime  = 2 * time.Second  // to end when asked to
)

// Process is a running server.
type Process struct {
	Address string // host:port
	Pid     int

	cmd    *exec.Cmd
	done   chan struct{} // closed when the process has ended
	stderr tail
}

// tail keeps the first of what is written.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := 4<<10 - t.buf.Len(); room > 0 {
		t.buf.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

func (t *tail) String() string { t.mu.Lock(); defer t.mu.Unlock(); return t.buf.String() }

// start runs a command, and returns when it answers at address.
func start(kind Kind, address string, cmd *exec.Cmd) (*Process, error) {
	p := &Process{Address: address, cmd: cmd, done: make(chan struct{})}
	cmd.Stderr = &p.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	p.Pid = cmd.Process.Pid
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // it is killed
	}()
	for deadline := time.Now().Add(startTime); !answers(address); {
		select {
		case <-p.done:
			return nil, fmt.Errorf("%s has ended: %s", kind, &p.stderr)
		default:
		}
		if time.Now().After(deadline) {
			p.Stop()
			return nil, fmt.Errorf("%s does not answer at %s: %s", kind, address, &p.stderr)
		}
	}
	return p, nil
}

// answers reports whether a server answers a Binding request.
func answers(address string) bool {
	conn, err := net.Dial("udp4", address)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_, err = conn.Write(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw)
	_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if err == nil {
		_, err = conn.Read(make([]byte, 1500))
	}
	if err != nil && !errors.Is(err, syscall.ETIMEDOUT) {
		time.Sleep(20 * time.Millisecond) // refused, at once
	}
	return err == nil
}

// Stop ends the server.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTime):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// freePort returns a UDP port that was free a moment ago. It is below those that the system gives to whoever asks for any, so
// that it stays free until a server has started.
func freePort() (int, error) {
	for range 100 {
		port := 10_000 + rand.IntN(10_000)
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			continue
		}
		return port, conn.Close()
	}
	return 0, errors.New("no port from 10000 to 19999 is free")
}
