package abuse

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) {
	floodIfAsked()
	leaktest.Main(m)
}

var full = flag.Bool("full", false, "run at full size, which takes minutes and both cores")

// size returns how much of something there is in a full run, and in a short one.
func size(whole, short int) int {
	if *full {
		return whole
	}
	return short
}

// patience is how long a test waits for what should happen at once.
const patience = 20 * time.Second

// process is a run of cmd/turn, and where it listens.
type process struct {
	t             *testing.T
	cmd           *exec.Cmd
	pid           int
	udp, tcp, tls string
	udp6          string // if asked for: not one address for all
	stderr        *lines
}

// lines is what a process writes, for another goroutine to read.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// command is cmd/turn, built once.
var command = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "abuse")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "turn")
	out, err := exec.Command("go", "build", "-o", binary, "github.com/parley-rtc/parley/cmd/turn").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build cmd/turn: %w\n%s", err, out)
	}
	return binary, nil
})

// start runs cmd/turn on every loopback address until the test ends.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	binary, err := command()
	if err != nil {
		t.Fatal(err)
	}
	certificate, key := writeCertificate(t)
	p := &process{t: t, stderr: &lines{}}
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), binary, append([]string{
		"--listen=0.0.0.0:0", "--listen-tcp=0.0.0.0:0", "--listen-tls=0.0.0.0:0", "--tls-cert=" + certificate, "--tls-key=" + key,
		"--public-ip=127.0.0.1", "--relay-bind=127.0.0.1", "--allow-loopback", "--user=alice:secret", "--log-level=error",
	}, args...)...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stderr = p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.pid = p.cmd.Process.Pid
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	watchdog := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer watchdog.Stop()
	listening := regexp.MustCompile(`^ +listening +(udp|tcp|tls) (\S+):(\d+)$`)
	scanner := bufio.NewScanner(stdout)
	for (p.udp == "" || p.tcp == "" || p.tls == "") && scanner.Scan() {
		switch match := listening.FindStringSubmatch(scanner.Text()); {
		case match == nil:
		case match[2] == "[::1]":
			p.udp6 = "[::1]:" + match[3]
		default:
			*map[string]*string{"udp": &p.udp, "tcp": &p.tcp, "tls": &p.tls}[match[1]] = "127.0.0.1:" + match[3]
		}
	}
	if p.tls == "" {
		t.Fatalf("the relay did not start:\n%s", p.stderr)
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	return p
}

// resident returns the process's memory in bytes.
func (p *process) resident() int64 {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return kilobytes << 10
}

// cpu returns the CPU time the process has used, to 10 ms.
func (p *process) cpu() time.Duration {
	p.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	var ticks int
	for _, field := range strings.Fields(rest)[11:13] { // utime and stime
		n, err := strconv.Atoi(field)
		if err != nil {
			p.t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// descriptors returns how many files the process has open.
func (p *process) descriptors() int {
	p.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(entries)
}

// settle waits until no more files are open than that.
func (p *process) settle(most int) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); p.descriptors() > most; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("%d files are open, before it were %d", p.descriptors(), most)
		}
	}
}

// overflow returns how many datagrams the system has dropped because the process did not read them in time.
func (p *process) overflow() int {
	p.t.Helper()
	_, port, _ := net.SplitHostPort(p.udp)
	number, _ := strconv.Atoi(port)
	for _, name := range []string{"/proc/net/udp6", "/proc/net/udp"} { // 0.0.0.0 may be for both
		table, err := os.ReadFile(name)
		if err != nil {
			p.t.Fatal(err)
		}
		for line := range strings.Lines(string(table)) {
			fields := strings.Fields(line)
			if len(fields) < 13 || !strings.HasSuffix(fields[1], fmt.Sprintf("0:%04X", number)) {
				continue
			}
			drops, err := strconv.Atoi(fields[12])
			if err != nil {
				p.t.Fatal(err)
			}
			return drops
		}
	}
	p.t.Fatalf("no UDP socket has port %s", port)
	return 0
}

// goroutines ends the process and returns how many goroutines it had.
func (p *process) goroutines() int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		p.t.Fatal(err)
	}
	_ = p.cmd.Wait() // it fails, as it should
	return len(regexp.MustCompile(`(?m)^goroutine \d+`).FindAllString(p.stderr.String(), -1))
}

// grew fails the test if the process has grown by more than that much since.
func (p *process) grew(before, most int64) {
	p.t.Helper()
	grown := p.resident() - before
	p.t.Logf("resident memory: %.1f MB, before %.1f MB", float64(before+grown)/1e6, float64(before)/1e6)
	if grown > most {
		p.t.Errorf("resident memory grew by %d bytes, at most %d are allowed", grown, most)
	}
}
