package main

import (
	"fmt"
	"net/netip"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/relay"
)

// addresses sets what relays advertise and are bound to.
func (f flags) addresses(cfg *relay.Config) error {
	public := f.PublicIP
	if public == nil {
		public = []netip.Addr{daemon.PublicIP()}
	}
	if err := split("--public-ip", public, &cfg.PublicIP, &cfg.PublicIPv6); err != nil {
		return err
	}
	if err := split("--relay-bind", f.RelayBind, &cfg.RelayBind, &cfg.RelayBindIPv6); err != nil {
		return err
	}
	if cfg.RelayBind.IsValid() && !cfg.PublicIP.IsValid() || cfg.RelayBindIPv6.IsValid() && !cfg.PublicIPv6.IsValid() {
		return fmt.Errorf("--relay-bind: there is no --public-ip of the same family as one of %v", f.RelayBind)
	}
	cfg.KeepFamily = f.DefaultFamily == "keep" || f.DefaultFamily == "" && !cfg.PublicIP.IsValid()
	return nil
}

// split sorts the addresses of a flag by their family.
func split(flag string, addrs []netip.Addr, four, six *netip.Addr) error {
	if addrs != nil && len(addrs) == 0 {
		return fmt.Errorf("%s: the value is empty", flag)
	}
	for _, addr := range addrs {
		addr = addr.Unmap()
		to, family := four, "IPv4"
		if addr.Is6() {
			to, family = six, "IPv6"
		}
		if to.IsValid() {
			return fmt.Errorf("%s: %s is a second %s address, after %s", flag, addr, family, *to)
		}
		*to = addr
	}
	return nil
}
