package relay

import (
	"time"

	"github.com/parley-rtc/parley/relay/credentials"
	"github.com/parley-rtc/parley/relay/internal/pionturn"
)

// account returns what the configuration knows about a username.
func (c Config) account(username string, now time.Time) pionturn.Account {
	if password, ok := c.Users[username]; ok {
		return pionturn.Account{Name: username, Passwords: []string{password}}
	}
	if c.Keyring == nil {
		return pionturn.Account{}
	}
	passwords, err := c.Keyring.Lookup(username, now)
	if len(passwords) == 0 {
		return pionturn.Account{}
	}
	account := pionturn.Account{Name: username, Passwords: passwords, Expired: err != nil}
	if _, user, err := credentials.Parse(username); err == nil && user != "" {
		account.Name = user
	}
	return account
}
