//go:build linux

package contender

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/bench/internal/gauge"
	"github.com/parley-rtc/parley/bench/relay/internal/lab"
)

// startTime is how long it may take until a server answers.
const startTime = 20 * time.Second

// Process is a running server.
type Process struct {
	UDP netip.AddrPort // where it is reached by UDP, and by TCP if it serves that
	TLS netip.AddrPort
	Pid int

	kind   Kind
	net    *lab.Net
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

// tlsOffset is how far the port of TLS is from that of UDP and TCP.
const tlsOffset = 10_000

func newProcess(kind Kind, at *lab.Net, address netip.AddrPort) *Process {
	return &Process{UDP: address, TLS: netip.AddrPortFrom(address.Addr(), address.Port()+tlsOffset), kind: kind, net: at, done: make(chan struct{})}
}

// start runs a command where the caller's thread is.
func (p *Process) start(cmd *exec.Cmd) error {
	p.cmd = cmd
	cmd.Stderr = &p.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.kind, err)
	}
	p.Pid = cmd.Process.Pid
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // it is killed
	}()
	return nil
}

// ready returns when the server answers, and stops it if it does not.
func (p *Process) ready() error {
	return p.net.AtClient(func() error {
		for deadline := time.Now().Add(startTime); !answers(p.UDP.String()); {
			if p.Ended() {
				return fmt.Errorf("%s has ended: %s", p.kind, &p.stderr)
			}
			if time.Now().After(deadline) {
				p.Stop()
				return fmt.Errorf("%s does not answer at %v: %s", p.kind, p.UDP, &p.stderr)
			}
		}
		return nil
	})
}

// Ended reports whether the server has.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Said returns the first of what it has written to its standard error.
func (p *Process) Said() string { return p.stderr.String() }

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

// CPU returns the time that it has used; that of no process is 0.
func (p *Process) CPU() (time.Duration, error) {
	if p == nil {
		return 0, nil
	}
	return gauge.CPU(p.Pid)
}

// Stop ends the server, if there is one, at once: asked to end, some would wait for their clients first.
func (p *Process) Stop() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// freePort returns a UDP port that was free a moment ago, with one for TLS. They are below those that the system gives to whoever
// asks for any, so that they stay free until a server has started.
func freePort(at netip.Addr) (uint16, error) {
	for range 100 {
		port := uint16(10_000 + rand.IntN(tlsOffset))
		address := net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, port))
		conn, err := net.ListenUDP("udp4", address)
		if err != nil {
			continue
		}
		if err := conn.Close(); err != nil {
			return 0, err
		}
		free := true
		for _, port := range []uint16{port, port + tlsOffset} {
			listener, err := net.Listen("tcp4", netip.AddrPortFrom(at, port).String())
			if err != nil {
				free = false
				continue
			}
			_ = listener.Close() // nobody has connected
		}
		if free {
			return port, nil
		}
	}
	return 0, errors.New("no port from 10000 to 19999 is free, with that 10000 above it")
}
