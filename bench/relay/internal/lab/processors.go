//go:build linux

package lab

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Processors divides those of the machine: the load has one, and relays the others. A load that sends at even intervals never
// sleeps, and what the scheduler puts behind it waits for it.
type Processors struct {
	Load, Relays *unix.CPUSet // nil: any
}

// Divide gives the last processor that this process may use to the load. It says why if there is none to give.
func Divide() (Processors, error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return Processors{}, fmt.Errorf("processors: %w", err)
	}
	if all.Count() < 2 {
		return Processors{}, errors.New("there is one processor: the load and the relays share it")
	}
	last := 0
	for i := range len(all) * 64 {
		if all.IsSet(i) {
			last = i
		}
	}
	rest, load := all, unix.CPUSet{}
	rest.Clear(last)
	load.Set(last)
	return Processors{Load: &load, Relays: &rest}, nil
}

// Confine runs a function on a thread, and starts processes, that keep to some processors; nil is any.
func Confine(to *unix.CPUSet, f func() error) error {
	if to == nil {
		return f()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("processors: %w", err)
	}
	if err := unix.SchedSetaffinity(0, to); err != nil {
		return fmt.Errorf("processors: %w", err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }() // it had them
	return f()
}
