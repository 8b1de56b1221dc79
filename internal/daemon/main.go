package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
)

// Exit codes of a command.
const (
	exitFailure = 1
	exitUsage   = 2
	exitKilled  = 130 // a second signal while shutting down
)

// gcPercent is GOGC where the environment does not say: a service that mostly waits, with thousands of
// sessions or allocations, is better off with less garbage than with fewer collections.
const gcPercent = 50

// RunFunc is a command: it returns when ctx ends and everything is shut down, or on failure. Args
// are without the program's name; getenv is os.Getenv or a test's own.
type RunFunc func(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error

// Main runs a command and exits: 0 after success, 1 after an error, 2 after a [UsageError]. Its
// context ends at the first SIGINT or SIGTERM; the second one exits at once.
func Main(run RunFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(exitKilled)
	}()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	os.Exit(report(os.Stderr, filepath.Base(os.Args[0]), err))
}

// report prints err, if any, and returns the exit code it deserves.
func report(stderr io.Writer, program string, err error) int {
	if err == nil || errors.Is(err, ErrHelp) {
		return 0
	}
	_, _ = fmt.Fprintf(stderr, "%s: %v\n", program, err) // nobody left to tell
	if usage, ok := errors.AsType[*UsageError](err); ok {
		_, _ = fmt.Fprintf(stderr, "Try %s --help.\n", cmp.Or(usage.Program, program))
		return exitUsage
	}
	return exitFailure
}

// UsageError says that the command line or the environment is wrong, as against something that
// failed while running.
type UsageError struct {
	Err     error  // what is wrong, naming the flag and the value
	Program string // whose --help says what is right, if it is not the program's own
}

func (e *UsageError) Error() string { return e.Err.Error() }

func (e *UsageError) Unwrap() error { return e.Err }

// Usagef returns a [UsageError] with a formatted message.
func Usagef(format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...)}
}
