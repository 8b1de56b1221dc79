package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/turn/v4"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/internal/leaktest"
	"github.com/parley-rtc/parley/relay/credentials"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// patience is how long a test waits for what should happen at once.
const patience = 10 * time.Second

func TestServesTimeLimitedCredentials(t *testing.T) {
	p := start(t, nil, "--listen=127.0.0.1:0", "--public-ip=127.0.0.1", "--secret=new", "--secret=old", "--log-level=error")
	for _, secret := range []string{"new", "old"} {
		ring, err := credentials.New(secret)
		if err != nil {
			t.Fatal(err)
		}
		credential, err := ring.Mint("alice", time.Now(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if err := allocate(t, p.addrs[0], credential.Username, credential.Password); err != nil {
			t.Errorf("with the %s secret: %v", secret, err)
		}
	}
	if strings.Contains(p.out.String(), "new") || strings.Contains(p.out.String(), "old") {
		t.Errorf("the output shows a given secret:\n%s", p.out)
	}
}

func TestServesFixedUsersOnEveryListener(t *testing.T) {
	p := start(t, nil, "--listen=127.0.0.1:0", "--listen=127.0.0.1:0", "--public-ip=127.0.0.1",
		"--user=alice:pass:word", "--realm=lab", "--log-level=error")
	if len(p.addrs) != 2 {
		t.Fatalf("listening on %v, want two addresses", p.addrs)
	}
	for _, addr := range p.addrs {
		if err := allocate(t, addr, "alice", "pass:word"); err != nil {
			t.Errorf("on %s: %v", addr, err)
		}
	}
	if err := allocate(t, p.addrs[0], "alice", "password"); err == nil {
		t.Error("a wrong password got an allocation")
	}
}

func TestTakesFlagsFromTheEnvironment(t *testing.T) {
	p := start(t, map[string]string{
		"PARLEY_LISTEN":         "127.0.0.1:0,127.0.0.1:0",
		"PARLEY_PUBLIC_IP":      "198.51.100.7",
		"PARLEY_PORTS":          "50000-50100",
		"PARLEY_REALM":          "lab",
		"PARLEY_USER":           "alice:secret,bob:secret",
		"PARLEY_ALLOW_LOOPBACK": "true",
		"PARLEY_ALLOW_PEER":     "10.0.0.0/8,192.168.0.0/16,172.16.0.1",
		"PARLEY_NAT64":          "2001:db8::/96",
		"PARLEY_LOG_LEVEL":      "error",
	}, "--realm=flag")
	for _, want := range []string{
		`public IP +198\.51\.100\.7\n`,
		`ports +50000-50100\n`,
		`realm +flag\n`,
		`also allowed +10\.0\.0\.0/8, 192\.168\.0\.0/16, 172\.16\.0\.1/32, loopback\n`,
	} {
		if !regexp.MustCompile(want).MatchString(p.out.String()) {
			t.Errorf("output lacks %q:\n%s", want, p.out)
		}
	}
	if len(p.addrs) != 2 {
		t.Errorf("listening on %v, want two addresses", p.addrs)
	}
}

func TestMakesUpASecretAndPrintsIt(t *testing.T) {
	p := start(t, nil, "--listen=127.0.0.1:0", "--public-ip=127.0.0.1", "--log-level=error")
	match := regexp.MustCompile(`secret +([A-Z2-7]{26}) `).FindStringSubmatch(p.out.String())
	if match == nil {
		t.Fatalf("no secret in the output:\n%s", p.out)
	}
	ring, err := credentials.New(match[1])
	if err != nil {
		t.Fatal(err)
	}
	credential, err := ring.Mint("alice", time.Now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := allocate(t, p.addrs[0], credential.Username, credential.Password); err != nil {
		t.Error(err)
	}
}

func TestWrongFlagsAreNamed(t *testing.T) {
	taken, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	tests := map[string]struct {
		args  []string
		env   map[string]string
		want  []string
		usage bool
	}{
		"a peer prefix too long":       {args: []string{"--allow-peer=10.0.0.0/33"}, want: []string{"--allow-peer", "10.0.0.0/33"}, usage: true},
		"a peer that is no prefix":     {args: []string{"--deny-peer=ten"}, want: []string{"--deny-peer", `"ten" is not an address or a network`}, usage: true},
		"ports the wrong way round":    {args: []string{"--ports=60000-50000"}, want: []string{"--ports", "60000-50000"}, usage: true},
		"ports that are too high":      {args: []string{"--ports=60000-70000"}, want: []string{"--ports", "70000", "65535"}, usage: true},
		"ports in the environment":     {env: map[string]string{"PARLEY_PORTS": "many"}, want: []string{"PARLEY_PORTS", "many"}, usage: true},
		"a user without a colon":       {args: []string{"--user=bob"}, want: []string{"--user", "number 1"}, usage: true},
		"a user without a name":        {args: []string{"--user=:secret"}, want: []string{"--user", ":…"}, usage: true},
		"a user twice":                 {args: []string{"--user=bob:1", "--user=bob:2"}, want: []string{"--user", "bob"}, usage: true},
		"no user, though asked for":    {args: []string{"--user="}, want: []string{"--user", "empty"}, usage: true},
		"no secret, though asked for":  {args: []string{"--secret="}, want: []string{"--secret", "empty"}, usage: true},
		"no address to listen on":      {args: []string{"--listen="}, want: []string{"--listen", "empty"}, usage: true},
		"a name for an address":        {args: []string{"--public-ip=example.com"}, want: []string{"--public-ip", "example.com"}, usage: true},
		"two addresses of a family":    {args: []string{"--public-ip=192.0.2.1,192.0.2.2"}, want: []string{"--public-ip", "192.0.2.2", "IPv4"}, usage: true},
		"a NAT of two families":        {args: []string{"--public-ip=192.0.2.1/fd00::1"}, want: []string{"--public-ip", "192.0.2.1/fd00::1", "two families"}, usage: true},
		"found twice":                  {args: []string{"--public-ip=auto,auto"}, want: []string{"--public-ip", "IPv4"}, usage: true},
		"bound to two addresses":       {args: []string{"--public-ip=192.0.2.1/10.0.0.1", "--relay-bind=10.0.0.2"}, want: []string{"--relay-bind", "192.0.2.1/10.0.0.1"}, usage: true},
		"no STUN server, though asked": {args: []string{"--probe-stun="}, want: []string{"--probe-stun", "empty"}, usage: true},
		"an admin token for nothing":   {args: []string{"--admin-token=0123456789abcdef"}, want: []string{"--admin-token", "--admin-listen"}, usage: true},
		"a private address of nobody":  {args: []string{"--public-ip=198.51.100.7/192.0.2.9"}, want: []string{"--public-ip", "198.51.100.7/192.0.2.9", "cannot be bound to 192.0.2.9"}, usage: true},
		"halves the wrong way round":   {args: []string{"--public-ip=127.0.0.1/198.51.100.7"}, want: []string{"--public-ip", "127.0.0.1/198.51.100.7", "bound to 198.51.100.7"}, usage: true},
		"bound to nobody's address":    {args: []string{"--public-ip=198.51.100.7", "--relay-bind=192.0.2.9"}, want: []string{"--relay-bind", "192.0.2.9", "of this host"}, usage: true},
		"a family only bound to":       {args: []string{"--public-ip=192.0.2.1", "--relay-bind=2001:db8::1"}, want: []string{"--relay-bind", "--public-ip", "2001:db8::1"}, usage: true},
		"TLS without a certificate":    {args: []string{"--listen-tls=127.0.0.1:0"}, want: []string{"--listen-tls", "--tls-cert", "--tls-key"}, usage: true},
		"a certificate without a key":  {args: []string{"--tls-cert=cert.pem"}, want: []string{"--tls-cert", "--tls-key", "missing"}, usage: true},
		"a key without a certificate":  {args: []string{"--tls-key=key.pem"}, want: []string{"--tls-cert", "--tls-key", "missing"}, usage: true},
		"a certificate that is not":    {args: []string{"--tls-cert=/nowhere/cert.pem", "--tls-key=/nowhere/key.pem"}, want: []string{"--tls-cert", "/nowhere/cert.pem"}, usage: true},
		"ACME without TLS":             {args: []string{"--acme-domain=turn.example"}, want: []string{"--acme-domain", "--listen-tls", "443"}, usage: true},
		"a family of its own":          {args: []string{"--default-family=ipv5"}, want: []string{"--default-family: must be ipv4 or keep", "ipv5"}, usage: true},
		"two alternates of a family":   {args: []string{"--alternate=192.0.2.1:3478,192.0.2.2:3478"}, want: []string{"--alternate", "192.0.2.2", "IPv4"}, usage: true},
		"an alternate without a port":  {args: []string{"--alternate=192.0.2.1"}, want: []string{"--alternate", "192.0.2.1"}, usage: true},
		"a limit below zero":           {args: []string{"--bits=-1"}, want: []string{"--bits", "-1", "0"}, usage: true},
		"too many workers":             {args: []string{"--workers=257"}, want: []string{"--workers: must be 0 to 256", "257"}, usage: true},
		"fewer workers than none":      {args: []string{"--workers=-1"}, want: []string{"--workers: must be 0 to 256", "-1"}, usage: true},
		"no channels":                  {args: []string{"--max-channels=0"}, want: []string{"--max-channels", "1"}, usage: true},
		"no time to authenticate":      {args: []string{"--auth-timeout=1ms"}, want: []string{"--auth-timeout", "1s", "1ms"}, usage: true},
		"no new peers":                 {args: []string{"--max-new-peers=0"}, want: []string{"--max-new-peers", "1", "0"}, usage: true},
		"no time for a session":        {args: []string{"--max-session=0s"}, want: []string{"--max-session", "1s", "0s"}, usage: true},
		"no TCP address, though asked": {args: []string{"--listen-tcp="}, want: []string{"--listen-tcp", "empty"}, usage: true},
		"a log level of its own":       {args: []string{"--log-level=loud"}, want: []string{"--log-level", "loud"}, usage: true},
		"a flag of its own":            {args: []string{"--quiet"}, want: []string{"--quiet"}, usage: true},
		"a long realm":                 {args: []string{"--realm=" + strings.Repeat("r", 128)}, want: []string{"--realm", "127", "128"}, usage: true},
		"no realm":                     {args: []string{"--realm="}, want: []string{"--realm", "empty"}, usage: true},
		"a NAT64 prefix too long":      {args: []string{"--nat64=2001:db8::/97"}, want: []string{"--nat64", "2001:db8::/97", "96 bits"}, usage: true},
		"a NAT64 prefix of IPv4":       {args: []string{"--nat64=10.0.0.0/8"}, want: []string{"--nat64", "10.0.0.0/8", "IPv6"}, usage: true},
		"an address twice":             {args: []string{"--listen=127.0.0.1:3478,127.0.0.1:3478"}, want: []string{"--listen", "127.0.0.1:3478 is given twice"}, usage: true},
		"a port in use":                {args: []string{"--listen=" + taken.LocalAddr().String()}, want: []string{"--listen", "PARLEY_LISTEN", "already in use", taken.LocalAddr().String()}},
		"a second port in use":         {args: []string{"--listen=127.0.0.1:0", "--listen=" + taken.LocalAddr().String()}, want: []string{"already in use", taken.LocalAddr().String()}},
		"an address without a port":    {args: []string{"--listen=localhost"}, want: []string{"--listen", "localhost", "missing port"}, usage: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), test.args, environment(test.env), io.Discard)
			if err == nil {
				t.Fatal("got no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not mention %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q has several lines", err)
			}
			if _, usage := errors.AsType[*daemon.UsageError](err); usage != test.usage {
				t.Errorf("usage error = %v, want %v", usage, test.usage)
			}
		})
	}
}

// A relay of several workers opens its port several times, and yet a second program is told that it is taken.
func TestASecondProgramIsToldThatThePortIsTaken(t *testing.T) {
	args := []string{"--public-ip=127.0.0.1", "--user=alice:secret", "--log-level=error", "--workers=3"}
	p := start(t, nil, append(args, "--listen=127.0.0.1:0")...)
	if err := allocate(t, p.addrs[0], "alice", "secret"); err != nil {
		t.Fatal(err)
	}
	err := run(t.Context(), append(args, "--listen="+p.addrs[0], "--listen-tcp=off"), environment(nil), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "already in use") || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("run returned %v, want that the port is in use", err)
	}
	if err := allocate(t, p.addrs[0], "alice", "secret"); err != nil {
		t.Errorf("then: %v", err)
	}
}

func TestStopsInTime(t *testing.T) {
	p := start(t, nil, "--listen=127.0.0.1:0", "--public-ip=127.0.0.1", "--user=alice:secret", "--log-level=error")
	if err := allocate(t, p.addrs[0], "alice", "secret"); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	p.stop()
	if err := <-p.done; err != nil {
		t.Errorf("run returned %v, want nil", err)
	}
	if took := time.Since(before); took > patience {
		t.Errorf("took %v", took)
	}
}

// process is a run of the program.
type process struct {
	addrs []string // bound
	out   *output
	stop  func()
	done  chan error // gets what run returned, then is closed
}

// start runs the program until the test ends.
func start(t *testing.T, env map[string]string, args ...string) *process {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	p := &process{out: &output{}, stop: stop, done: make(chan error, 1)}
	go func() {
		p.done <- run(ctx, args, environment(env), p.out)
		close(p.done)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-p.done; err != nil {
			t.Errorf("run returned %v, want nil", err)
		}
	})
	listening := regexp.MustCompile(`(?m)^  listening +udp (\S+)$`)
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		for _, match := range listening.FindAllStringSubmatch(p.out.String(), -1) {
			p.addrs = append(p.addrs, match[1])
		}
		if len(p.addrs) > 0 {
			return p
		}
		select {
		case err := <-p.done:
			t.Fatalf("run returned %v before it served", err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not say where it serves:\n%s", p.out)
		}
	}
}

func environment(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

// output is what the program has printed so far.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// allocate makes an allocation and gives it back.
func allocate(t *testing.T, addr, username, password string) error {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	client, err := turn.NewClient(&turn.ClientConfig{TURNServerAddr: addr, Conn: conn, Username: username, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	relayed, err := client.Allocate()
	if err != nil {
		return err
	}
	return relayed.Close()
}
