// Package redistest starts real Redis servers for tests, on loopback, each with a directory of its own.
package redistest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience is how long a server may take for anything, on a busy machine.
const patience = 30 * time.Second

// Server is one redis-server. It ends with its test.
type Server struct {
	Port int
	Log  string // the name of its log

	t       testing.TB
	args    []string
	process *exec.Cmd // nil: it does not run
}

// Start starts a server that keeps nothing on disk, unless args say otherwise.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := New(t, args...)
	s.Start()
	return s
}

// New returns a server that does not run yet.
func New(t testing.TB, args ...string) *Server {
	t.Helper()
	dir := t.TempDir()
	s := &Server{Port: freePort(t), Log: filepath.Join(dir, "log"), t: t}
	s.args = slices.Concat([]string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(s.Port), "--dir", dir, "--logfile", s.Log, "--save", "", "--appendonly", "no",
	}, args)
	t.Cleanup(s.Kill)
	return s
}

// NewSentinel starts a sentinel with a file of configuration, which it writes to.
func NewSentinel(t testing.TB, file string) *Server {
	t.Helper()
	s := &Server{Port: freePort(t), Log: file + ".log", t: t}
	s.args = []string{file, "--sentinel", "--bind", "127.0.0.1", "--port", strconv.Itoa(s.Port), "--logfile", s.Log}
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// freePort returns a port that nobody listens on. The bus of a cluster's node is 10,000 above it.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if bus, err := net.Listen("tcp4", Address(port+10000)); port+10000 < 65536 && err == nil {
			bus.Close()
			return port
		}
	}
	t.Fatal("redistest: no free port")
	return 0
}

// Address is that of a port.
func Address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// Address is where the server listens.
func (s *Server) Address() string { return Address(s.Port) }

// URL is that of the server.
func (s *Server) URL() string { return "redis://" + s.Address() }

// Start starts the server again, after Kill.
func (s *Server) Start() {
	s.t.Helper()
	s.process = exec.Command("redis-server", s.args...)
	if err := s.process.Start(); err != nil {
		s.t.Fatalf("redistest: %v (test/setup.sh installs it)", err)
	}
	s.awaitStart()
}

// awaitStart waits until the server answers, if only that it wants a password, or TLS.
func (s *Server) awaitStart() {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		var err error
		if slices.Contains(s.args, "--tls-port") {
			var conn net.Conn
			if conn, err = net.DialTimeout("tcp4", s.Address(), time.Second); err == nil {
				conn.Close()
				return
			}
		} else {
			var answer string
			if answer, err = s.ask("PING"); strings.HasPrefix(answer, "+PONG") || strings.HasPrefix(answer, "-NOAUTH") {
				return
			}
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(s.Log)
			s.t.Fatalf("redistest: %s does not answer: %v; its log:\n%s", s.Address(), err, log)
		}
	}
}

// Kill ends the server at once.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	s.process = nil
}

// Await repeats a command until its answer holds a text.
func (s *Server) Await(command, want string) {
	s.t.Helper()
	var got string
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got, err = s.ask(command); err == nil && strings.Contains(got, want) {
			return
		}
	}
	log, _ := os.ReadFile(s.Log)
	s.t.Fatalf("redistest: %s says %q to %q, error %v; want %q; its log:\n%s", s.Address(), got, command, err, want, log)
}

// Do runs a command, whose words have no spaces in them, and returns its answer as it came.
func (s *Server) Do(command string) string {
	s.t.Helper()
	answer, err := s.ask(command)
	if err != nil {
		s.t.Fatalf("redistest: %s: %v", command, err)
	}
	return answer
}

func (s *Server) ask(command string) (string, error) {
	conn, err := net.DialTimeout("tcp4", s.Address(), time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return "", err
	}
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	if err != nil || line[0] != '$' {
		return strings.TrimSpace(line), err
	}
	size, err := strconv.Atoi(strings.TrimSpace(line[1:]))
	if err != nil || size < 0 {
		return "", err
	}
	text := make([]byte, size)
	for read := 0; read < size; {
		n, err := in.Read(text[read:])
		if err != nil {
			return "", err
		}
		read += n
	}
	return string(text), nil
}

// Commands returns how often commands were run since the server started, by name.
func (s *Server) Commands() map[string]int {
	s.t.Helper()
	counts := make(map[string]int)
	for line := range strings.Lines(s.Do("INFO commandstats")) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "cmdstat_"), ":")
		calls, _, _ := strings.Cut(strings.TrimPrefix(rest, "calls="), ",")
		if n, err := strconv.Atoi(calls); err == nil {
			counts[name] = n
		}
	}
	return counts
}
