package signaling_test

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-rtc/parley/signaling"
)

// byHand is the conversation in the protocol's text: commands, each with what it prints.
var byHand = regexp.MustCompile("(?s)<!-- by hand -->\n```console\n(.*?)\n```\n")

func TestTheConversationByHandIsAsTheProtocolTells(t *testing.T) {
	text, err := os.ReadFile("../docs/protocol/signaling.md")
	if err != nil {
		t.Fatal(err)
	}
	found := byHand.FindStringSubmatch(string(text))
	if found == nil {
		t.Fatal("there is no conversation")
	}
	s := serve(t, signaling.Config{})
	const end = "-- end of a command --"
	var commands, prints []string
	script := "set -o pipefail\n"
	for step := range strings.SplitSeq(strings.TrimPrefix(found[1], "$ "), "\n$ ") {
		command, print, _ := strings.Cut(step, "\n")
		commands, prints = append(commands, command), append(prints, strings.TrimSpace(print))
		script += strings.ReplaceAll(command, "http://localhost:8080", s.url) + "\necho; echo '" + end + "'\n"
	}
	if len(commands) < 20 {
		t.Fatalf("there are only %d commands", len(commands))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 6*patience)
	defer cancel()
	bash := exec.CommandContext(ctx, "bash", "-c", script)
	bash.Dir = t.TempDir()
	bash.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that what runs in the background ends, too
	bash.Cancel = func() error { return syscall.Kill(-bash.Process.Pid, syscall.SIGKILL) }
	bash.WaitDelay = patience
	out, err := bash.CombinedOutput()
	if err != nil {
		t.Errorf("bash: %v", err)
	}
	got := strings.Split(string(out), end)
	for i, command := range commands {
		if i >= len(got)-1 {
			t.Fatalf("no end of\n%s\nin\n%s", command, out)
		}
		pattern := "(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(prints[i]), "…", ".*") + "$"
		if print := strings.TrimSpace(got[i]); !regexp.MustCompile(pattern).MatchString(print) {
			t.Errorf("%s\nprints\n%s\nnot\n%s", command, print, prints[i])
		}
	}
}
