package main

import (
	"regexp"
	"strings"
	"testing"
)

func TestBehindA1To1NAT(t *testing.T) {
	p := servedBy(t, "--public-ip=198.51.100.7/127.0.0.1")
	if want := `relay bind +127\.0\.0\.1\n`; !regexp.MustCompile(want).MatchString(p.out.String()) {
		t.Errorf("it does not say %q:\n%s", want, p.out)
	}
	// Packets from one relayed address to the other stay inside: this address is nobody's here.
	text, err := checked(t, "--secret=north", "turn:"+p.addrs[0])
	if err != nil || !strings.Contains(text, "relayed 198.51.100.7:") || !strings.Contains(text, "0 of 50 packets lost") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestThePublicAddressIsAskedFor(t *testing.T) {
	other := servedBy(t)
	p := start(t, nil, "--listen=127.0.0.1:0", "--secret=north", "--public-ip=auto", "--probe-stun="+other.addrs[0], "--log-level=error")
	if want := `public IP +127\.0\.0\.1 +\(found by STUN from ` + regexp.QuoteMeta(other.addrs[0]) + `\)`; !regexp.MustCompile(want).MatchString(p.out.String()) {
		t.Errorf("it does not say %q:\n%s", want, p.out)
	}
	if text, err := checked(t, "--secret=north", "turn:"+p.addrs[0]); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	p = start(t, nil, "--listen=127.0.0.1:0", "--secret=north", "--log-level=error")
	if !regexp.MustCompile(`public IP +[0-9.]+ +\(found from the interfaces\)`).MatchString(p.out.String()) {
		t.Errorf("it does not say where the address is from:\n%s", p.out)
	}
}
