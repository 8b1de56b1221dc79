//go:build linux

package gauge

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// RSS returns the memory of a process that is resident, in bytes.
func RSS(pid int) (int64, error) {
	path := filepath.Join("/proc", strconv.Itoa(pid), "status")
	status, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: not a size: %q", path, line)
			}
			return kilobytes << 10, nil
		}
	}
	return 0, fmt.Errorf("%s: there is no VmRSS line", path)
}

// Slab returns what the kernel holds in objects of these names, of all processes, in bytes (slabinfo(5)). It may need root.
func Slab(names ...string) (int64, error) {
	table, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		return 0, err
	}
	return parseSlab(string(table), names)
}

func parseSlab(table string, names []string) (int64, error) {
	var sum int64
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		for _, name := range names {
			if len(fields) < 4 || fields[0] != name {
				continue
			}
			active, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("slabinfo: not a number: %q", line)
			}
			size, err := strconv.ParseInt(fields[3], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("slabinfo: not a size: %q", line)
			}
			sum += active * size
		}
	}
	return sum, nil
}
