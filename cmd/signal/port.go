package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/internal/oneport"
	"github.com/parley-rtc/parley/relay"
)

// newPort returns what tells apart the connections of --listen.
func (f *flags) newPort(l net.Listener, stun relayService, certificates *daemon.Certificates) *oneport.Port {
	var cfg oneport.Config
	if stun.server != nil && f.TurnOnListen != "no" {
		cfg.Turn, cfg.Below = stun.server.ServeConn, relay.CorkedConn
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

// urls returns what clients are told of the relay of this process; the name of TLS is that of the certificate as it is then.
func (f *flags) urls(stun relayService, listening *net.TCPAddr, certificates *daemon.Certificates) func() []string {
	return func() []string {
		return slices.Concat(stun.urls, f.urlsOnListen(stun, listening, certificates))
	}
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
	if f.TurnOnListen == "yes" && public.host != "" { // a balancer's, perhaps, on another machine
		host, port = public.host, public.port
	}
	inClear, secured := "turn:"+net.JoinHostPort(host, port)+"?transport=tcp", "turns:"+net.JoinHostPort(f.nameOfTLS(certificates), port)+"?transport=tcp"
	switch {
	case certificates != nil && public.name == "" && !certificates.Covers(f.nameOfTLS(certificates)):
		return []string{inClear} // nobody would take the certificate; of a --public-url it may be a balancer's that counts
	case certificates != nil:
		return []string{inClear, secured}
	case public.secure: // the balancer ends TLS
		return []string{secured}
	}
	return []string{inClear}
}

// nameOfTLS is what clients have to call the host over TLS: the name of --public-url, else one of the certificate, else the public IP.
func (f *flags) nameOfTLS(certificates *daemon.Certificates) string {
	if public := publicOf(f.PublicURL); public.name != "" {
		return public.name
	}
	if certificates != nil && certificates.Name() != "" {
		return certificates.Name()
	}
	return f.publicIP().String()
}

// warnOfName says in the log if the certificate is not for the name that clients know.
func (f *flags) warnOfName(certificates *daemon.Certificates, log *slog.Logger) {
	if certificates == nil {
		return
	}
	name := f.nameOfTLS(certificates)
	switch {
	case certificates.Covers(name):
	case publicOf(f.PublicURL).name != "":
		log.Warn("the certificate is not for the name of --public-url, so browsers refuse it, unless another one is shown by what is in front", "name", name)
	default:
		log.Warn("the certificate is not for this host as clients know it, so browsers warn of pages, and are not told of TURN over TLS; "+
			"it needs a DNS name (a common name does not count), and if that is a wildcard --public-url has to say which name of it is meant", "host", name)
	}
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
