//go:build linux

package lab

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace that lives as long as it is held, or something in it runs.
type namespace struct{ file *os.File }

// newNamespace makes one. It has a loopback interface, which is down.
func newNamespace() (*namespace, error) {
	var ns *namespace
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		file, err := os.Open("/proc/thread-self/ns/net")
		ns = &namespace{file}
		return err
	})
	if err != nil {
		return nil, err
	}
	return ns, nil
}

// run runs a function there; a nil namespace is the one that the process is in.
func (ns *namespace) run(f func() error) error {
	if ns == nil {
		return f()
	}
	return onThread(func() error {
		if err := unix.Setns(int(ns.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter a network namespace: %w", err)
		}
		return f()
	})
}

// path leads to the namespace, for programs that this process starts.
func (ns *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.file.Fd()) }

func (ns *namespace) close() {
	if ns != nil {
		_ = ns.file.Close() // it was only held
	}
}

// onThread runs a function that may leave the network namespace, on a thread that is brought back to it.
func onThread(f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() { _ = home.Close() }()
	err = f()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		// A thread that is elsewhere must run nothing else: it stays locked, and so ends with its goroutine.
		return fmt.Errorf("leave a network namespace: %w", back)
	}
	runtime.UnlockOSThread()
	return err
}
