package main

import (
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-rtc/parley/relay/credentials"
)

// write writes a file of a test's own and returns its path.
func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// logged starts the program with its log in a file, and returns what reads that.
func logged(t *testing.T, args ...string) (*process, func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = file
	p := start(t, nil, args...)
	os.Stderr = stderr
	t.Cleanup(func() { file.Close() })
	return p, func() string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

// hangUp sends SIGHUP to this process, and waits until the log says what comes of it.
func hangUp(t *testing.T, log func() string, want ...string) {
	t.Helper()
	before := len(log())
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		said, found := log()[before:], 0
		for _, text := range want {
			if strings.Contains(said, text) {
				found++
			}
		}
		if found == len(want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say %q:\n%s", want, said)
		}
	}
}

func TestSIGHUPReadsTheFilesAgain(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGHUP")
	}
	dir := t.TempDir()
	secrets := write(t, filepath.Join(dir, "secrets"), "# the first\nnorth\n")
	users := write(t, filepath.Join(dir, "users"), "alice:pass:word\n")
	peers := write(t, filepath.Join(dir, "peers"), "allow 10.0.0.0/8\ndeny 192.0.2.1\n")
	p, log := logged(t, "--listen=127.0.0.1:0", "--public-ip=127.0.0.1", "--secret-file="+secrets, "--user-file="+users, "--peers-file="+peers)
	may := func(name, username, password string, want bool) {
		t.Helper()
		if err := allocate(t, p.addrs[0], username, password); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	mint := func(secret string) (string, string) {
		t.Helper()
		ring, err := credentials.New(secret)
		if err != nil {
			t.Fatal(err)
		}
		credential, err := ring.Mint("carol", time.Now(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return credential.Username, credential.Password
	}
	mayWith := func(secret string, want bool) {
		t.Helper()
		username, password := mint(secret)
		may("the secret "+secret, username, password, want)
	}
	may("alice at first", "alice", "pass:word", true)
	mayWith("north", true)
	mayWith("south", false)

	write(t, secrets, "south\nnorth\n")
	write(t, users, "bob:secret\n")
	hangUp(t, log, "msg=reloaded")
	may("alice, gone", "alice", "pass:word", false)
	may("bob", "bob", "secret", true)
	mayWith("north", true)
	mayWith("south", true)

	for name, broken := range map[string]struct{ path, text, good, want string }{
		"a user twice":        {users, "bob:secret\nbob:other\n", "bob:secret\n", users + `: line 2: \"bob\" is given twice`},
		"a peer that is none": {peers, "# none\nallow everybody\n", "allow 10.0.0.0/8\n", peers + `: line 2: \"everybody\" is not an address or a network`},
		"no secret":           {secrets, "# gone\n", "south\nnorth\n", secrets + ": there is no secret in it"},
	} {
		write(t, broken.path, broken.text)
		hangUp(t, log, "level=ERROR", "not reloaded", broken.want)
		may(name+": bob", "bob", "secret", true)
		mayWith("north", true)
		write(t, broken.path, broken.good)
	}
	hangUp(t, log, "msg=reloaded")
	if said := log(); !strings.Contains(said, `msg="relay reloaded" secrets=2 users=1 allowed_peers=1 denied_peers=0 `) {
		t.Errorf("the log does not say what is in force:\n%s", said)
	}
	if said := log(); strings.Contains(said, "secret\n") || strings.Contains(said, "pass:word") || strings.Contains(said, "bob:other") {
		t.Errorf("the log shows a password:\n%s", said)
	}
}

// A process that drains reloads, too: it must not end of the signal that it lived with until then.
func TestSIGHUPWhileDraining(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGHUP")
	}
	spare := make(chan os.Signal, 1) // so that a process without a handler fails the test, and does not end it
	signal.Notify(spare, syscall.SIGHUP)
	defer signal.Stop(spare)
	p, log := logged(t, "--listen=127.0.0.1:0", "--public-ip=127.0.0.1", "--user=alice:secret", "--admin-listen=:0")
	relayed, err := hold(t, p.addrs[0], "alice", "secret")
	if err != nil {
		t.Fatal(err)
	}
	ready := adminOf(t, p) + "/readyz"
	p.stop()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if code, _ := ask(t, "GET", ready, ""); code == http.StatusServiceUnavailable {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not drain")
		}
	}
	hangUp(t, log, "msg=reloaded")
	if err := relayed.Close(); err != nil {
		t.Error(err)
	}
}

func TestSIGHUPWithABrokenCertificate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGHUP")
	}
	files := certificate(t, time.Now().Add(240*time.Hour))
	p, log := logged(t, append(files, "--listen=127.0.0.1:0", "--public-ip=127.0.0.1", "--user=alice:secret")...)
	write(t, strings.TrimPrefix(files[0], "--tls-cert="), "none")
	hangUp(t, log, `msg="relay reloaded" secrets=0 users=1 `, `msg="certificate not reloaded; the one before is still in force"`, "--tls-cert")
	if said := log(); !strings.Contains(said, "msg=serving listeners=3 ") { // UDP, DTLS, TCP
		t.Errorf("it serves other listeners than it says:\n%s", said)
	}
	if said := log(); strings.Contains(said, "users and peers not reloaded") || strings.Contains(said, "msg=reloaded") {
		t.Errorf("the log contradicts itself:\n%s", said)
	}
	if _, err := hold(t, p.addrs[0], "alice", "secret"); err != nil {
		t.Fatal(err)
	}
	p.stop()
	if err := <-p.done; err != nil {
		t.Error(err)
	}
	if said := log(); !strings.Contains(said, "msg=draining allocations=1 for_at_most=8s") || !strings.Contains(said, "reason=closed") {
		t.Errorf("the log does not say what is drained:\n%s", said)
	}
}

func TestBrokenFilesAreNamed(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct{ flag, text, want string }{
		"a user without a password": {"--user-file", "\nbob:\n", "line 2"},
		"a user that is a password": {"--user-file", "hunter2\n", `line 1: "…"`},
		"no user":                   {"--user-file", "#\n", "no user"},
		"no secret":                 {"--secret-file", "", "no secret"},
		"a rule of its own":         {"--peers-file", "permit 10.0.0.0/8\n", `line 1: it is not of the form "allow CIDR"`},
		"a range that is none":      {"--peers-file", "allow 10.0.0.0/8\ndeny 10.0.0.0/40\n", `line 2: "10.0.0.0/40"`},
	} {
		file := write(t, filepath.Join(dir, "file"), test.text)
		err := run(t.Context(), []string{"--listen=127.0.0.1:0", "--public-ip=127.0.0.1", test.flag + "=" + file}, environment(nil), &output{})
		if err == nil || !strings.Contains(err.Error(), test.flag+": "+file) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
