//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"
)

// measured names the table of what was measured; others, of sizings, are calculated from it.
const measured = "written by make bench-cluster"

// marks are the lines that a table stands between.
func marks(name string) (begin, end string) {
	if name == measured {
		return "<!-- bench-cluster: " + name + " -->\n", "<!-- /bench-cluster -->"
	}
	return "<!-- bench-cluster: " + name + " -->\n", "<!-- /bench-cluster: " + name + " -->"
}

// writeTables writes the tables of files, separated by commas, between the markers that are there.
func (b *bench) writeTables(paths string) error {
	tables := b.book.sizings()
	tables[measured] = b.markdown()
	for path := range strings.SplitSeq(paths, ",") {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		written, found := string(text), false
		for name, table := range tables {
			begin, end := marks(name)
			before, rest, ok := strings.Cut(written, begin)
			_, after, ended := strings.Cut(rest, end)
			if ok && ended && table == "" {
				return fmt.Errorf("%s: %q needs the scenarios pair, at 1,000 frames a second, steps and memory", path, name)
			}
			if ok && ended {
				written, found = before+begin+table+end+after, true
			}
		}
		if !found {
			begin, end := marks(measured)
			return fmt.Errorf("%s: there are no lines %q and %q to write between", path, begin, end)
		}
		if err := os.WriteFile(path, []byte(written), 0o644); err != nil {
			return err
		}
	}
	return nil
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
