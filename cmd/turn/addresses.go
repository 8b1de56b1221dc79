package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/relay"
)

// addresses sets what relays advertise and are bound to.
func (f *flags) addresses(ctx context.Context, cfg *relay.Config, log *slog.Logger) error {
	if f.PublicIP != nil && len(f.PublicIP) == 0 {
		return errors.New("--public-ip: the value is empty")
	}
	given := f.PublicIP
	if given == nil {
		given = []daemon.PublicAddress{{}}
	}
	var public, private []netip.Addr
	for _, address := range given {
		if !address.Public.IsValid() {
			f.found = daemon.FindPublic(ctx, address.Auto, f.ProbeSTUN, log)
			address.Public, address.Private = f.found.Public, f.found.Private
		}
		public = append(public, address.Public)
		if address.Private.IsValid() {
			private = append(private, address.Private)
		}
	}
	if err := split("--public-ip", public, &cfg.PublicIP, &cfg.PublicIPv6); err != nil {
		return err
	}
	if f.RelayBind != nil { // it wins over a private address that was found
		for _, address := range given {
			if address.Private.IsValid() {
				return fmt.Errorf("--relay-bind: --public-ip %v says what to bind to already", address)
			}
		}
		private = f.RelayBind
	}
	if err := split("--relay-bind", private, &cfg.RelayBind, &cfg.RelayBindIPv6); err != nil {
		return err
	}
	if cfg.RelayBind.IsValid() && !cfg.PublicIP.IsValid() || cfg.RelayBindIPv6.IsValid() && !cfg.PublicIPv6.IsValid() {
		return fmt.Errorf("--relay-bind: there is no --public-ip of the same family as one of %v", f.RelayBind)
	}
	for _, addr := range private {
		flag, value := "--relay-bind", addr.String()
		if f.RelayBind == nil {
			flag, value = "--public-ip", publicOf(given, addr)
		}
		if err := daemon.CheckBind(addr, flag, value); err != nil {
			return err
		}
	}
	cfg.KeepFamily = f.DefaultFamily == "keep" || f.DefaultFamily == "" && !cfg.PublicIP.IsValid()
	for _, addr := range public {
		daemon.WarnOfPublic(addr, f.ProbeSTUN, log)
	}
	return nil
}

// publicOf returns the value of --public-ip that names a private address, or the address if it was found and not given.
func publicOf(given []daemon.PublicAddress, private netip.Addr) string {
	for _, address := range given {
		if address.Private == private {
			return address.String()
		}
	}
	return private.String()
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
