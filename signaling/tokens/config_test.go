package tokens

import (
	"strings"
	"testing"
	"time"
)

func TestNewReportsEveryFault(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  Config
		want []string // parts of the error; none: no error
	}{
		"nothing to verify with":        {Config{}, []string{"neither Secrets nor a JWKSURL"}},
		"a secret":                      {Config{Secrets: []string{secret}}, nil},
		"an https URL":                  {Config{JWKSURL: "https://127.0.0.1:1/jwks"}, nil},
		"http on loopback, IPv4":        {Config{JWKSURL: "http://127.0.0.1:1/jwks"}, nil},
		"http on loopback, IPv6":        {Config{JWKSURL: "http://[::1]:1/jwks"}, nil},
		"http on loopback, by name":     {Config{JWKSURL: "http://localhost:1/jwks"}, nil},
		"http elsewhere, if allowed":    {Config{JWKSURL: "http://192.0.2.1:1/jwks", AllowHTTP: true}, nil},
		"http elsewhere":                {Config{JWKSURL: "http://192.0.2.1/jwks"}, []string{"http is only for loopback"}},
		"http on what only looks local": {Config{JWKSURL: "http://localhost.example/jwks"}, []string{"http is only for loopback"}},
		"another scheme":                {Config{JWKSURL: "ftp://app.example/jwks", AllowHTTP: true}, []string{"not https"}},
		"a path":                        {Config{JWKSURL: "/jwks"}, []string{"not like https://"}},
		"no URL":                        {Config{JWKSURL: "https://app.example/%zz"}, []string{"not a URL"}},
		"a password":                    {Config{JWKSURL: "https://ada:mallory@app.example/"}, []string{"user name"}},
		"a leeway of five minutes":      {Config{Secrets: []string{secret}, Leeway: 5 * time.Minute}, nil},
		"a larger leeway":               {Config{Secrets: []string{secret}, Leeway: 5*time.Minute + 1}, []string{"Leeway is"}},
		"a negative leeway":             {Config{Secrets: []string{secret}, Leeway: -1}, []string{"Leeway is"}},
		"a short secret":                {Config{Secrets: []string{secret, "mallory"}}, []string{"Secrets[1] is 7 bytes"}},
		"an empty secret":               {Config{Secrets: []string{""}}, []string{"Secrets[0] is 0 bytes"}},
		"several faults, all of them":   {Config{Secrets: []string{"a", "b"}, JWKSURL: "x", Leeway: -1}, []string{"Secrets[0]", "Secrets[1]", "JWKSURL", "Leeway"}},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := New(c.cfg)
			if err == nil {
				defer v.Close()
			}
			if (err == nil) != (c.want == nil) {
				t.Fatalf("New = %v, want %q", err, c.want)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q lacks %q", err, part)
				}
			}
			if err != nil && strings.Contains(err.Error(), "mallory") {
				t.Errorf("error %q shows a secret", err)
			}
		})
	}
}

func TestAVerifierIsClosedTwice(t *testing.T) {
	for _, cfg := range []Config{{Secrets: []string{secret}}, all(t)} {
		v, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if first, second := v.Close(), v.Close(); first != nil || second != nil {
			t.Errorf("Close = %v, then %v; want nil", first, second)
		}
	}
}
