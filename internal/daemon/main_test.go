package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/leaktest"
)

// behaviour names the environment variable that turns the test binary into a command.
const behaviour = "PARLEY_DAEMON_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(behaviour) != "" {
		Main(command)
	}
	leaktest.Main(m)
}

// command is a program for TestMainExits.
func command(ctx context.Context, _ []string, getenv func(string) string, stdout io.Writer) error {
	switch getenv(behaviour) {
	case "succeed":
		return nil
	case "fail":
		return errors.New("it is broken")
	case "misuse":
		return Usagef("--size: %d is too much", 7)
	case "help":
		return ErrHelp
	}
	_, _ = fmt.Fprintln(stdout, "running")
	<-ctx.Done()
	if getenv(behaviour) == "hang" {
		_, _ = fmt.Fprintln(stdout, "stopping")
		time.Sleep(time.Minute)
	}
	return nil
}

func TestMainExits(t *testing.T) {
	tests := map[string]struct {
		behaviour string
		signals   []syscall.Signal // sent one by one, each after a line of output
		code      int
		stderr    string
	}{
		"with 0 after success":                {behaviour: "succeed"},
		"with 0 after help":                   {behaviour: "help"},
		"with 1 after an error":               {behaviour: "fail", code: 1, stderr: ": it is broken\n"},
		"with 2 after a wrong flag":           {behaviour: "misuse", code: 2, stderr: ": --size: 7 is too much\nTry "},
		"with 0 after SIGTERM":                {behaviour: "serve", signals: []syscall.Signal{syscall.SIGTERM}},
		"with 0 after SIGINT":                 {behaviour: "serve", signals: []syscall.Signal{syscall.SIGINT}},
		"at once after a second signal":       {behaviour: "hang", signals: []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}, code: 130},
		"at once after two different signals": {behaviour: "hang", signals: []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}, code: 130},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			program := exec.CommandContext(ctx, os.Args[0])
			program.Env = append(os.Environ(), behaviour+"="+test.behaviour)
			var stderr bytes.Buffer
			program.Stderr = &stderr
			stdout, err := program.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := program.Start(); err != nil {
				t.Fatal(err)
			}
			for _, signal := range test.signals {
				if _, err := stdout.Read(make([]byte, 100)); err != nil {
					t.Fatal(err)
				}
				if err := program.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
			}
			if err := program.Wait(); err != nil && program.ProcessState == nil {
				t.Fatal(err)
			}
			if got := program.ProcessState.ExitCode(); got != test.code {
				t.Errorf("exit code %d, want %d; stderr: %s", got, test.code, &stderr)
			}
			if !strings.Contains(stderr.String(), test.stderr) || (test.stderr == "" && stderr.Len() > 0) {
				t.Errorf("stderr is %q, want %q in it", &stderr, test.stderr)
			}
		})
	}
}

func TestReportNamesWhoseHelpToRead(t *testing.T) {
	for program, want := range map[string]string{"": "Try turn --help.", "turn check": "Try turn check --help."} {
		var stderr bytes.Buffer
		code := report(&stderr, "turn", &UsageError{Err: errors.New("--ttl: no"), Program: program})
		if code != exitUsage || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: exits with %d and says %q, want %q", program, code, &stderr, want)
		}
	}
}
