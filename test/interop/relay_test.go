package interop

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// relay is a run of cmd/turn, and where it listens.
type relay struct {
	udp, udp6, tcp, tls string
}

// startRelay builds cmd/turn and runs it on loopback until the test ends.
func startRelay(t *testing.T, args ...string) relay {
	t.Helper()
	dir := t.TempDir()
	binary, certificate, key := filepath.Join(dir, "turn"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, certificate, key)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/parley-rtc/parley/cmd/turn")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build cmd/turn: %v\n%s", err, out)
	}
	args = append(args, "--listen=127.0.0.1:0", "--listen=[::1]:0", "--listen-tcp=127.0.0.1:0", "--listen-tls=127.0.0.1:0",
		"--tls-cert="+certificate, "--tls-key="+key, "--public-ip=127.0.0.1,::1", "--relay-bind=127.0.0.1,::1",
		"--secret=s3cret", "--user=bob:secret", "--max-allocations-per-user=1000", "--relay-tcp",
		"--wide-channels", // coturn's client chooses channel numbers as RFC 5766 did
		"--log-level=error")
	process := exec.CommandContext(context.WithoutCancel(t.Context()), binary, args...)
	process.Stderr = os.Stderr
	stdout, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Allocations that coturn's client left behind make the first signal wait.
		_ = process.Process.Signal(syscall.SIGTERM)
		time.Sleep(100 * time.Millisecond) // two at once count as one
		_ = process.Process.Signal(syscall.SIGTERM)
		if err := process.Wait(); err != nil {
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 130 {
				t.Errorf("the relay ended with %v", err)
			}
		}
	})
	watchdog := time.AfterFunc(10*time.Second, func() { _ = process.Process.Kill() })
	defer watchdog.Stop()
	var r relay
	lines := bufio.NewScanner(stdout)
	listening := regexp.MustCompile(`^  listening +(udp|tcp|tls) (\S+)$`)
	for lines.Scan() {
		if match := listening.FindStringSubmatch(lines.Text()); match != nil {
			switch addr := match[2]; {
			case match[1] == "tcp":
				r.tcp = addr
			case match[1] == "tls":
				r.tls = addr
			case strings.HasPrefix(addr, "["):
				r.udp6 = addr
			default:
				r.udp = addr
			}
		}
		if r.udp != "" && r.udp6 != "" && r.tcp != "" && r.tls != "" {
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return r
		}
	}
	t.Fatalf("the relay does not say where it listens: %v", lines.Err())
	return r
}

// writeCertificate writes a certificate for localhost that is good for an hour.
func writeCertificate(t *testing.T, certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: der},
		key:         {Type: "PRIVATE KEY", Bytes: encoded},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
