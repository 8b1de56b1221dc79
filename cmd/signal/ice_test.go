package main

import (
	"testing"
	"time"

	"github.com/parley-rtc/parley/relay/credentials"
	"github.com/parley-rtc/parley/signaling"
)

func TestCredentialsEndWithTheToken(t *testing.T) {
	keyring, err := credentials.New("a secret")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_795_000_000, 400_000_000)
	ice := iceServers{urls: func(string) [][]string { return [][]string{{"stun:relay.example", "turn:relay.example"}} }, keyring: func() *credentials.Keyring { return keyring }, kicks: &kicks{}, now: func() time.Time { return now }}
	for name, c := range map[string]struct {
		expires time.Time
		want    time.Duration // 0: STUN only
	}{
		"no token":                     {time.Time{}, 12 * time.Hour},
		"a token for a day":            {now.Add(24 * time.Hour), 12 * time.Hour},
		"a token for an hour and more": {now.Add(time.Hour + 900*time.Millisecond), time.Hour + 600*time.Millisecond},
		"a token about to expire":      {now.Add(500 * time.Millisecond), 0},
		"a token that has expired":     {now.Add(-time.Second), 0},
	} {
		got, err := ice.serve(t.Context(), signaling.ICERequest{Room: "room", Peer: "alice", Expires: c.expires})
		if err != nil || got.TTL != c.want || len(got.Servers) != map[bool]int{true: 2, false: 1}[c.want > 0] {
			t.Errorf("%s: got %+v, %v, want credentials for %v", name, got, err, c.want)
			continue
		}
		if c.want == 0 {
			continue
		}
		until, _, err := credentials.Parse(got.Servers[1].Username)
		if err != nil || !c.expires.IsZero() && until.After(c.expires) {
			t.Errorf("%s: credentials until %v, %v, the token until %v", name, until, err, c.expires)
		}
	}
}
