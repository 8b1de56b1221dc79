package main

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/turn/v4"

	"github.com/parley-rtc/parley/relay/credentials"
)

func TestSIGHUPReadsTheSecretsAgain(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGHUP")
	}
	file := filepath.Join(t.TempDir(), "secrets")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		self, err := os.FindProcess(os.Getpid())
		if err == nil && text != "north\n" {
			err = self.Signal(syscall.SIGHUP)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write("north\n")
	p := start(t, nil, "--turn-secret-file", file, "--admin-listen", ":0")
	// given returns what a new peer is given, and which secret signed it.
	given := func() (addr, username, password, secret string) {
		t.Helper()
		for _, server := range join(t, p.url, "room").ICEServers {
			if strings.HasPrefix(server.URLs[0], "turn:") {
				addr = strings.TrimSuffix(strings.TrimPrefix(server.URLs[0], "turn:"), "?transport=udp")
				username, password = server.Username, server.Credential
			}
		}
		for _, secret := range []string{"north", "south", "east"} {
			ring, err := credentials.New(secret)
			if err != nil {
				t.Fatal(err)
			}
			if ring.Verify(username, password, time.Now()) == nil {
				return addr, username, password, secret
			}
		}
		t.Fatalf("%s is signed by nobody", username)
		return
	}
	until := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if _, _, _, secret := given(); secret == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("credentials are not signed with %s", want)
			}
		}
	}
	allocate := func(addr, username, password string) error {
		t.Helper()
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		client, err := turn.NewClient(&turn.ClientConfig{TURNServerAddr: addr, Conn: conn, Username: username, Password: password})
		if err == nil {
			err = client.Listen()
		}
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		relayed, err := client.Allocate()
		if err != nil {
			return err
		}
		return relayed.Close()
	}
	addr, username, password, secret := given()
	if secret != "north" {
		t.Fatalf("signed with %s", secret)
	}
	write("south\nnorth\n")
	until("south")
	if err := allocate(addr, username, password); err != nil {
		t.Errorf("with the old secret: %v", err)
	}
	addr, username, password, _ = given()
	if err := allocate(addr, username, password); err != nil {
		t.Errorf("with the new secret: %v", err)
	}
	write("# broken\n")
	write("east\n") // read after the broken one, which changes nothing by itself
	until("east")
	if err := allocate(addr, username, password); err == nil {
		t.Error("a secret that is gone still gets an allocation")
	}
	if status, text := get(t, p.adminURL(t)+"/healthz"); status != 200 {
		t.Errorf("/healthz of operators: %d %s", status, text)
	}
}

func TestTurnSecretFilesAreChecked(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("# none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"two sources of secrets": {[]string{"--turn-secret", "s", "--turn-secret-file", empty}, "--turn-secret-file: there is a --turn-secret already"},
		"an empty file":          {[]string{"--turn-secret-file", empty}, "--turn-secret-file: " + empty + ": there is no secret in it"},
		"no file":                {[]string{"--turn-secret-file", empty + "x"}, "no such file"},
	} {
		err := run(t.Context(), append(c.args, "--listen", "127.0.0.1:0", "--relay-listen", "127.0.0.1:0"), func(string) string { return "" }, &output{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
