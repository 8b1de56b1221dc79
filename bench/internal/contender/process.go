//go:build linux

package contender

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/parley-rtc/parley/bench/internal/gauge"
	"github.com/parley-rtc/parley/bench/internal/serve"
)

const (
	startTime = 20 * time.Second // until a server must accept connections
	stopTime  = 5 * time.Second  // to end when asked to
)

// Process is a running server.
type Process struct {
	Address string // host:port
	Pid     int

	kind Kind
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // how; valid after done

	mu     sync.Mutex
	stderr bytes.Buffer // guarded by mu
}

// Write takes what the server says on stderr, as far as there is room.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if room := 4<<10 - p.stderr.Len(); room > 0 {
		p.stderr.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

// Launch runs a command, and returns when it accepts connections at address. It ends with ctx, if that was made for it.
func Launch(ctx context.Context, kind Kind, address string, cmd *exec.Cmd) (*Process, error) {
	p := &Process{Address: address, kind: kind, cmd: cmd, done: make(chan struct{})}
	cmd.Stderr = p
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	p.Pid = cmd.Process.Pid
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return p, conn.Close()
		}
		select {
		case <-p.done:
			return nil, fmt.Errorf("%s: %w", kind, p.failure())
		case <-ctx.Done():
			p.Stop()
			return nil, fmt.Errorf("%s accepts no connections: %w", kind, errors.Join(err, p.failure()))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *Process) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Errorf("ended: %w: %s", p.err, bytes.TrimSpace(p.stderr.Bytes()))
}

// Stop ends the process.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTime):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// Running returns an error if the process has ended.
func (p *Process) Running() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s: %w", p.kind, p.failure())
	default:
		return nil
	}
}

// CPU returns the CPU time used so far.
func (p *Process) CPU() (time.Duration, error) { return gauge.CPU(p.Pid) }

// PSS returns the memory used, in bytes.
func (p *Process) PSS() (int64, error) { return gauge.PSS(p.Pid) }

// Collect has the process collect its garbage. Live is what a Go server holds then, otherwise nothing.
func (p *Process) Collect(ctx context.Context) (live serve.Live, err error) {
	if !p.kind.Go() {
		// It does so when it gets to it; some time afterwards it has.
		if err := p.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
			return live, err
		}
		return live, p.Quiet(ctx)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Address+serve.LivePath, nil)
	if err != nil {
		return live, err
	}
	r.Close = true
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return live, err
	}
	defer reply.Body.Close()
	if err := json.NewDecoder(reply.Body).Decode(&live); err != nil {
		return live, fmt.Errorf("%s: %w", serve.LivePath, err)
	}
	return live, nil
}

// Quiet waits until the process has used less than a tenth of a core for half a second.
func (p *Process) Quiet(ctx context.Context) error {
	const step = 500 * time.Millisecond
	for range 40 {
		before, err := p.CPU()
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(step):
		}
		after, err := p.CPU()
		if err != nil {
			return err
		}
		if after-before < step/10 {
			return nil
		}
	}
	return fmt.Errorf("%s does not become idle", p.kind)
}

// FreePort returns a TCP port that was free a moment ago. It is below those that the system gives to whoever asks for any, so
// that it stays free until a server has started.
func FreePort() (string, error) {
	for range 100 {
		port := strconv.Itoa(10_000 + rand.IntN(10_000))
		l, err := net.Listen("tcp", ":"+port)
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return "", errors.New("no port from 10000 to 19999 is free")
}

// environ is this process's environment with more variables.
func environ(more ...string) []string { return append(os.Environ(), more...) }
