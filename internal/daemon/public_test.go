package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

func TestPublicAddress(t *testing.T) {
	for text, want := range map[string]string{
		"auto":                      "auto",
		"198.51.100.7":              "198.51.100.7",
		"::ffff:198.51.100.7":       "198.51.100.7",
		"2001:db8::7":               "2001:db8::7",
		"198.51.100.7/10.0.0.7":     "198.51.100.7/10.0.0.7",
		"2001:db8::7/fd00::7":       "2001:db8::7/fd00::7",
		"":                          "error: neither auto nor",
		"relay.example":             "error: neither auto nor",
		"0.0.0.0":                   "error: no host has this address",
		"224.0.0.1":                 "error: no host has this address",
		"fe80::1%eth0":              "error: no host has this address",
		"198.51.100.7/24":           "error: not PUBLIC/PRIVATE",
		"198.51.100.7/":             "error: not PUBLIC/PRIVATE",
		"198.51.100.7/fd00::7":      "error: two families",
		"198.51.100.7/10.0.0.7/tcp": "error: not PUBLIC/PRIVATE",
	} {
		var a PublicAddress
		err := a.UnmarshalText([]byte(text))
		fault, fails := strings.CutPrefix(want, "error: ")
		switch {
		case fails && (err == nil || !strings.Contains(err.Error(), fault) || !strings.Contains(err.Error(), text)):
			t.Errorf("%q: %v, want %q", text, err, fault)
		case !fails && (err != nil || a.String() != want):
			t.Errorf("%q: %v, %v, want %s", text, a, err, want)
		}
	}
}

// mapper is a STUN server on loopback that sees every client at an address; it returns its own.
func mapper(t *testing.T, seen string, shift int) string {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
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
			n, from, err := conn.ReadFromUDP(buf)
			if err != nil {
				return
			}
			request := stun.New()
			if stun.Decode(buf[:n], request) == nil {
				at := &stun.XORMappedAddress{IP: net.ParseIP(seen), Port: (from.Port+shift)&0xFFFF | 1024}
				if shift == 0 {
					at.Port = from.Port
				}
				_, _ = conn.WriteToUDP(stun.MustBuild(request, stun.BindingSuccess, at).Raw, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

func TestFindPublic(t *testing.T) {
	silent, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	own := PublicIP()
	tests := map[string]struct {
		servers     []string
		public, how string
		private     bool
		warning     string
	}{
		"nobody is asked":               {nil, own.String(), "from the interfaces", false, ""},
		"behind a NAT":                  {[]string{mapper(t, "198.51.100.7", 0)}, "198.51.100.7", "behind a NAT from 127.0.0.1", true, ""},
		"not behind one":                {[]string{mapper(t, "127.0.0.1", 0)}, "127.0.0.1", "by STUN", false, ""},
		"a NAT that changes ports":      {[]string{mapper(t, "198.51.100.7", 4000)}, "198.51.100.7", "by STUN", true, "changes ports"},
		"one server that is silent":     {[]string{silent.LocalAddr().String(), mapper(t, "198.51.100.7", 0)}, "198.51.100.7", "by STUN", true, ""},
		"a server that knows only IPv6": {[]string{mapper(t, "2001:db8::7", 0)}, own.String(), "from the interfaces", false, "no IPv4 address"},
		"none that answers":             {[]string{silent.LocalAddr().String()}, own.String(), "from the interfaces", false, "no answer"},
	}
	for name, test := range tests {
		var log bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		began := time.Now()
		found := FindPublic(ctx, true, test.servers, slog.New(slog.NewTextHandler(&log, nil)))
		cancel()
		if found.Public.String() != test.public || !strings.Contains(found.How, test.how) || found.Private.IsValid() != test.private {
			t.Errorf("%s: %+v, want %s %s", name, found, test.public, test.how)
		}
		if said := log.String(); (said == "") != (test.warning == "") || !strings.Contains(said, test.warning) {
			t.Errorf("%s: the log says %q, want %q", name, said, test.warning)
		}
		if took := time.Since(began); took > probeTime+5*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
	}
}

func TestWarnOfPublic(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1": "only programs on this host", "10.0.0.7": "nobody outside", "100.64.0.7": "nobody outside", "fd00::7": "nobody outside",
		"198.51.100.7": "", "2001:db8::7": "",
	} {
		var log bytes.Buffer
		WarnOfPublic(netip.MustParseAddr(addr), nil, slog.New(slog.NewTextHandler(&log, nil)))
		if said := log.String(); !strings.Contains(said, want) || (said == "") != (want == "") {
			t.Errorf("%s: %q, want %q", addr, said, want)
		}
	}
	for asked, want := range map[string]bool{"": true, "stun.example:3478": false} {
		var log bytes.Buffer
		WarnOfPublic(netip.MustParseAddr("10.0.0.7"), slices.DeleteFunc([]string{asked}, func(s string) bool { return s == "" }), slog.New(slog.NewTextHandler(&log, nil)))
		if got := strings.Contains(log.String(), "--probe-stun"); got != want || !strings.Contains(log.String(), "--public-ip") {
			t.Errorf("after asking %q: %q", asked, &log)
		}
	}
}
