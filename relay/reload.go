package relay

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// reloaded are the fields of Config that Reload applies.
var reloaded = []string{"Keyring", "Users", "AllowPeers", "DenyPeers", "AllowLoopback", "NAT64"}

// Reload applies what can change while the server serves: Keyring, Users, AllowPeers, DenyPeers, AllowLoopback and NAT64. Fields that are
// functions, and Logger, are not looked at. Any other field that differs from what New was given is an error that names it, as is a Keyring
// where there was none, or none where there was one, since that changes what clients are offered. After an error everything is as it was.
//
// No packet is lost. Permissions, channels and connections to peers that are now denied end at once. Whoever has an
// allocation with a secret or as a user that is gone keeps it until the client's next request, which is answered 401 and so ends
// it by the time its lifetime is over: keep an old secret among the new ones for those who should go on, and
// Revoke those who should not.
func (s *Server) Reload(cfg Config) error {
	cfg, faults := cfg.resolved()
	cfg.interfaces = s.cfg.interfaces
	if faults == nil {
		faults = s.cfg.keeps(cfg)
	}
	access, err := cfg.access()
	if err := errors.Join(faults, err); err != nil {
		return fmt.Errorf("relay: reload: %w", err)
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.access.Store(access)
	ended := s.crew.SetPolicy(access.peers)
	s.cfg.Logger.Info("relay reloaded", "secrets", access.keyring.Len(), "users", len(access.users),
		"allowed_peers", len(cfg.AllowPeers), "denied_peers", len(cfg.DenyPeers), "permissions_ended", ended)
	return nil
}

// keeps returns what another configuration has changed and must not.
func (c Config) keeps(other Config) error {
	var faults []error
	before, after := reflect.ValueOf(c), reflect.ValueOf(other)
	var changed []string
	for i := range before.NumField() {
		field := before.Type().Field(i)
		if !field.IsExported() || field.Name == "Logger" || field.Type.Kind() == reflect.Func || slices.Contains(reloaded, field.Name) {
			continue
		}
		if !before.Field(i).Equal(after.Field(i)) {
			changed = append(changed, field.Name)
		}
	}
	if changed != nil {
		faults = append(faults, fmt.Errorf("%s cannot change while the server serves", strings.Join(changed, ", ")))
	}
	if (c.Keyring == nil) != (other.Keyring == nil) {
		faults = append(faults, errors.New("a Keyring cannot be added or taken away while the server serves"))
	}
	return errors.Join(faults...)
}

// changed reports whether peers may be judged otherwise than before, although the rules are the same.
func (s *Server) changed() bool { return s.access.Load().peers.Changed() }
