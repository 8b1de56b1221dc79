package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func portText(number int) string { return strconv.Itoa(number) }

// help is what a program says of its flags and variables.
var help = map[string]func() (string, error){
	"signal": sync.OnceValues(func() (string, error) { return helpOf("signal") }),
	"turn":   sync.OnceValues(func() (string, error) { return helpOf("turn") }),
}

func helpOf(program string) (string, error) {
	run := exec.Command("go", "run", "./cmd/"+program, "--help")
	run.Dir = filepath.Join("..", "..")
	out, err := run.CombinedOutput()
	return string(out), err
}

// takes fails unless a program has all of these flags and variables of the environment.
func takes(t *testing.T, program string, given map[string]string) {
	t.Helper()
	of, is := help[program]
	if !is {
		t.Errorf("there is no program %q", program)
		return
	}
	text, err := of()
	if err != nil {
		t.Fatalf("%s --help: %v\n%s", program, err, text)
	}
	for name := range given {
		pattern := regexp.QuoteMeta(name) + `[= \n,)]`
		if strings.HasPrefix(name, "PARLEY_") {
			pattern = `\$` + pattern
		}
		if !regexp.MustCompile(pattern).MatchString(text) {
			t.Errorf("%s is given %s, which it does not know", program, name)
		}
	}
}

var flagOfHelp = regexp.MustCompile(`(?m)^ +(?:-h, +)?(--[a-z0-9-]+)`)

func TestEachFlagIsToldOfInTheDocuments(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	operations := read("docs/operations.md")
	for program, told := range map[string]string{"signal": operations + read("README.md"), "turn": operations} {
		text, err := help[program]()
		if err != nil {
			t.Fatalf("%s --help: %v\n%s", program, err, text)
		}
		flags := flagOfHelp.FindAllStringSubmatch(text, -1)
		if len(flags) < 30 {
			t.Errorf("%s --help has %d flags:\n%s", program, len(flags), text)
		}
		for _, f := range flags {
			// In code: `--flag`, `--flag VALUE`, `turn --flag`.
			if f[1] != "--help" && !regexp.MustCompile("`[^`\n]*"+f[1]+"[ `:,]").MatchString(told) {
				t.Errorf("no document tells of %s of %s", f[1], program)
			}
		}
	}
}
