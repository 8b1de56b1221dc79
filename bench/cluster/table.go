//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"
)

const (
	beginMark = "<!-- bench-cluster: written by make bench-cluster -->"
	endMark   = "<!-- /bench-cluster -->"
)

// writeTable writes the table of a file between the markers that are there.
func (b *bench) writeTable(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), beginMark)
	_, after, ended := strings.Cut(rest, endMark)
	if !ok || !ended {
		return fmt.Errorf("%s: there are no lines %q and %q to write between", path, beginMark, endMark)
	}
	return os.WriteFile(path, []byte(before+beginMark+"\n"+b.markdown()+endMark+after), 0o644)
}

// markdown returns the table.
func (b *bench) markdown() string {
	t := new(strings.Builder)
	fmt.Fprintf(t, "%s; medians of %d rounds. Frames are of %d bytes, between %d pairs, both ways.\n\n| |", b.book.Machine, b.book.Rounds, frameSize, fullSizes.pairs)
	for _, title := range []string{"in memory", "Redis", "Redis, two nodes"} {
		fmt.Fprintf(t, " %s |", title)
	}
	t.WriteString("\n|---|---|---|---|\n")
	for _, what := range b.book.Order {
		_, name, _ := strings.Cut(what, "/")
		if strings.HasSuffix(name, "refused, %") || strings.HasSuffix(name, "frames/s") && !strings.HasPrefix(name, saturated) {
			continue
		}
		fmt.Fprintf(t, "| %s |", name)
		for _, in := range allSetups {
			fmt.Fprintf(t, " %s |", b.cell(what, in))
		}
		t.WriteString("\n")
	}
	t.WriteString("\n")
	for _, f := range b.figures() {
		if !f.holds() {
			fmt.Fprintf(t, "- not reached: %s, %s%s\n", f.what, number(f.got), f.unit)
		}
	}
	for _, line := range b.limits() {
		fmt.Fprintf(t, "- %s\n", line)
	}
	return t.String()
}
