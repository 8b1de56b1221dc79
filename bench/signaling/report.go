//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/parley-rtc/parley/bench/internal/contender"
)

// machine says where and with what was measured.
func (b *bench) machine() map[string]string {
	cores := "servers and generator share all cores"
	if b.field.Pinned {
		cores = fmt.Sprintf("servers on core %d, generator on the others", b.field.Core)
	}
	m := map[string]string{
		"cpu":    cpuModel(),
		"cores":  strconv.Itoa(runtime.NumCPU()) + "; " + cores,
		"kernel": firstLine("/proc/sys/kernel/osrelease"),
		"go":     runtime.Version(),
		"GOGC":   b.field.GOGC,
		"rounds": fmt.Sprintf("%d of %v", b.rounds, b.window),
	}
	if b.field.Pinned {
		m["GOMAXPROCS"] = "1 for the servers written in Go"
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/gorilla/websocket" {
				m["gorilla"] = d.Version
			}
		}
	}
	for _, k := range b.servers {
		if version := b.field.Version(k); version != "" {
			m[string(k)] = version
		}
	}
	if out, err := exec.Command("node", "--version").Output(); err == nil {
		m["node"] = strings.TrimSpace(string(out))
	}
	return m
}

func firstLine(path string) string {
	text, _ := os.ReadFile(path) // nothing known is an answer, too
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	_, after, _ := strings.Cut(string(text), "model name\t: ")
	model, _, _ := strings.Cut(after, "\n")
	return model
}

func (b *bench) printMachine(machine map[string]string) {
	for _, key := range []string{"cpu", "cores", "kernel", "go", "GOGC", "GOMAXPROCS", "gorilla", "node", "y-webrtc", "peerjs", "socket.io", "rounds"} {
		if value := machine[key]; value != "" {
			fmt.Fprintf(b.out, "%-10s  %s\n", key, value)
		}
	}
}

// printSection prints the medians of a scenario, a column for each server.
func (b *bench) printSection(scenario string) {
	fmt.Fprintf(b.out, "\n%s\n", scenario)
	table := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(first string, cell func(contender.Kind) string) {
		fmt.Fprint(table, first, "\t")
		for _, k := range b.servers {
			fmt.Fprint(table, cell(k), "\t")
		}
		fmt.Fprintln(table)
	}
	row("", func(k contender.Kind) string { return string(k) })
	for _, what := range b.results.order {
		name, of := strings.CutPrefix(what, scenario+"/")
		if !of {
			continue
		}
		row(name, func(k contender.Kind) string {
			if v, ok := b.results.get(what, k); ok {
				return number(v)
			}
			return "–"
		})
	}
	_ = table.Flush() // to where everything else is printed
}

// number writes a result with as many digits as it deserves.
func number(v float64) string {
	switch {
	case v >= 1000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
