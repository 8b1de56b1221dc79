package relay

import (
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"time"

	"github.com/parley-rtc/parley/relay/credentials"
	"github.com/parley-rtc/parley/relay/internal/policy"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

// access is who may use the server and whom they may reach: what can change while it serves.
type access struct {
	keyring *credentials.Keyring
	users   map[string]string
	hashes  map[[32]byte]string // names of users, by USERHASH
	peers   *policy.Policy
}

// access returns what the configuration says, which must have been resolved.
func (c Config) access() (*access, error) {
	peers, err := policy.New(policy.Rules{
		Allow:         c.AllowPeers,
		Deny:          c.DenyPeers,
		AllowLoopback: c.AllowLoopback,
		NAT64:         c.NAT64,
		Relayed:       []netip.Addr{c.PublicIP, c.RelayBind, c.PublicIPv6, c.RelayBindIPv6},
		Interfaces:    c.interfaces,
	})
	if err != nil {
		return nil, err
	}
	a := &access{keyring: c.Keyring, users: c.Users, hashes: make(map[[32]byte]string, len(c.Users)), peers: peers}
	for name := range c.Users {
		a.hashes[sha256.Sum256([]byte(name+":"+c.Realm))] = name
	}
	return a, nil
}

// account returns what is known about a username.
func (s *Server) account(username string, now time.Time) turn.Account {
	account := s.access.Load().account(username, now)
	if account.Passwords == nil && username == s.prober.Username {
		return turn.Account{User: username, Passwords: []string{s.prober.Password}}
	}
	return account
}

func (a *access) account(username string, now time.Time) turn.Account {
	if password, ok := a.users[username]; ok {
		return turn.Account{User: username, Passwords: []string{password}}
	}
	if a.keyring == nil {
		return turn.Account{}
	}
	passwords, _ := a.keyring.Lookup(username, now) // that it has expired is for the engine to see
	if len(passwords) == 0 {
		return turn.Account{}
	}
	account := turn.Account{User: username, Passwords: passwords}
	if expires, user, err := credentials.Parse(username); err == nil {
		account.Expires = expires
		if user != "" {
			account.User = user
		}
	}
	return account
}

// newProber makes up a user that nobody else can be: whoever knows the name has it from here.
func newProber() credentials.Credential {
	return credentials.Credential{Username: "probe-" + rand.Text(), Password: rand.Text()}
}

// Prober returns a credential that is good as long as the server lives, for a program that tests whether it serves. It counts as a user of its
// own, its allocations are neither logged, listed nor told to Config.Ended, and those that it has left behind end with this call.
func (s *Server) Prober() (username, password string) {
	s.crew.Revoke(s.prober.Username)
	return s.prober.Username, s.prober.Password
}
