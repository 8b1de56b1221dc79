package signaling

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestClientAddress(t *testing.T) {
	var log bytes.Buffer
	prefix := netip.MustParsePrefix
	s, err := New(Config{
		TrustedProxies: []netip.Prefix{prefix("10.0.0.0/8"), prefix("2001:db8:1::/48"), prefix("::ffff:192.0.2.0/120")},
		Logger:         slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, c := range map[string]struct {
		from    string
		headers []string
		want    string
	}{
		"no proxy":                                {"203.0.113.1:1234", nil, "203.0.113.1"},
		"no proxy, IPv6":                          {"[2001:db8::1]:1234", nil, "2001:db8::1"},
		"a link-local address":                    {"[fe80::1%eth0]:1234", nil, "fe80::1"},
		"IPv4 in IPv6 form":                       {"[::ffff:203.0.113.1]:1234", nil, "203.0.113.1"},
		"a proxy":                                 {"10.0.0.1:1", []string{"203.0.113.1"}, "203.0.113.1"},
		"a proxy over IPv6":                       {"[2001:db8:1::1]:1", []string{"203.0.113.1"}, "203.0.113.1"},
		"a proxy in IPv6 form":                    {"[::ffff:10.0.0.1]:1", []string{"203.0.113.1"}, "203.0.113.1"},
		"a proxy of a prefix in IPv6 form":        {"192.0.2.7:1", []string{"203.0.113.1"}, "203.0.113.1"},
		"a proxy that says nothing":               {"10.0.0.1:1", nil, "10.0.0.1"},
		"a client that lies to a proxy":           {"10.0.0.1:1", []string{"198.51.100.1, 203.0.113.1"}, "203.0.113.1"},
		"a client that claims to be a proxy":      {"10.0.0.1:1", []string{"10.0.0.9, 203.0.113.1"}, "203.0.113.1"},
		"two proxies":                             {"10.0.0.1:1", []string{"198.51.100.1, 203.0.113.1, 10.0.0.2"}, "203.0.113.1"},
		"several lines":                           {"10.0.0.1:1", []string{"198.51.100.1", "203.0.113.1, 10.0.0.3", "10.0.0.2"}, "203.0.113.1"},
		"only proxies":                            {"10.0.0.1:1", []string{"10.0.0.3,10.0.0.2"}, "10.0.0.3"},
		"ports and brackets":                      {"10.0.0.1:1", []string{"[2001:db8::7]:99, [2001:db8:1::5], 10.0.0.2:80"}, "2001:db8::7"},
		"IPv4 in IPv6 form from a proxy":          {"10.0.0.1:1", []string{"::ffff:203.0.113.1"}, "203.0.113.1"},
		"spaces":                                  {"10.0.0.1:1", []string{" 203.0.113.1 ,\t10.0.0.2 "}, "203.0.113.1"},
		"a name ends the walk":                    {"10.0.0.1:1", []string{"203.0.113.1, unknown, 10.0.0.2"}, "10.0.0.2"},
		"an empty hop ends the walk":              {"10.0.0.1:1", []string{"203.0.113.1,, 10.0.0.2"}, "10.0.0.2"},
		"an open bracket ends the walk":           {"10.0.0.1:1", []string{"203.0.113.1, [2001:db8::7"}, "10.0.0.1"},
		"nonsense":                                {"10.0.0.1:1", []string{"'; drop table rooms"}, "10.0.0.1"},
		"an empty header":                         {"10.0.0.1:1", []string{""}, "10.0.0.1"},
		"only commas":                             {"10.0.0.1:1", []string{strings.Repeat(",", 9000)}, "10.0.0.1"},
		"a forged header of somebody not trusted": {"203.0.113.1:1234", []string{"198.51.100.1"}, "203.0.113.1"},
		"a Unix socket":                           {"@", []string{"198.51.100.1"}, "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.from
		for _, h := range c.headers {
			r.Header.Add("X-Forwarded-For", h)
		}
		for range 2 {
			if got := s.clientAddress(r).String(); got != c.want {
				t.Errorf("%s: got %s, want %s", name, got, c.want)
			}
		}
	}
	if got := strings.Count(log.String(), "--trusted-proxy"); got != 1 {
		t.Errorf("the log names the flag %d times, want once:\n%s", got, &log)
	}
}

func TestAccounts(t *testing.T) {
	for address, want := range map[string]string{
		"203.0.113.1":          "203.0.113.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::",
		"2001:db8:1:2:ffff::":  "2001:db8:1:2::",
		"::1":                  "::",
	} {
		if got := accountName(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
	if got := accountName(netip.Addr{}); got != "" {
		t.Errorf("no address: got %q", got)
	}
}

func FuzzClientAddress(f *testing.F) {
	s, err := New(Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	defer s.Close()
	for _, seed := range []string{"203.0.113.1", "1.1.1.1, 10.0.0.2", "[::1]:80, 10.0.0.1", ",,,", "::ffff:1.2.3.4%x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header["X-Forwarded-For"] = []string{header}
		if got := s.clientAddress(r); !got.IsValid() || got.Is4In6() || got.Zone() != "" {
			t.Errorf("%q gives %v", header, got)
		}
	})
}
