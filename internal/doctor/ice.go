package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pion/stun/v3"

	"github.com/parley-rtc/parley/internal/probe"
)

// relayURL is one URL of a STUN or TURN server, as the join told it.
type relayURL struct {
	text                 string
	uri                  stun.URI
	err                  error // it cannot be read
	username, credential string
}

// over is what carries it: "UDP", "TCP", "TLS" or "DTLS".
func (u relayURL) over() string {
	switch stream := u.uri.Proto == stun.ProtoTypeTCP; {
	case u.uri.IsSecure() && stream:
		return "TLS"
	case u.uri.IsSecure():
		return "DTLS"
	case stream:
		return "TCP"
	}
	return "UDP"
}

func (u relayURL) title() string {
	kind := "STUN"
	if u.relays() {
		kind = "TURN"
	}
	return fmt.Sprintf("%s over %s, %s", kind, u.over(), net.JoinHostPort(u.uri.Host, strconv.Itoa(u.uri.Port)))
}

func (u relayURL) relays() bool {
	return u.uri.Scheme == stun.SchemeTypeTURN || u.uri.Scheme == stun.SchemeTypeTURNS
}

// maxURLs is how many of each kind are looked at.
const maxURLs = 8

// iceURLs returns the URLs that the join told: of STUN, and of TURN.
func (x *examination) iceURLs() (stuns, turns []relayURL) {
	if !x.found.joined {
		return nil, nil
	}
	for _, server := range x.found.first.reply.ICEServers {
		for _, text := range server.URLs {
			u := relayURL{text: clip(text), username: server.Username, credential: server.Credential}
			uri, err := stun.ParseURI(text)
			if err != nil {
				u.err = err
				u.uri.Scheme = map[bool]stun.SchemeType{true: stun.SchemeTypeSTUN, false: stun.SchemeTypeTURN}[strings.HasPrefix(text, "stun")]
			} else {
				u.uri = *uri
			}
			if u.relays() && len(turns) < maxURLs {
				turns = append(turns, u)
			} else if !u.relays() && len(stuns) < maxURLs {
				stuns = append(stuns, u)
			}
		}
	}
	return stuns, turns
}

// mapping is how a server sees a socket of this host.
type mapping struct{ server, mapped netip.AddrPort }

// mapped is what the NAT does, as far as it was seen.
type mapped string

const (
	mapUnknown     mapped = ""
	mapNone        mapped = "none"
	mapIndependent mapped = "independent"
	mapDependent   mapped = "dependent"
)

func (x *examination) noSTUN(_ context.Context, row *Row) {
	if !x.found.joined {
		row.skip(unjoined(x))
		return
	}
	row.skip("the server names no STUN server")
}

// stun asks one STUN server where it sees this host.
func (x *examination) stun(ctx context.Context, row *Row, u relayURL) {
	if u.err != nil {
		row.fail(fmt.Sprintf("the server names %q, which is no URL: %v", u.text, u.err), "correct --turn-url of the server")
		return
	}
	var last probe.Step
	failed := probe.Check(ctx, probe.Target{URI: u.uri, Insecure: x.Insecure, Timeout: x.Timeout}, func(s probe.Step) { last = s })
	if failed != nil {
		row.fail(failed.Name+": "+plain(failed.Err), failed.Cure+"; peers then need the relay over TCP or TLS")
		return
	}
	row.pass(fmt.Sprintf("%s, after %s", last.Found, round(last.Took)))
	if u.over() == "UDP" {
		x.found.mu.Lock()
		defer x.found.mu.Unlock()
		x.found.stun = append(x.found.stun, mapping{})
	}
}

// udpServers are those that may be asked over UDP, as addresses.
func (x *examination) udpServers(ctx context.Context) []netip.AddrPort {
	var servers []netip.AddrPort
	for _, u := range slices.Concat(x.found.stuns, x.found.offered) {
		if u.err != nil || u.over() != "UDP" {
			continue
		}
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", u.uri.Host)
		if err != nil || len(addrs) == 0 {
			continue
		}
		if at := netip.AddrPortFrom(addrs[0].Unmap(), uint16(u.uri.Port)); !slices.Contains(servers, at) {
			servers = append(servers, at)
		}
	}
	return servers
}

// nat looks at one socket from two ports or more: the STUN servers', and a relayed address.
func (x *examination) nat(ctx context.Context, row *Row) {
	ctx, cancel := context.WithTimeout(ctx, x.Timeout)
	defer cancel()
	if !x.found.joined {
		row.skip(unjoined(x))
		return
	}
	if len(x.found.stun) == 0 {
		row.skip("no STUN server answers over UDP, so it cannot be seen")
		return
	}
	socket, err := net.ListenUDP("udp4", nil)
	if err != nil {
		row.skip("this host has no UDP over IPv4")
		return
	}
	defer func() { _ = socket.Close() }() // it is of no more use
	var seen []mapping
	for _, server := range x.udpServers(ctx) {
		if at, err := probe.New(probe.Facing(socket, server), false).Binding(ctx); err == nil {
			seen = append(seen, mapping{server, at})
		}
	}
	if len(seen) == 0 {
		row.skip("no STUN server answers over UDP, so it cannot be seen")
		return
	}
	own := localOf(seen[0].server, socket)
	why := ""
	if seen[0].mapped != own { // else there is nothing to see
		if relayed, err := x.seenByRelay(ctx, socket, seen[0]); err == nil {
			seen = append(seen, relayed)
		} else {
			why = plain(err)
		}
	}
	x.judgeNAT(row, seen, own, why)
}

// judgeNAT puts what was seen into words.
func (x *examination) judgeNAT(row *Row, seen []mapping, own netip.AddrPort, why string) {
	same := true
	for _, m := range seen {
		same = same && m.mapped == seen[0].mapped
	}
	var ports []string
	for _, m := range seen {
		ports = append(ports, strconv.Itoa(int(m.mapped.Port())))
	}
	switch {
	case same && seen[0].mapped == own:
		x.found.mapped = mapNone
		row.pass("none: this host is seen under its own address, " + own.String())
	case len(seen) == 1:
		row.pass(fmt.Sprintf("this host is seen as %s; whether it is the same from another port could not be seen (%s)", seen[0].mapped, why))
	case same:
		x.found.mapped = mapIndependent
		row.pass(fmt.Sprintf("endpoint-independent mapping: the same port, %s, as seen from %d ports; others can connect directly", ports[0], len(seen)))
	default:
		x.found.mapped = mapDependent
		row.warn("address- and port-dependent mapping (“symmetric”): ports "+strings.Join(ports, ", ")+" for one socket",
			"the NAT gives each destination another port, so that peers behind another such NAT, or a strict firewall, do not find this one",
			"peers connect through the relay then; direct paths to them need another NAT setting (full cone, UPnP) or IPv6")
	}
}

// localOf is the socket's own address on the way to a server. Nothing is sent.
func localOf(server netip.AddrPort, socket *net.UDPConn) netip.AddrPort {
	conn, err := net.Dial("udp4", server.String())
	if err != nil {
		return netip.AddrPort{}
	}
	defer func() { _ = conn.Close() }()
	return netip.AddrPortFrom(conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), socket.LocalAddr().(*net.UDPAddr).AddrPort().Port())
}

// seenByRelay has an allocation made, over whatever works, and looks at the socket from its relayed address.
func (x *examination) seenByRelay(ctx context.Context, socket *net.UDPConn, first mapping) (mapping, error) {
	failure := errors.New("there is one STUN server, and no relay over UDP")
	for _, u := range x.found.offered {
		if u.err != nil || u.over() != "UDP" {
			continue
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "udp4", net.JoinHostPort(u.uri.Host, strconv.Itoa(u.uri.Port)))
		if err != nil {
			failure = err
			continue
		}
		client := probe.New(conn, false)
		seen, err := x.throughAllocation(ctx, client, u, socket, first.mapped)
		_ = client.Close() // it was of no more use
		if err == nil {
			return seen, nil
		}
		failure = err
	}
	return mapping{}, failure
}

func (x *examination) throughAllocation(ctx context.Context, client *probe.Client, u relayURL, socket *net.UDPConn, first netip.AddrPort) (mapping, error) {
	if err := client.Challenge(ctx); err != nil {
		return mapping{}, err
	}
	client.As(u.username, u.credential)
	relayed, err := client.Allocate(ctx, false)
	if err != nil {
		return mapping{}, err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = client.Refresh(ending, 0) // it expires anyway
	}()
	at, err := client.SeenFrom(ctx, socket, relayed, first)
	if probe.CodeOf(err) == 403 {
		return mapping{}, fmt.Errorf("the relay sends nothing to %v, which is private or its own", first.Addr())
	}
	return mapping{relayed, at}, err
}

// ipv6 looks whether there is a way over IPv6.
func (x *examination) ipv6(ctx context.Context, row *Row) {
	ctx, cancel := context.WithTimeout(ctx, x.Timeout)
	defer cancel()
	here := "this host has no IPv6"
	if conn, err := net.Dial("udp6", "[2001:db8::1]:9"); err == nil { // nothing is sent
		here = "this host has IPv6"
		_ = conn.Close()
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip6", x.base.Hostname())
	if err != nil || len(addrs) == 0 || addrs[0].Is4() || addrs[0].Is4In6() {
		row.skip(here + ", and the server's name has no IPv6 address: IPv4 is used")
		return
	}
	port := cmp.Or(x.base.Port(), map[string]string{"http": "80", "https": "443"}[x.base.Scheme])
	began := time.Now()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp6", net.JoinHostPort(addrs[0].String(), port))
	if err != nil {
		row.warn("", "the server has an IPv6 address, and is not reached by it: "+plain(err), here+"; IPv4 is used, some clients after a pause: mend the way, or take the AAAA record out")
		return
	}
	_ = conn.Close()
	row.pass("the server answers over IPv6 after " + round(time.Since(began)))
}
