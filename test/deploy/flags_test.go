package deploy

import (
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
