//go:build linux

package gauge

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// CPU returns the CPU time that all threads of a process have used, in user and kernel mode, those
// that have ended included.
func CPU(pid int) (time.Duration, error) {
	// The clock of a process, clock_getcpuclockid(3): /proc/PID/stat says the same in steps of 10 ms.
	const schedulerClock = 2
	clock := ^pid<<3 | schedulerClock
	var t syscall.Timespec
	if _, _, code := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&t)), 0); code != 0 {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, code)
	}
	return time.Duration(t.Nano()), nil
}

// PSS returns the memory of a process in bytes: its own, and its share of what it shares.
func PSS(pid int) (int64, error) {
	file, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	pss, err := parsePSS(file)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file.Name(), err)
	}
	return pss, nil
}

// parsePSS reads the Pss line of proc_pid_smaps(5).
func parsePSS(r io.Reader) (int64, error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		value, ok := strings.CutPrefix(lines.Text(), "Pss:")
		if !ok {
			continue
		}
		value, ok = strings.CutSuffix(strings.TrimSpace(value), " kB")
		kilobytes, err := strconv.ParseInt(value, 10, 64)
		if !ok || err != nil {
			return 0, fmt.Errorf("not a size: %q", lines.Text())
		}
		return kilobytes << 10, nil
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("there is no Pss line")
}
