package main

import (
	"crypto/rand"
	"log/slog"
	"strings"
	"time"

	"github.com/parley-rtc/parley/internal/relays"
)

// external is the relays of --turn-url; without them its set is nil.
type external struct {
	set *relays.Set
}

func newExternal(f flags, s *secrets, log *slog.Logger) (external, error) {
	if len(f.external) == 0 {
		return external{}, nil
	}
	user := "signal-check-" + strings.ToLower(rand.Text()[:6]) // of this node: relays limit what one user has
	set, err := relays.New(relays.Config{
		Servers: f.external,
		Credentials: func(ttl time.Duration) (username, password string, err error) {
			c, err := s.keyring.Load().Mint(user, time.Now(), ttl)
			return c.Username, c.Password, err
		},
		TTL:    credentialTTL,
		Logger: log,
	})
	return external{set}, err
}

// urls returns those that the peers of a room are given, by relay: own, if there are no others.
func (e external) urls(own func() []string) func(room string) [][]string {
	if e.set == nil {
		return func(string) [][]string { return [][]string{own()} }
	}
	return e.set.URLs
}

// watch checks the relays until stop is called; renew is told of rooms that have others from then on.
func (e external) watch(renew func(of func(room string) bool)) (stop func()) {
	if e.set == nil {
		return func() {}
	}
	return e.set.Watch(renew)
}
