package main

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/parley-rtc/parley/signaling"
)

// kicks has what a kicked peer relays end, and lets the peer relay again if it joins again: each kick gives the
// peer another name at the relay, and only the name before is revoked. All sessions between two kicks share a name, for what
// an earlier one allocated goes on under the next, and quotas count a peer.
type kicks struct {
	now func() time.Time

	mu    sync.Mutex
	peers map[string]kicked // guarded by mu; by room and peer; those whose revoked names may still be good otherwise
}

// kicked is how often a peer was kicked of late.
type kicked struct {
	times int
	last  time.Time
}

// remembered is how long a kick counts: longer than the relay remembers the names that were revoked.
const remembered = credentialTTL + time.Hour

// user is what the relay knows a peer by.
func (k *kicks) user(room, peer string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return relayUser(room, peer, k.peers[room+" "+peer].times)
}

// observe is for signaling.Config; revoke is the relay's.
func (k *kicks) observe(revoke func(user string) int) func(signaling.Event) {
	return func(e signaling.Event) {
		if e.Kind != signaling.SessionKicked {
			return
		}
		revoke(k.kick(e.Room, e.Peer))
	}
}

// kick gives a peer another name, and returns the one that it had.
func (k *kicks) kick(room, peer string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	for key, before := range k.peers { // few: operators kick
		if now.Sub(before.last) > remembered {
			delete(k.peers, key)
		}
	}
	if k.peers == nil {
		k.peers = make(map[string]kicked)
	}
	times := k.peers[room+" "+peer].times // neither has a space
	k.peers[room+" "+peer] = kicked{times + 1, now}
	return relayUser(room, peer, times)
}

// relayUser is what the relay's quotas count a peer by. TURN sends it in the clear, and who knows
// a room's name can join it: so it has the name's hash.
func relayUser(room, peer string, kicks int) string {
	sum := sha256.Sum256([]byte(room))
	if kicks > 0 {
		return fmt.Sprintf("%x~%d.%s", sum[:6], kicks, peer)
	}
	return fmt.Sprintf("%x.%s", sum[:6], peer)
}
