//go:build linux

package main

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// shown is a book of the results that docs/scale.md has.
func shown(t *testing.T) *book {
	t.Helper()
	text, err := os.ReadFile("../../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	begin, end := marks(measured)
	_, rest, _ := strings.Cut(string(text), begin)
	table, _, _ := strings.Cut(rest, end)
	b := &book{Results: make(map[string]map[setup][]float64)}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 1+setups {
			continue
		}
		for i, in := range allSetups {
			v, err := strconv.ParseFloat(strings.Trim(cells[1+i], " |"), 64)
			if err != nil {
				continue
			}
			for _, scenario := range scenarios {
				b.add(scenario+"/"+strings.Trim(cells[0], " |"), in, v)
			}
		}
	}
	return b
}

func TestTheTablesOfSizesFollowFromWhatWasMeasured(t *testing.T) {
	tables := shown(t).sizings()
	for name, path := range map[string]string{"a million": "../../docs/scale.md", "how many": "../../docs/operations.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		begin, end := marks(name)
		if tables[name] == "" || !strings.Contains(string(text), begin+tables[name]+end) {
			t.Errorf("%s has another table between %q and %q than follows from docs/scale.md:\n%s", path, begin, end, tables[name])
		}
	}
}

func TestSizings(t *testing.T) {
	b := &book{Results: make(map[string]map[setup][]float64)}
	for _, in := range []setup{inMemory, oneNode} {
		for _, of := range []string{"node", "Redis"} {
			for what, cost := range map[string]float64{"a join": 300, "its WebSocket": 400, "to leave": 200, "a heartbeat": 100} {
				b.add("steps/"+what+", "+of+" CPU, µs", in, cost)
			}
			b.add("pair/1000 a second, "+of+" CPU a frame, µs", in, 180)
		}
	}
	if got := b.sizings()["how many"]; got != "" {
		t.Errorf("without the bytes of a session there is a table:\n%s", got)
	}
	b.add("memory/bytes of an idle session", oneNode, 1000)
	// 900/1800 + 100/25 + 180*20/1800 = 6.5 µs a second
	for _, want := range []string{
		"| up to 50,000 | 1, without Redis: 32 % busy | 410 MB | none | |\n",
		"| 30,000 | 3 | 460 MB | 1, and a replica | 30 MB |\n",
		"| 100,000 | 3 | 1.5 GB | a cluster of 3 masters | 100 MB |\n",
		"| 1,000,000 | 20 | 15.3 GB | a cluster of 13 masters | 1.0 GB |\n",
	} {
		if got := b.sizings()["how many"]; !strings.Contains(got, want) {
			t.Errorf("no line %q in\n%s", want, got)
		}
	}
	if got, want := b.sizings()["a million"], "| **together** | | **6.5** | **6.5** |\n"; !strings.HasSuffix(got, want) {
		t.Errorf("got\n%s, want %q at its end", got, want)
	}
}
