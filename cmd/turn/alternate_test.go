package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/relay"
)

func TestAlternatesByTransportAndFamily(t *testing.T) {
	f := flags{Alternate: []string{
		"192.0.2.1:3478", "tls:192.0.2.2:5349/turn.example.org", "dtls:192.0.2.3:5349", "udp:[2001:db8::1]:3478", "tls:[2001:db8::2]:443/six.example.org",
	}}
	var cfg relay.Config
	if err := f.alternates(&cfg); err != nil {
		t.Fatal(err)
	}
	for client, want := range map[string]string{
		"udp 198.51.100.1:1":    "192.0.2.1:3478",
		"tcp 198.51.100.1:1":    "192.0.2.1:3478",
		"tls 198.51.100.1:1":    "192.0.2.2:5349 turn.example.org",
		"dtls 198.51.100.1:1":   "192.0.2.3:5349",
		"udp [2001:db8:1::1]:1": "[2001:db8::1]:3478",
		"tcp [2001:db8:1::1]:1": "none",
		"tls [2001:db8:1::1]:1": "[2001:db8::2]:443 six.example.org",
	} {
		transport, addr, _ := strings.Cut(client, " ")
		got := "none"
		if server, name, ok := cfg.Alternate(relay.Client{Addr: netip.MustParseAddrPort(addr), Transport: transport}); ok {
			got = strings.TrimSpace(server.String() + " " + name)
		}
		if got != want {
			t.Errorf("%s is sent to %s, want %s", client, got, want)
		}
	}
}

func TestWrongAlternatesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1":                           "not an IP address with a port",
		"192.0.2.1:0":                         "not an IP address with a port",
		"0.0.0.0:3478":                        "not an IP address with a port",
		"turn.example.org:3478":               "not an IP address with a port",
		"sctp:192.0.2.1:3478":                 "not an IP address with a port",
		"[fe80::1%eth0]:3478":                 "not an IP address with a port",
		"udp:192.0.2.1:3478/turn.example.org": "means nothing to clients over UDP",
		"tls:192.0.2.1:3478/":                 "is not the name of a server",
		"tls:192.0.2.1:3478/a b":              "is not the name of a server",
		"192.0.2.1:3478/-a.example.org":       "is not the name of a server",
		"tls:192.0.2.1:1,tls:192.0.2.2:2":     "a second server for IPv4 over TLS",
	} {
		err := flags{Alternate: strings.Split(text, ",")}.alternates(&relay.Config{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "--alternate: ") {
			t.Errorf("%s: %v, want it to say %q", text, err, want)
		}
	}
}
