package cluster

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Building nodes whose clocks can be wrong builds all of Go's library anew.
var clocks = flag.Bool("clocks", false, "let the clocks of nodes differ by minutes")

// wrongBy is by how much each node's clock differs from the one's before, the first being as much too late.
const wrongBy = 10 * time.Minute

// overlay returns the flags by which a program is built whose clock is wrong by CLOCK_WRONG_BY seconds.
func overlay(t *testing.T) []string {
	t.Helper()
	if !*clocks {
		return nil
	}
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(strings.TrimSpace(string(out)), "src", "time", "time.go")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if !strings.Contains(string(text), now) {
		t.Fatal("this Go reads its clock in another way")
	}
	source := strings.Replace(string(text), now, now+"\tsec += wrongBy\n", 1)
	source = strings.Replace(source, "import (\n", "import (\n\t\"syscall\"\n", 1) + `
var wrongBy = func() (seconds int64) {
	text, _ := syscall.Getenv("CLOCK_WRONG_BY")
	sign := int64(1)
	for _, c := range []byte(text) {
		if c == '-' {
			sign = -1
		} else {
			seconds = 10*seconds + int64(c-'0')
		}
	}
	return sign * seconds
}()
`
	wrong := filepath.Join(t.TempDir(), "time.go")
	config, err := json.Marshal(map[string]any{"Replace": map[string]string{file: wrong}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{wrong: []byte(source), wrong + ".json": config} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"-overlay", wrong + ".json"}
}

// clock is the environment of a node.
func clock(index int) []string {
	return append(os.Environ(), "CLOCK_WRONG_BY="+strconv.Itoa((index-1)*int(wrongBy/time.Second)))
}

// checkClocks fails unless the nodes' clocks are as wrong as they are meant to be.
func (c *cluster) checkClocks() {
	c.t.Helper()
	if !*clocks {
		return
	}
	for i, n := range c.nodes {
		res, err := http.Get("http://" + n.address + "/readyz")
		if err != nil {
			c.t.Fatal(err)
		}
		res.Body.Close()
		at, err := http.ParseTime(res.Header.Get("Date"))
		if err != nil {
			c.t.Fatal(err)
		}
		if off := time.Until(at) - time.Duration(i-1)*wrongBy; off.Abs() > wrongBy/4 {
			c.t.Fatalf("node %d is told to have its clock wrong by %v, and is off that by %v", i, time.Duration(i-1)*wrongBy, off)
		}
	}
}
