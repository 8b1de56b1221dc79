//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"

	"github.com/parley-rtc/parley/bench/internal/sample"
)

// book holds every result: what was measured in which setup, once per round.
type book struct {
	Machine string
	Rounds  int
	Results map[string]map[setup][]float64
	Order   []string // of what was measured
}

// add enters a result; what is named scenario/what, as "steps/a join, node CPU, µs".
func (b *book) add(what string, in setup, value float64) {
	if b.Results[what] == nil {
		b.Results[what] = make(map[setup][]float64)
	}
	if !slices.Contains(b.Order, what) {
		b.Order = append(b.Order, what)
	}
	b.Results[what][in] = append(b.Results[what][in], value)
}

// get returns the median of the rounds; false: it was not measured.
func (b *book) get(what string, in setup) (float64, bool) {
	values := b.Results[what][in]
	return sample.Median(values), len(values) > 0
}

func (b *book) write(path string) error {
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

func (b *book) read(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, b); err != nil {
		return fmt.Errorf("%s is not what -json writes: %w", path, err)
	}
	return nil
}

var versions = regexp.MustCompile(`v=(\S+)`)

// redisVersion returns that of redis-server.
func redisVersion() (string, error) {
	text, err := exec.Command("redis-server", "--version").Output()
	if err != nil {
		return "", err
	}
	found := versions.FindSubmatch(text)
	if found == nil {
		return "", fmt.Errorf("redis-server --version says %q", text)
	}
	return string(found[1]), nil
}
