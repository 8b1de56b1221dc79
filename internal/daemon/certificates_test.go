package daemon

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/internal/acmetest"
)

// makePair returns a certificate for a name, and its key, in PEM.
func makePair(t *testing.T, name string, until time.Time) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: until.Add(-24 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// lines is a log, readable while it grows.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func TestCertificateFlags(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	cert, key := makePair(t, "a.example", time.Now().Add(time.Hour))
	_, other := makePair(t, "b.example", time.Now().Add(time.Hour))
	write(t, in("cert"), cert)
	write(t, in("key"), key)
	write(t, in("other"), other)
	write(t, in("half"), cert[:len(cert)/2])
	write(t, in("garbled"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("no")}))
	write(t, in("empty"), nil)
	write(t, in("large"), bytes.Repeat([]byte("#"), maxPEM+1))
	for name, c := range map[string]struct {
		flags CertificateFlags
		want  []string // in the error; nil: there is none
	}{
		"nothing":                   {CertificateFlags{}, nil},
		"a pair":                    {CertificateFlags{TLSCert: in("cert"), TLSKey: in("key")}, nil},
		"a certificate alone":       {CertificateFlags{TLSCert: in("cert")}, []string{"--tls-cert", "--tls-key"}},
		"a key alone":               {CertificateFlags{TLSKey: in("key")}, []string{"--tls-cert", "--tls-key"}},
		"no certificate there":      {CertificateFlags{TLSCert: in("none"), TLSKey: in("key")}, []string{"--tls-cert", in("none"), "no such file"}},
		"no key there":              {CertificateFlags{TLSCert: in("cert"), TLSKey: in("none")}, []string{"--tls-key", in("none"), "no such file"}},
		"a directory":               {CertificateFlags{TLSCert: dir, TLSKey: in("key")}, []string{"--tls-cert", dir}},
		"another's key":             {CertificateFlags{TLSCert: in("cert"), TLSKey: in("other")}, []string{"--tls-key", in("other"), in("cert")}},
		"the two exchanged":         {CertificateFlags{TLSCert: in("key"), TLSKey: in("cert")}, []string{"--tls-cert", in("key"), "no certificate"}},
		"the certificate twice":     {CertificateFlags{TLSCert: in("cert"), TLSKey: in("cert")}, []string{"--tls-key", in("cert")}},
		"half a certificate":        {CertificateFlags{TLSCert: in("half"), TLSKey: in("key")}, []string{"--tls-cert", in("half")}},
		"a certificate of nonsense": {CertificateFlags{TLSCert: in("garbled"), TLSKey: in("key")}, []string{"--tls-cert", in("garbled")}},
		"an empty key":              {CertificateFlags{TLSCert: in("cert"), TLSKey: in("empty")}, []string{"--tls-key", in("empty"), "no key"}},
		"a file too large":          {CertificateFlags{TLSCert: in("large"), TLSKey: in("key")}, []string{"--tls-cert", in("large"), "1048576"}},
		"files and ACME":            {CertificateFlags{TLSCert: in("cert"), TLSKey: in("key"), ACMEDomain: []string{"a.example"}}, []string{"--acme-domain", "--tls-cert"}},
		"ACME":                      {CertificateFlags{ACMEDomain: []string{"A.example."}, ACMECache: in("acme")}, nil},
		"ACME for nothing":          {CertificateFlags{ACMECache: in("acme")}, []string{"--acme-cache", "--acme-domain"}},
		"ACME for no name":          {CertificateFlags{ACMEDomain: []string{}}, []string{"--acme-domain", "empty"}},
		"ACME for an address":       {CertificateFlags{ACMEDomain: []string{"192.0.2.1"}}, []string{"--acme-domain", "192.0.2.1", "address"}},
		"ACME for an IPv6 address":  {CertificateFlags{ACMEDomain: []string{"2001:db8::1"}}, []string{"--acme-domain", "2001:db8::1", "address"}},
		"ACME for a wildcard":       {CertificateFlags{ACMEDomain: []string{"*.example"}}, []string{"--acme-domain", "*.example", "wildcard"}},
		"ACME for a URL":            {CertificateFlags{ACMEDomain: []string{"https://a.example"}}, []string{"--acme-domain", "https://a.example"}},
		"ACME for a short name":     {CertificateFlags{ACMEDomain: []string{"localhost"}}, []string{"--acme-domain", "localhost"}},
		"ACME for a name in UTF-8":  {CertificateFlags{ACMEDomain: []string{"bücher.example"}}, []string{"--acme-domain", "bücher.example", "xn--"}},
		"a cache that is a file":    {CertificateFlags{ACMEDomain: []string{"a.example"}, ACMECache: in("cert")}, []string{"--acme-cache", in("cert")}},
		"a directory that is none":  {CertificateFlags{ACMEDomain: []string{"a.example"}, ACMEDirectory: "ca.example"}, []string{"--acme-directory", "ca.example"}},
		"a directory without TLS":   {CertificateFlags{ACMEDomain: []string{"a.example"}, ACMEDirectory: "http://ca.example/"}, []string{"--acme-directory", "https"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.flags.Certificates(slog.New(slog.DiscardHandler))
			if c.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if _, usage := errors.AsType[*UsageError](err); !usage {
				t.Fatalf("error %v is not about usage", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not mention %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q has several lines", err)
			}
		})
	}
}

func TestACertificateThatHasExpiredIsServedWithAWarning(t *testing.T) {
	dir := t.TempDir()
	cert, key := makePair(t, "a.example", time.Now().Add(-time.Hour))
	flags := CertificateFlags{TLSCert: filepath.Join(dir, "cert"), TLSKey: filepath.Join(dir, "key")}
	write(t, flags.TLSCert, cert)
	write(t, flags.TLSKey, key)
	log := new(lines)
	certificates, err := flags.Certificates(log.logger())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := certificates.GetCertificate(&tls.ClientHelloInfo{}); err != nil || got == nil {
		t.Errorf("got %v, %v", got, err)
	}
	if !strings.Contains(log.String(), "expired") || !strings.Contains(log.String(), flags.TLSCert) {
		t.Errorf("the log does not say it: %s", log)
	}
}

func TestFilesAreReadAgainWhenTheyChange(t *testing.T) {
	dir := t.TempDir()
	flags := CertificateFlags{TLSCert: filepath.Join(dir, "cert"), TLSKey: filepath.Join(dir, "key")}
	synctest.Test(t, func(t *testing.T) {
		// The clock of a bubble begins in the year 2000.
		firstCert, firstKey := makePair(t, "first.example", time.Now().Add(time.Hour))
		secondCert, secondKey := makePair(t, "second.example", time.Now().Add(24*time.Hour))
		write(t, flags.TLSCert, firstCert)
		write(t, flags.TLSKey, firstKey)
		log := new(lines)
		certificates, err := flags.Certificates(log.logger())
		if err != nil {
			t.Fatal(err)
		}
		defer certificates.Watched()()
		looks := func(n int) {
			time.Sleep(time.Duration(n)*lookEvery + time.Millisecond)
			synctest.Wait()
		}
		expect := func(step, name string, warnings int) {
			t.Helper()
			got, err := certificates.GetCertificate(&tls.ClientHelloInfo{})
			if err != nil || got.Leaf.DNSNames[0] != name {
				t.Errorf("%s: got %v, %v, want %s", step, got, err, name)
			}
			if certificates.Name() != name {
				t.Errorf("%s: the name is %q, want %s", step, certificates.Name(), name)
			}
			if got := strings.Count(log.String(), "level=WARN"); got != warnings {
				t.Errorf("%s: %d warnings, want %d:\n%s", step, got, warnings, log)
			}
		}
		expect("at first", "first.example", 0)

		write(t, flags.TLSCert, secondCert)
		looks(1)
		expect("between the two files", "first.example", 0)
		write(t, flags.TLSKey, secondKey)
		looks(1)
		expect("with both", "second.example", 0)

		write(t, flags.TLSKey, secondKey[:20])
		looks(10)
		expect("with half a key", "second.example", 1)
		if err := certificates.Reload(); err == nil || !strings.Contains(err.Error(), flags.TLSKey) {
			t.Errorf("Reload: %v, want an error about %s", err, flags.TLSKey)
		}
		if err := os.Remove(flags.TLSCert); err != nil {
			t.Fatal(err)
		}
		looks(10)
		expect("without a certificate", "second.example", 2)
		if !strings.Contains(log.String(), flags.TLSCert+": no such file") {
			t.Errorf("the log does not name the file:\n%s", log)
		}

		write(t, flags.TLSCert, firstCert)
		write(t, flags.TLSKey, firstKey)
		if err := certificates.Reload(); err != nil {
			t.Error(err)
		}
		expect("after a reload", "first.example", 2)
		time.Sleep(2 * time.Hour)
		expect("when it has expired", "first.example", 3)
	})
}

// serveTLS serves TLS on loopback with the certificates: each connection's handshake, and then nothing.
func serveTLS(t *testing.T, certificates *atomic.Pointer[Certificates]) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_ = tls.Server(conn, certificates.Load().TLS("http/1.1", "stun.turn")).HandshakeContext(t.Context())
				_ = conn.Close()
			})
		}
	})
	return l.Addr().String()
}

func TestACertificateByACME(t *testing.T) {
	var current atomic.Pointer[Certificates]
	addr := serveTLS(t, &current)
	authority := acmetest.New(t, func(string) string { return addr })
	log := new(lines)
	flags := CertificateFlags{ACMEDomain: []string{"a.example", "b.example"}, ACMECache: t.TempDir(), ACMEDirectory: authority.Directory()}
	open := func() *Certificates {
		t.Helper()
		certificates, err := flags.Certificates(log.logger())
		if err != nil {
			t.Fatal(err)
		}
		current.Store(certificates)
		return certificates
	}
	certificates := open()
	if certificates.Name() != "a.example" {
		t.Errorf("the name is %q", certificates.Name())
	}
	if _, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: authority.Roots(), ServerName: "a.example"}); err == nil {
		t.Error("there is a certificate before one is made")
	}
	stop := certificates.Watched()
	serves := func() {
		t.Helper()
		for name, client := range map[string]*tls.Config{
			"a.example":           {ServerName: "a.example"},
			"b.example":           {ServerName: "b.example"},
			"without a name":      {ServerName: "127.0.0.1"},
			"another name":        {ServerName: "c.example"},
			"TURN's protocol":     {ServerName: "a.example", NextProtos: []string{"stun.turn"}},
			"a protocol of yours": {ServerName: "a.example", NextProtos: []string{"coffee"}},
		} {
			want := client.ServerName
			if want != "b.example" {
				want = "a.example"
			}
			client.InsecureSkipVerify = true // the name is checked below
			var shown []*x509.Certificate
			client.VerifyConnection = func(state tls.ConnectionState) error {
				shown = state.PeerCertificates
				_, err := shown[0].Verify(x509.VerifyOptions{Roots: authority.Roots(), DNSName: want})
				return err
			}
			for deadline := time.Now().Add(3 * patience); ; time.Sleep(10 * time.Millisecond) {
				conn, err := tls.Dial("tcp", addr, client)
				if err == nil {
					_ = conn.Close()
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s: %v\n%s\n%v", name, err, log, authority.Faults())
				}
			}
		}
	}
	serves()
	stop()
	if want := []string{"a.example", "b.example"}; !slices.Equal(authority.Orders(), want) {
		t.Errorf("certificates were made for %v, want %v", authority.Orders(), want)
	}
	// A restart finds them in the cache.
	defer open().Watched()()
	serves()
	if n := len(authority.Orders()); n != 2 {
		t.Errorf("after a restart %d certificates were made", n)
	}
}

func TestWhomACertificateIsFor(t *testing.T) {
	dir := t.TempDir()
	cert, key := makePair(t, "A.example", time.Now().Add(time.Hour))
	write(t, filepath.Join(dir, "cert"), cert)
	write(t, filepath.Join(dir, "key"), key)
	wild, wildKey := makePair(t, "*.example", time.Now().Add(time.Hour))
	write(t, filepath.Join(dir, "wild"), wild)
	write(t, filepath.Join(dir, "wildkey"), wildKey)
	files := CertificateFlags{TLSCert: filepath.Join(dir, "cert"), TLSKey: filepath.Join(dir, "key")}
	wildcard := CertificateFlags{TLSCert: filepath.Join(dir, "wild"), TLSKey: filepath.Join(dir, "wildkey")}
	made := CertificateFlags{ACMEDomain: []string{"a.example"}, ACMECache: dir}
	for name, c := range map[string]struct {
		flags         CertificateFlags
		host          string
		named, covers bool
	}{
		"its name":                    {files, "a.example", true, true},
		"its name in other case":      {files, "a.EXAMPLE", true, true},
		"another name":                {files, "b.example", false, false},
		"an address":                  {files, "198.51.100.7", false, false},
		"a wildcard's":                {wildcard, "b.example", false, true},
		"the wildcard itself":         {wildcard, "*.example", false, false},
		"what an authority will make": {made, "A.example", true, true},
		"what it will not":            {made, "b.example", false, false},
		"no host":                     {made, "", false, false},
	} {
		certificates, err := c.flags.Certificates(new(lines).logger())
		if err != nil {
			t.Fatal(err)
		}
		if named, covers := certificates.Named(c.host), certificates.Covers(c.host); named != c.named || c.host != "*.example" && covers != c.covers {
			t.Errorf("%s: named %v, covered %v, want %v, %v", name, named, covers, c.named, c.covers)
		}
	}
}

func TestWarnOfACME(t *testing.T) {
	at := func(texts ...string) (addrs []net.Addr) {
		for _, text := range texts {
			addrs = append(addrs, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text)))
		}
		return addrs
	}
	names := CertificateFlags{ACMEDomain: []string{"rtc.example"}}
	for name, c := range map[string]struct {
		flags CertificateFlags
		addrs []net.Addr
		warns bool
	}{
		"on port 443":                 {names, at("[::]:443"), false},
		"on port 443 of an address":   {names, at("198.51.100.7:443"), false},
		"on port 443 and elsewhere":   {names, at("0.0.0.0:5349", "0.0.0.0:443"), false},
		"on another port":             {names, at("[::]:8443"), true},
		"on port 443 of loopback":     {names, at("127.0.0.1:443", "[::1]:443"), true},
		"with a certificate of files": {CertificateFlags{TLSCert: "cert"}, at("[::]:8443"), false},
	} {
		log := new(lines)
		c.flags.WarnOfACME(log.logger(), c.addrs...)
		if said := log.String(); (said != "") != c.warns || c.warns && (!strings.Contains(said, "rtc.example") || !strings.Contains(said, c.addrs[0].String())) {
			t.Errorf("%s: the log says %q", name, said)
		}
	}
}

func TestAnAuthorityThatRefusesIsLogged(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	authority := acmetest.New(t, func(string) string { return closed.Addr().String() })
	log := new(lines)
	flags := CertificateFlags{ACMEDomain: []string{"a.example"}, ACMECache: t.TempDir(), ACMEDirectory: authority.Directory()}
	certificates, err := flags.Certificates(log.logger())
	if err != nil {
		t.Fatal(err)
	}
	stop := certificates.Watched()
	for deadline := time.Now().Add(3 * patience); !strings.Contains(log.String(), "level=WARN"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is logged")
		}
	}
	if !strings.Contains(log.String(), "a.example") || !strings.Contains(log.String(), "retry_in=2m0s") {
		t.Errorf("the log says neither the name nor when it is tried again: %s", log)
	}
	began := time.Now()
	stop()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("stopping took %v", took)
	}
}
