package main

import (
	"log/slog"
	"net"
	"net/netip"
	"strings"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/signaling"
)

// limitFlags are the limits of signaling.Limits, and whom an address is believed.
type limitFlags struct {
	MaxFrame         int `group:"Limits" help:"Most bytes of one frame, by default ${default}." default:"65536" env:"PARLEY_MAX_FRAME" placeholder:"BYTES"`
	MaxBroadcast     int `group:"Limits" help:"Most bytes of data in a broadcast, by default ${default}." default:"8192" env:"PARLEY_MAX_BROADCAST" placeholder:"BYTES"`
	MaxName          int `group:"Limits" help:"Most bytes of a peer's name, by default ${default}." default:"64" env:"PARLEY_MAX_NAME" placeholder:"BYTES"`
	MaxMeta          int `group:"Limits" help:"Most bytes of a peer's meta, by default ${default}." default:"1024" env:"PARLEY_MAX_META" placeholder:"BYTES"`
	MaxPeers         int `group:"Limits" help:"Most peers in one room, by default ${default}." default:"64" env:"PARLEY_MAX_PEERS" placeholder:"N"`
	MaxPerAddress    int `group:"Limits" help:"Most peers in one room that come from one address (IPv6: /64), by default ${default}." default:"16" env:"PARLEY_MAX_PER_ADDRESS" placeholder:"N"`
	MaxMailboxFrames int `group:"Limits" help:"Most frames that wait for one session, by default ${default}; one sender has a quarter." default:"2048" env:"PARLEY_MAX_MAILBOX_FRAMES" placeholder:"N"`
	MaxMailboxBytes  int `group:"Limits" help:"Most bytes that wait for one session, by default ${default}; one sender has a quarter." default:"1048576" env:"PARLEY_MAX_MAILBOX_BYTES" placeholder:"BYTES"`
	Rate             int `group:"Limits" help:"Bytes a second that one session may send, times the peers they reach, by default ${default}." default:"262144" env:"PARLEY_RATE" placeholder:"BYTES"`
	RateBurst        int `group:"Limits" help:"Bytes that one session may send at once, times the peers they reach: 2097152, or what the greatest broadcast to a full room needs." env:"PARLEY_RATE_BURST" placeholder:"BYTES"`
	JoinRate         int `group:"Limits" help:"Joins a second that one address may ask for, by default ${default}." default:"32" env:"PARLEY_JOIN_RATE" placeholder:"N"`
	JoinBurst        int `group:"Limits" help:"Joins that one address may ask for at once, by default ${default}." default:"256" env:"PARLEY_JOIN_BURST" placeholder:"N"`
	MaxConnections   int `group:"Limits" help:"Most TCP connections from one address (IPv6: /64) that is no trusted proxy's, by default ${default}." default:"4096" env:"PARLEY_MAX_CONNECTIONS" placeholder:"N"`

	TrustedProxy  []string `group:"Behind a proxy" help:"Address or network of a proxy in front, such as 10.0.0.0/8, whose X-Forwarded-For is believed. Repeatable." env:"PARLEY_TRUSTED_PROXY" placeholder:"CIDR"`
	ProxyProtocol bool     `group:"Behind a proxy" help:"Take the client's address from the PROXY protocol (version 1 or 2) of connections from a --trusted-proxy." env:"PARLEY_PROXY_PROTOCOL"`

	proxies []netip.Prefix // of TrustedProxy
}

// named are the limits by their flags, each with its field in signaling.Limits.
func (f *limitFlags) named() []limit {
	return []limit{
		{"--max-frame", "Limits.Frame", f.MaxFrame},
		{"--max-broadcast", "Limits.Broadcast", f.MaxBroadcast},
		{"--max-name", "Limits.Name", f.MaxName},
		{"--max-meta", "Limits.Meta", f.MaxMeta},
		{"--max-peers", "Limits.Peers", f.MaxPeers},
		{"--max-per-address", "Limits.PerAddress", f.MaxPerAddress},
		{"--max-mailbox-frames", "Limits.MailboxFrames", f.MaxMailboxFrames},
		{"--max-mailbox-bytes", "Limits.MailboxBytes", f.MaxMailboxBytes},
		{"--rate", "Limits.Rate", f.Rate},
		{"--rate-burst", "Limits.Burst", f.RateBurst},
		{"--join-rate", "Limits.JoinRate", f.JoinRate},
		{"--join-burst", "Limits.JoinBurst", f.JoinBurst},
	}
}

type limit struct {
	flag, field string
	value       int
}

func (f *limitFlags) limits() signaling.Limits {
	return signaling.Limits{
		Frame:         f.MaxFrame,
		Broadcast:     f.MaxBroadcast,
		Name:          f.MaxName,
		Meta:          f.MaxMeta,
		Peers:         f.MaxPeers,
		PerAddress:    f.MaxPerAddress,
		MailboxFrames: f.MaxMailboxFrames,
		MailboxBytes:  f.MaxMailboxBytes,
		Rate:          f.Rate,
		Burst:         f.RateBurst,
		JoinRate:      f.JoinRate,
		JoinBurst:     f.JoinBurst,
	}
}

// guard bounds the connections of a listener, and finds whom they come from.
func (f *limitFlags) guard(l net.Listener, log *slog.Logger) net.Listener {
	l = daemon.LimitConnections(l, f.MaxConnections, f.proxies, "--max-connections", log)
	if f.ProxyProtocol {
		l = daemon.AcceptProxyProtocol(l, f.proxies)
	}
	return l
}

// checkLimits refuses limits that the service does not take, in the words of the flags.
func (f *limitFlags) checkLimits() error {
	for _, l := range append(f.named(), limit{"--max-connections", "", f.MaxConnections}) {
		if l.value < 1 && l.flag != "--rate-burst" || l.value < 0 { // of a config zero means the default
			return daemon.Usagef("%s is %d; it must be at least 1", l.flag, l.value)
		}
	}
	if err := f.limits().Check(); err != nil {
		var names []string
		for _, l := range f.named() {
			names = append(names, l.field, l.flag)
		}
		return daemon.Usagef("%s", strings.NewReplacer(names...).Replace(oneLine(err)))
	}
	for _, text := range f.TrustedProxy {
		proxy, err := netip.ParsePrefix(text)
		if address, is := netip.ParseAddr(text); is == nil {
			proxy, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			return daemon.Usagef("--trusted-proxy: %q is not an address or a network like 10.0.0.0/8", text)
		}
		f.proxies = append(f.proxies, proxy)
	}
	if f.ProxyProtocol && len(f.proxies) == 0 {
		return daemon.Usagef("--proxy-protocol needs --trusted-proxy: the addresses that connections with the PROXY protocol come from")
	}
	return nil
}
