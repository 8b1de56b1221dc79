//go:build linux

package gauge

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
)

func TestRSSCountsMemoryThatIsUsed(t *testing.T) {
	const size = 64 << 20
	before, err := RSS(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	memory := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		memory[i] = 1
	}
	after, err := RSS(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(memory)
	if grown := after - before; grown < size*9/10 || grown > size*3 { // the race detector has as much again
		t.Errorf("%d bytes were used, and the RSS grew by %d", size, grown)
	}
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if n, err := RSS(cmd.Process.Pid); err == nil {
		t.Errorf("of no process: got %d and no error", n)
	}
}

func TestParseSlab(t *testing.T) {
	const table = "slabinfo - version: 2.1\n" +
		"# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables\n" +
		"UDPv6                154    176   1472   22    8 : tunables    0    0    0 : slabdata      8      8      0\n" +
		"UDP                   96     96   1344   12    4 : tunables    0    0    0 : slabdata      8      8      0\n" +
		"filp               23356  23436    192   21    1 : tunables    0    0    0 : slabdata   1116   1116      0\n"
	got, err := parseSlab(table, []string{"UDP", "filp", "of no such name"})
	if want := int64(96*1344 + 23356*192); got != want || err != nil {
		t.Errorf("got %d, %v, want %d", got, err, want)
	}
	if _, err := parseSlab("UDP x 96 1344\n", []string{"UDP"}); err == nil {
		t.Error("what is no number is taken for one")
	}
}
