package daemon

import (
	"fmt"
	"strconv"
	"strings"
)

// PortRange is an inclusive range of ports, written "49152-65535".
type PortRange struct {
	Min, Max uint16 // 1 to 65535, Min not above Max
}

// UnmarshalText parses "49152-65535", or "50000" for a range of one. It implements
// [encoding.TextUnmarshaler].
func (r *PortRange) UnmarshalText(text []byte) error {
	low, high, isRange := strings.Cut(string(text), "-")
	if !isRange {
		high = low
	}
	first, err := parsePort(low)
	if err != nil {
		return fmt.Errorf("port range %q: the first port %w", text, err)
	}
	last, err := parsePort(high)
	if err != nil {
		return fmt.Errorf("port range %q: the last port %w", text, err)
	}
	if first > last {
		return fmt.Errorf("port range %q: the first port %d is above the last, %d", text, first, last)
	}
	r.Min, r.Max = first, last
	return nil
}

func parsePort(text string) (uint16, error) {
	port, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("must be a number from 1 to 65535, got %q", text)
	}
	return uint16(port), nil
}

// MarshalText writes the range as UnmarshalText reads it.
func (r PortRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String returns the range as "49152-65535".
func (r PortRange) String() string { return fmt.Sprintf("%d-%d", r.Min, r.Max) }

// Len returns how many ports the range holds.
func (r PortRange) Len() int { return int(r.Max) - int(r.Min) + 1 }
