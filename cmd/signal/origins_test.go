package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestPagesUnderTheCertificatesNameMayJoin(t *testing.T) {
	files := newCertFiles(t, "rtc.example", "*.wild.example")
	p := start(t, nil, "--tls-cert", files.cert, "--tls-key", files.key)
	web := client(t, files.roots)
	from := func(origin string) int {
		t.Helper()
		body := fmt.Sprintf(`{"attempt":"attempt-%022d","instance":"i"}`, time.Now().UnixNano())
		req, err := http.NewRequest("POST", p.url+"/v1/rooms/r/sessions", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Origin", origin)
		res, err := web.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if allowed := res.Header.Get("Access-Control-Allow-Origin"); (allowed == origin) != (res.StatusCode == 201) {
			t.Errorf("%s: %d, and %q may read it", origin, res.StatusCode, allowed)
		}
		return res.StatusCode
	}
	port := p.port(t)
	for origin, want := range map[string]int{
		p.url:                            201,
		"https://rtc.example":            403, // another port is another origin
		"http://rtc.example:" + port:     403,
		"https://a.wild.example:" + port: 403,
		"https://evil.example:" + port:   403,
	} {
		if got := from(origin); got != want {
			t.Errorf("from %s: got %d, want %d", origin, got, want)
		}
	}
	// The names are those of the certificate as it is now.
	web.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true // the page is still open
	files.write(t, "new.example")
	for deadline := time.Now().Add(longEnough); from("https://new.example:"+port) != 201; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the new name is not allowed")
		}
	}
	if got := from(p.url); got != 403 {
		t.Errorf("from a name that the certificate no longer has: %d", got)
	}
}

func TestOriginsOfACertificate(t *testing.T) {
	files := newCertFiles(t, "rtc.example", "Two.example", "localhost")
	byFile := []string{"--tls-cert", files.cert, "--tls-key", files.key}
	byACME := []string{"--acme-domain", "rtc.example", "--acme-cache", t.TempDir()}
	for name, c := range map[string]struct {
		args   []string
		port   int
		origin string
		want   bool
	}{
		"the port of HTTPS is not written":     {byFile, 443, "https://rtc.example", true},
		"another port is":                      {byFile, 8443, "https://rtc.example:8443", true},
		"another port than it listens on":      {byFile, 8443, "https://rtc.example", false},
		"the second name, in other case":       {byFile, 443, "https://TWO.example", true},
		"a name that the certificate lacks":    {byFile, 443, "https://three.example", false},
		"without TLS":                          {byFile, 443, "http://rtc.example", false},
		"a page of none":                       {byFile, 443, "null", false},
		"a path":                               {byFile, 443, "https://rtc.example/x", false},
		"what ACME will have":                  {byACME, 443, "https://rtc.example", true},
		"the port 443 that leads here":         {byACME, 8443, "https://rtc.example", true},
		"the port that it leads to":            {byACME, 8443, "https://rtc.example:8443", true},
		"some other port of ACME's name":       {byACME, 8443, "https://rtc.example:444", false},
		"a name that is not ACME's":            {byACME, 443, "https://evil.example", false},
		"not where --public-url says it":       {append(byFile, "--public-url", "https://one.example"), 443, "https://rtc.example", false},
		"where further origins are given, too": {append(byFile, "--allow-origin", "https://one.example"), 443, "https://rtc.example", true},
		"without a certificate":                {nil, 443, "https://rtc.example", false},
	} {
		f, err := parseFlags(c.args, func(string) string { return "" }, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		certificates, err := f.Certificates(f.Logger(io.Discard))
		if err != nil {
			t.Fatal(err)
		}
		allowed := f.originOfCertificate(c.port, certificates)
		if got := allowed != nil && allowed(c.origin); got != c.want {
			t.Errorf("%s: %s is %v, want %v", name, c.origin, got, c.want)
		}
	}
}

func TestWhatToOpenHasNoNeedlessPort(t *testing.T) {
	files := newCertFiles(t, "rtc.example")
	secure := []string{"--tls-cert", files.cert, "--tls-key", files.key}
	for name, c := range map[string]struct {
		args []string
		port int
		want string
	}{
		"HTTPS":               {secure, 443, "Open       https://rtc.example/\n"},
		"HTTPS of port 8443":  {secure, 8443, "Open       https://rtc.example:8443/\n"},
		"HTTPS of port 80":    {secure, 80, "Open       https://rtc.example:80/\n"},
		"HTTP":                {nil, 80, "Open       http://localhost/\n"},
		"HTTP of port 8080":   {nil, 8080, "Others     http://198.51.100.7:8080/\n"},
		"HTTP for others":     {nil, 80, "Others     http://198.51.100.7/\n"},
		"HTTPS at an address": {secure, 443, "Listening  https://localhost/\n"},
	} {
		f, err := parseFlags(append([]string{"--public-ip", "198.51.100.7"}, c.args...), func(string) string { return "" }, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		certificates, err := f.Certificates(f.Logger(io.Discard))
		if err != nil {
			t.Fatal(err)
		}
		var banner strings.Builder
		f.announce(&banner, &net.TCPAddr{IP: net.IPv6unspecified, Port: c.port}, nil, nil, certificates)
		if !strings.Contains(banner.String(), c.want) {
			t.Errorf("%s: it says %s, want %s", name, &banner, c.want)
		}
	}
	if got := originAt("https", "2001:db8::1", 443); got != "https://[2001:db8::1]" {
		t.Errorf("an IPv6 address is %s", got)
	}
}
