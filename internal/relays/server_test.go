package relays

import (
	"fmt"
	"strings"
	"testing"
)

func TestURLsAreSortedByRelay(t *testing.T) {
	for name, c := range map[string]struct {
		urls []string
		want string
	}{
		"one URL":                      {[]string{"turn:a.example"}, "a.example [turn:a.example] true"},
		"a host is one relay":          {[]string{"turn:a.example:3478?transport=udp", "turns:A.Example:443", "stun:a.example"}, "a.example [turn:a.example:3478?transport=udp turns:A.Example:443 stun:a.example] true"},
		"two hosts, in turns":          {[]string{"turn:b.example", "turn:a.example", "turns:b.example"}, "a.example [turn:a.example] true; b.example [turn:b.example turns:b.example] true"},
		"a host with two ports":        {[]string{"turn:a.example:3478", "turn:a.example:443"}, "a.example [turn:a.example:3478 turn:a.example:443] true"},
		"the same with names":          {[]string{"one=turn:127.0.0.1:3478", "two=turn:127.0.0.1:3479"}, "one [turn:127.0.0.1:3478] true; two [turn:127.0.0.1:3479] true"},
		"two hosts of one name":        {[]string{"r1=turn:198.51.100.7?transport=udp", "r1=turns:relay.example:443"}, "r1 [turn:198.51.100.7?transport=udp turns:relay.example:443] true"},
		"a name that is a host":        {[]string{"turns:relay.example:443", "relay.example=turn:198.51.100.7"}, "relay.example [turns:relay.example:443 turn:198.51.100.7] true"},
		"IPv6":                         {[]string{"turn:[2001:db8::1]:3478"}, "2001:db8::1 [turn:[2001:db8::1]:3478] true"},
		"a server that does only STUN": {[]string{"stun:s.example", "turn:a.example"}, "a.example [turn:a.example] true; s.example [stun:s.example] false"},
		"spaces around":                {[]string{" turn:a.example "}, "a.example [turn:a.example] true"},
		"UDP and TCP of one port":      {[]string{"turn:a.example?transport=udp", "turn:a.example?transport=tcp"}, "a.example [turn:a.example?transport=udp turn:a.example?transport=tcp] true"},
	} {
		servers, err := Parse(c.urls)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, s := range servers {
			got = append(got, fmt.Sprint(s.Name, " ", s.URLs, " ", s.TURN))
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s: got  %s\nwant %s", name, text, c.want)
		}
	}
}

func TestURLsThatCannotBeMeant(t *testing.T) {
	many := func(n int, format string) []string {
		var urls []string
		for i := range n {
			urls = append(urls, fmt.Sprintf(format, i+1))
		}
		return urls
	}
	for name, c := range map[string]struct {
		urls []string
		want string
	}{
		"no URL":                  {[]string{"turn:a.example", "relay.example"}, `"relay.example" is not a URL like turn:`},
		"of the web":              {[]string{"https://a.example"}, `"https://a.example" is not`},
		"nothing":                 {[]string{""}, `"" is not`},
		"a name alone":            {[]string{"a="}, `"a=" is not`},
		"a name with a space":     {[]string{"my relay=turn:a.example"}, `"my relay=turn:a.example" is not`},
		"without a host":          {[]string{"turn::3478"}, `"turn::3478" is not`},
		"a port that is none":     {[]string{"turn:a.example:x"}, `"turn:a.example:x" is not`},
		"a port that is too high": {[]string{"turn:a.example:70000"}, "the port 70000 is not 1 to 65535"},
		"port 0":                  {[]string{"turn:a.example:0"}, "the port 0"},
		"a transport of no kind":  {[]string{"turn:a.example?transport=sctp"}, "transport=sctp"},
		"twice":                   {[]string{"turn:a.example", "turn:a.example"}, `"turn:a.example" is given twice (as "turn:a.example" before)`},
		"twice, in other words":   {[]string{"turn:a.example", "turn:A.example:3478?transport=udp"}, "given twice"},
		"of two relays":           {[]string{"x=turn:a.example", "y=turn:a.example"}, "given twice"},
		"too many of one relay":   {many(MaxURLs+1, "turn:a.example:%d"), "which may have 8"},
		"too many relays":         {many(MaxServers+1, "turn:r%d.example"), "129 relays; there may be 128"},
	} {
		if _, err := Parse(c.urls); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one that says %q", name, err, c.want)
		}
	}
	if servers, err := Parse(nil); err != nil || servers != nil {
		t.Errorf("without URLs: %v, %v", servers, err)
	}
}
