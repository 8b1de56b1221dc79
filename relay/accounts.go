package relay

import (
	"time"

	"github.com/parley-rtc/parley/relay/credentials"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

// account returns what the configuration knows about a username.
func (c Config) account(username string, now time.Time) turn.Account {
	if password, ok := c.Users[username]; ok {
		return turn.Account{User: username, Passwords: []string{password}}
	}
	if c.Keyring == nil {
		return turn.Account{}
	}
	passwords, _ := c.Keyring.Lookup(username, now) // that it has expired is for the engine to see
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
