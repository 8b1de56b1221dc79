package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/parley-rtc/parley/relay/credentials"
	"github.com/parley-rtc/parley/signaling"
)

// credentialTTL is how long TURN credentials last, unless the session ends before. Clients that stay
// longer get new ones in time.
const credentialTTL = 12 * time.Hour

// iceServers hands out the URLs of relays with credentials for one peer.
type iceServers struct {
	urls    func(room string) [][]string // of each relay, the room's first one first; they change with the certificate, and with relays that are down
	keyring func() *credentials.Keyring
	kicks   *kicks
	now     func() time.Time
}

func (s iceServers) serve(_ context.Context, r signaling.ICERequest) (signaling.ICE, error) {
	now := s.now()
	ttl := lifeUntil(r.Expires, now)
	var ice signaling.ICE
	var credential credentials.Credential
	for _, urls := range s.urls(r.Room) {
		var turn signaling.ICEServer
		for _, u := range urls {
			if strings.HasPrefix(u, "stun") {
				ice.Servers = append(ice.Servers, signaling.ICEServer{URLs: []string{u}})
			} else {
				turn.URLs = append(turn.URLs, u)
			}
		}
		if len(turn.URLs) == 0 || ttl == 0 {
			continue
		}
		if ice.TTL == 0 {
			var err error
			if credential, err = s.keyring().Mint(s.kicks.user(r.Room, r.Peer), now, ttl); err != nil {
				return signaling.ICE{}, fmt.Errorf("mint TURN credentials: %w", err)
			}
			ice.TTL = ttl
		}
		turn.Username, turn.Credential = credential.Username, credential.Password
		ice.Servers = append(ice.Servers, turn)
	}
	return ice, nil
}

// lifeUntil is how long credentials may last that are no longer good when their session expires; they count in
// whole seconds. 0: not at all.
func lifeUntil(expires, now time.Time) time.Duration {
	if expires.IsZero() {
		return credentialTTL
	}
	return min(credentialTTL, max(expires.Truncate(time.Second).Sub(now), 0))
}
