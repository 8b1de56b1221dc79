//go:build linux

package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/bench/internal/contender"
)

func TestFigures(t *testing.T) {
	b := newBench(small(contender.Kinds...), nil)
	const connect, relay = "connect/CPU, µs", "pair/200 bytes, saturated, frames per CPU-second"
	for _, v := range []float64{90, 110, 5000} { // the median counts
		b.results.add(connect, contender.Parley, v)
	}
	b.results.add(connect, contender.Bare, 100)
	b.results.add(connect, contender.YWebRTC, 100)
	b.results.add(connect, contender.SocketIO, 300)
	b.results.add(relay, contender.Parley, 50000)
	b.results.add(relay, contender.YWebRTC, 20000)
	b.results.add(relay, contender.PeerJS, 40000)
	var out bytes.Buffer
	b.out = &out
	b.printFigures()
	lines := strings.Split(out.String(), "\n")
	for beginning, want := range map[string]string{
		"  CPU per join with its WebSocket, over bare":                          "1.10 ×   ≤ 1.25   holds",
		"  CPU per join with its WebSocket, over the best rival's":              "1.10 ×   ≤ 1      MISSED by 10 %",
		"  pair relay, 200 bytes, frames per CPU-second, over the best rival's": "1.25 ×   ≥ 2      MISSED by 38 %",
	} {
		found := false
		for _, line := range lines {
			found = found || strings.HasPrefix(line, beginning) && strings.HasSuffix(line, want)
		}
		if !found {
			t.Errorf("there is no line %q … %q in\n%s", beginning, want, &out)
		}
	}
	if strings.Contains(out.String(), "idle") {
		t.Errorf("what was not measured is judged:\n%s", &out)
	}
}
