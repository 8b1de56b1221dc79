package main

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/internal/oneport"
)

// newPort returns what tells apart the connections of --listen.
func (f *flags) newPort(l net.Listener, stun relayService, certificates *daemon.Certificates) *oneport.Port {
	var cfg oneport.Config
	if stun.server != nil && f.TurnOnListen != "no" {
		cfg.Turn = stun.server.ServeConn
	}
	if certificates != nil {
		cfg.TLS = certificates.TLS("http/1.1", "stun.turn", "stun.nat-discovery") // never h2: WebSockets and events live on connections of their own
	}
	return oneport.New(l, cfg)
}

// endTLS are the proxies that may pass on in the clear what came to them over TLS.
func (f *flags) endTLS() []netip.Prefix {
	if f.ProxyProtocol {
		return nil // they pass on what they get
	}
	return f.proxies
}

// urlsOnListen are the relay's URLs of --listen for clients, if they can come to it so.
func (f *flags) urlsOnListen(stun relayService, listening *net.TCPAddr, certificates *daemon.Certificates) []string {
	if stun.server == nil || f.TurnOnListen == "no" {
		return nil
	}
	public := publicOf(f.PublicURL)
	if f.TurnOnListen == "auto" && !f.reachesListen(listening, public, certificates != nil) {
		return nil
	}
	host, port := f.publicIP().String(), fmt.Sprint(listening.Port)
	name := cmp.Or(public.name, host)
	if public.name == "" && certificates != nil {
		name = cmp.Or(certificates.Name(), host)
	}
	if f.TurnOnListen == "yes" && public.host != "" { // a balancer's, perhaps, on another machine
		host, port = public.host, public.port
	}
	inClear, secured := "turn:"+net.JoinHostPort(host, port)+"?transport=tcp", "turns:"+net.JoinHostPort(name, port)+"?transport=tcp"
	switch {
	case certificates != nil:
		return []string{inClear, secured}
	case public.secure: // the balancer ends TLS
		return []string{secured}
	}
	return []string{inClear}
}

// reachesListen says whether clients that reach the relay reach --listen, too, and without anything between that
// passes on only HTTP, as far as the flags tell.
func (f *flags) reachesListen(listening *net.TCPAddr, public endpoint, secure bool) bool {
	ip := listening.AddrPort().Addr().Unmap()
	switch {
	case len(f.proxies) > 0 && !f.ProxyProtocol:
		return false
	case public.host != "" && (public.port != fmt.Sprint(listening.Port) || public.secure != secure):
		return false
	case ip.IsUnspecified():
		return true
	}
	return ip.Is4() && ip.IsLoopback() == f.publicIP().IsLoopback()
}

// endpoint is where a URL leads to.
type endpoint struct {
	host, name, port string // name: host, if it is no address
	secure           bool
}

func publicOf(text string) endpoint {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return endpoint{}
	}
	e := endpoint{host: u.Hostname(), port: u.Port(), secure: u.Scheme == "https"}
	if _, err := netip.ParseAddr(e.host); err != nil {
		e.name = e.host
	}
	e.port = cmp.Or(e.port, map[bool]string{false: "80", true: "443"}[e.secure])
	return e
}
