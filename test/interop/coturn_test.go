// Package interop runs Parley's programs against software of others.
package interop

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const (
	clients  = 2
	messages = 20 // of each client
)

// coturn's client lets pairs of its clients talk to each other through the relay, and counts.
func TestCoturnsClientLosesNothing(t *testing.T) {
	uclient, err := exec.LookPath("turnutils_uclient")
	if err != nil {
		t.Skip("turnutils_uclient is not installed; it comes with coturn")
	}
	addr := startRelay(t, "--secret=s3cret", "--user=bob:secret")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	for name, flags := range map[string][]string{
		"channels, time-limited credentials":    {"-u", "alice", "-W", "s3cret"},
		"channels, fixed password":              {"-u", "bob", "-w", "secret"},
		"indications, time-limited credentials": {"-u", "alice", "-W", "s3cret", "-s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			args := append(flags, "-p", port, "-n", strconv.Itoa(messages), "-m", strconv.Itoa(clients), "-c", "-y", host)
			out, err := exec.CommandContext(ctx, uclient, args...).CombinedOutput()
			if err != nil {
				t.Fatalf("turnutils_uclient: %v\n%s", err, out)
			}
			// It exits with 0 even when nothing got through.
			if got := last(t, `tot_recv_msgs=(\d+)`, out); got != clients*messages {
				t.Errorf("%d messages arrived, want %d\n%s", got, clients*messages, out)
			}
			if got := last(t, `Total lost packets (\d+)`, out); got != 0 {
				t.Errorf("%d packets were lost\n%s", got, out)
			}
		})
	}

	t.Run("a wrong password gets nothing through", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		out, _ := exec.CommandContext(ctx, uclient, "-u", "bob", "-w", "wrong", "-p", port, "-n", "1", "-c", "-y", host).CombinedOutput()
		if regexp.MustCompile(`tot_recv_msgs=[1-9]`).Match(out) {
			t.Errorf("messages arrived\n%s", out)
		}
	})
}

// last returns the number in the last match of pattern.
func last(t *testing.T, pattern string, out []byte) int {
	t.Helper()
	matches := regexp.MustCompile(pattern).FindAllSubmatch(out, -1)
	if len(matches) == 0 {
		t.Fatalf("the output has no %s:\n%s", pattern, out)
	}
	n, err := strconv.Atoi(string(matches[len(matches)-1][1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// startRelay builds cmd/turn, runs it on loopback until the test ends, and returns its address.
func startRelay(t *testing.T, args ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "turn")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/parley-rtc/parley/cmd/turn")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build cmd/turn: %v\n%s", err, out)
	}
	args = append(args, "--listen=127.0.0.1:0", "--public-ip=127.0.0.1", "--log-level=error")
	relay := exec.CommandContext(context.WithoutCancel(t.Context()), binary, args...)
	stdout, err := relay.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := relay.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Allocations that coturn's client left behind make the first signal wait.
		_ = relay.Process.Signal(syscall.SIGTERM)
		time.Sleep(100 * time.Millisecond) // two at once count as one
		_ = relay.Process.Signal(syscall.SIGTERM)
		if err := relay.Wait(); err != nil {
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 130 {
				t.Errorf("the relay ended with %v", err)
			}
		}
	})
	watchdog := time.AfterFunc(10*time.Second, func() { _ = relay.Process.Kill() })
	defer watchdog.Stop()
	lines := bufio.NewScanner(stdout)
	listening := regexp.MustCompile(`^  listening +udp (\S+)$`)
	for lines.Scan() {
		if match := listening.FindStringSubmatch(lines.Text()); match != nil {
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return match[1]
		}
	}
	t.Fatalf("the relay does not say where it listens: %v", lines.Err())
	return ""
}
