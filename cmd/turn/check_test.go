package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/internal/probe"
	"github.com/parley-rtc/parley/relay/credentials"
)

// certificate writes a certificate for loopback and its key, and returns the flags that name them.
func certificate(t *testing.T, expires time.Time) []string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: expires,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert := write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	private := write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	return []string{"--tls-cert=" + cert, "--tls-key=" + private}
}

// listening returns where a run of the program listens over a transport.
func (p *process) listening(t *testing.T, transport string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^  listening +` + transport + ` (\S+)$`).FindStringSubmatch(p.out.String())
	if found == nil {
		t.Fatalf("it does not listen over %s:\n%s", transport, p.out)
	}
	return found[1]
}

// checked runs turn check and returns what it prints and its error.
func checked(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out := &output{}
	err := run(t.Context(), append([]string{"check"}, args...), environment(nil), out)
	return out.String(), err
}

// servedBy starts a relay on loopback with the secret north.
func servedBy(t *testing.T, args ...string) *process {
	t.Helper()
	flags := []string{"--secret=north", "--log-level=error"}
	if !slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--listen=") }) {
		flags = append(flags, "--listen=127.0.0.1:0")
	}
	if !slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--public-ip=") }) {
		flags = append(flags, "--public-ip=127.0.0.1")
	}
	return start(t, nil, append(flags, args...)...)
}

func TestCheckOfARelayThatServes(t *testing.T) {
	p := servedBy(t, append(certificate(t, time.Now().Add(240*time.Hour)), "--listen-tcp=127.0.0.1:0", "--listen-tls=127.0.0.1:0", "--user=alice:pass:word", "--admin-listen=:0")...)
	text, err := checked(t, "--secret=north", "--insecure", "turn:"+p.addrs[0], "turn:"+p.listening(t, "tcp")+"?transport=tcp",
		"turns:"+p.listening(t, "tls"), "turns:"+p.addrs[0]+"?transport=udp", "stun:"+p.addrs[0])
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for what, times := range map[string]int{
		"ok    resolve": 5, "ok    STUN binding": 5, "ok    challenge": 4, `401, realm "parley"`: 4, "ok    allocate": 4, "ok    relay to relay": 4,
		"skip  from outside": 4, "ok    deallocate": 4, "ok    TCP connect": 2, "ok    TLS handshake": 1, "ok    DTLS handshake": 1, "the certificate expires in 10.0 days": 2,
		"certificate for localhost, 127.0.0.1": 2, "0 of 50 packets lost": 4, "FAIL": 0,
	} {
		if got := strings.Count(text, what); got != times {
			t.Errorf("it says %q %d times, want %d:\n%s", what, got, times, text)
		}
	}
	if text, err := checked(t, "--user=alice:pass:word", "turn:"+p.addrs[0]); err != nil {
		t.Errorf("as a user: %v\n%s", err, text)
	}
	if _, text := ask(t, "GET", adminOf(t, p)+"/v1/admin/relay/allocations", ""); !strings.Contains(text, `"allocations":[]`) {
		t.Errorf("it leaves behind %s", text)
	}
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	closed, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.LocalAddr().String()
	closed.Close()
	good := servedBy(t, "--user=alice:secret", "--listen-tcp=127.0.0.1:0")
	expired := servedBy(t, append(certificate(t, time.Now().Add(-time.Hour)), "--listen-tls=127.0.0.1:0")...)
	full := servedBy(t, "--ports=23130", "--user=alice:secret")
	if _, err := hold(t, full.addrs[0], "alice", "secret"); err != nil {
		t.Fatal(err)
	}
	north := "--secret=north"
	for name, test := range map[string]struct {
		args       []string
		step, want string
	}{
		"a name that is not":              {[]string{north, "turn:" + strings.Repeat("x", 64) + ".example"}, "resolve", "not in the DNS"},
		"nothing listens, UDP":            {[]string{north, "turn:" + nobody}, "STUN binding", "nothing listens"},
		"nothing listens, TCP":            {[]string{north, "turn:" + nobody + "?transport=tcp"}, "TCP connect", "nothing listens"},
		"TLS to a port without":           {[]string{north, "turns:" + good.listening(t, "tcp")}, "TLS handshake", "certificate"},
		"DTLS to a relay without":         {[]string{north, "--timeout=500ms", "turns:" + good.addrs[0] + "?transport=udp"}, "DTLS handshake", "--tls-cert"},
		"TCP to a port with TLS":          {[]string{north, "--timeout=1s", "turn:" + expired.listening(t, "tls") + "?transport=tcp"}, "STUN binding", "that port speaks TLS; write turns:"},
		"a certificate that has expired":  {[]string{north, "turns:" + expired.listening(t, "tls")}, "TLS handshake", "has expired"},
		"the same over DTLS":              {[]string{north, "turns:" + expired.addrs[0] + "?transport=udp"}, "DTLS handshake", "has expired"},
		"the same, and any is taken":      {[]string{north, "--insecure", "turns:" + expired.listening(t, "tls")}, "", "clients will refuse it"},
		"a STUN server, silent otherwise": {[]string{north, "--timeout=500ms", "turn:" + onlySTUN(t, false)}, "challenge", "not TURN"},
		"a STUN server, polite":           {[]string{north, "turn:" + onlySTUN(t, true)}, "challenge", "not TURN"},
		"another secret":                  {[]string{"--secret=south", "turn:" + good.addrs[0]}, "allocate", "secret differs"},
		"another password":                {[]string{"--user=alice:guess", "turn:" + good.addrs[0]}, "allocate", "with another password"},
		"no ports left":                   {[]string{north, "turn:" + full.addrs[0]}, "allocate", "--ports"},
		"one port left":                   {[]string{north, "turn:" + servedBy(t, "--ports=23131").addrs[0]}, "second allocation", "--ports"},
		"peers that are denied":           {[]string{north, "turn:" + servedBy(t, "--deny-peer=127.0.0.0/8").addrs[0]}, "permission", "--deny-peer"},
		"ports that lead nowhere":         {[]string{north, "--timeout=2s", "turn:" + servedBy(t, "--listen=127.0.0.3:0", "--public-ip=127.0.0.2/127.0.0.4", "--allow-loopback").addrs[0]}, "from outside", "firewall"},
		"a check on the relay's host":     {[]string{north, "turn:" + good.addrs[0]}, "", "skip  from outside"},
		"a peer that is denied":           {[]string{north, "turn:" + servedBy(t, "--listen=127.0.0.3:0", "--public-ip=127.0.0.2/127.0.0.4").addrs[0]}, "", "skip  from outside"},
		"ports that lead to the relay":    {[]string{north, "turn:" + servedBy(t, "--listen=127.0.0.3:0", "--public-ip=127.0.0.2", "--relay-bind=127.0.0.2", "--allow-loopback").addrs[0]}, "", "ok    from outside"},
		"the same, over TCP":              {[]string{north, "turn:" + servedBy(t, "--public-ip=127.0.0.2", "--relay-bind=127.0.0.2", "--allow-loopback", "--listen-tcp=127.0.0.3:0").listening(t, "tcp") + "?transport=tcp"}, "", "ok    from outside"},
		"no bandwidth":                    {[]string{north, "--timeout=500ms", "turn:" + servedBy(t, "--bits=8").addrs[0]}, "relay to relay", "--bits"},
		"an address that nobody can use":  {[]string{north, "turn:" + servedBy(t).addrs[0]}, "", "only peers of the same network"},
	} {
		text, err := checked(t, test.args...)
		if test.step == "" {
			if err != nil || !strings.Contains(text, test.want) {
				t.Errorf("%s: %v; want a warning with %q:\n%s", name, err, test.want, text)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), ": "+test.step+": ") {
			t.Errorf("%s: error %v, want step %s", name, err, test.step)
		}
		if _, usage := errors.AsType[*daemon.UsageError](err); usage {
			t.Errorf("%s: %v counts as wrong usage", name, err)
		}
		_, failure, _ := strings.Cut(text, "FAIL")
		if !strings.Contains(failure, test.step) || !strings.Contains(failure, "likely: ") || !strings.Contains(failure, test.want) {
			t.Errorf("%s: want %s with %q:\n%s", name, test.step, test.want, text)
		}
	}
}

func TestCheckUsage(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no URL":                   {nil, "<url>"},
		"what is no URL":           {[]string{"--secret=s", "relay.example"}, `"relay.example" is not a URL like`},
		"TURN without credentials": {[]string{"turn:127.0.0.1"}, "give --secret"},
		"two credentials":          {[]string{"--secret=s", "--user=a:b", "turn:127.0.0.1"}, "give one of them"},
		"a user without password":  {[]string{"--user=a", "turn:127.0.0.1"}, "--user"},
		"an empty user":            {[]string{"--user=", "turn:127.0.0.1"}, "--user"},
		"an empty secret":          {[]string{"--secret=", "turn:127.0.0.1"}, "--secret"},
		"a file that is not":       {[]string{"--secret-file=/nowhere", "turn:127.0.0.1"}, "--secret-file: /nowhere"},
		"no time":                  {[]string{"--secret=s", "--ttl=0s", "turn:127.0.0.1"}, "--ttl"},
	} {
		_, err := checked(t, test.args...)
		if usage, ok := errors.AsType[*daemon.UsageError](err); !ok || usage.Program != "turn check" || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// onlySTUN answers Binding requests, and others with a bare 400 if it is polite; it returns its address.
func onlySTUN(t *testing.T, polite bool) string {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			request := stun.New()
			if stun.Decode(buf[:n], request) != nil {
				continue
			}
			var answer *stun.Message
			switch udp := from.(*net.UDPAddr); {
			case request.Type == stun.BindingRequest:
				answer = stun.MustBuild(request, stun.BindingSuccess, &stun.XORMappedAddress{IP: udp.IP, Port: udp.Port})
			case polite:
				answer = stun.MustBuild(request, stun.NewType(request.Type.Method, stun.ClassErrorResponse), stun.CodeBadRequest)
			default:
				continue
			}
			_, _ = conn.WriteTo(answer.Raw, from)
		}
	}()
	return conn.LocalAddr().String()
}

func TestCheckFindsAWrongClock(t *testing.T) {
	p := servedBy(t)
	ring, err := credentials.New("north")
	if err != nil {
		t.Fatal(err)
	}
	uri, err := stun.ParseURI("turn:" + p.addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	late := func(ttl time.Duration) (string, string, error) { // as where the clock is an hour late
		credential, err := ring.Mint("turn-check", time.Now().Add(-time.Hour), ttl)
		return credential.Username, credential.Password, err
	}
	failed := probe.Check(t.Context(), probe.Target{
		URI: *uri, Credentials: late, Minted: true, TTL: 5 * time.Minute, Timeout: 5 * time.Second,
	}, func(probe.Step) {})
	if failed == nil || failed.Name != "allocate" || !strings.Contains(failed.Cure, "clocks") || !strings.Contains(failed.Cure, "5m0s") {
		t.Errorf("got %+v", failed)
	}
}
