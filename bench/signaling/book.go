//go:build linux

package main

import (
	"encoding/json"
	"os"

	"github.com/parley-rtc/parley/bench/internal/contender"
	"github.com/parley-rtc/parley/bench/internal/sample"
)

// book holds every result: what was measured of which server, once per round.
type book struct {
	order  []string
	values map[string]map[contender.Kind][]float64
}

// add enters a result; what is named scenario/what, as "connect/CPU µs".
func (b *book) add(what string, kind contender.Kind, value float64) {
	if b.values == nil {
		b.values = make(map[string]map[contender.Kind][]float64)
	}
	if b.values[what] == nil {
		b.order = append(b.order, what)
		b.values[what] = make(map[contender.Kind][]float64)
	}
	b.values[what][kind] = append(b.values[what][kind], value)
}

// get returns the median of the rounds; false: it was not measured.
func (b *book) get(what string, kind contender.Kind) (float64, bool) {
	values := b.values[what][kind]
	return sample.Median(values), len(values) > 0
}

// best returns the rival with the least or the greatest median.
func (b *book) best(what string, greatest bool) (kind contender.Kind, value float64, ok bool) {
	for _, k := range contender.Kinds {
		v, measured := b.get(what, k)
		if !measured || !k.Rival() || ok && (v > value) != greatest {
			continue
		}
		kind, value, ok = k, v, true
	}
	return kind, value, ok
}

// write saves all results.
func (b *book) write(path string, machine map[string]string) error {
	text, err := json.MarshalIndent(map[string]any{"machine": machine, "results": b.values}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
