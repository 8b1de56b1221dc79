package turn

import "net/netip"

// Transport is what a client speaks to the relay over.
type Transport uint8

// The transports of RFC 8656 section 2.1.
const (
	UDP Transport = iota + 1
	TCP
	TLS
	DTLS
)

// String returns the transport's name.
func (t Transport) String() string { return [...]string{"none", "udp", "tcp", "tls", "dtls"}[t] }

// Stream reports whether messages follow each other on a byte stream.
func (t Transport) Stream() bool { return t == TCP || t == TLS }

// Client says where a packet of a client came from, and where packets for it go: a five-tuple.
type Client struct {
	Addr      netip.AddrPort // as the relay sees it, IPv4 not in its IPv4-mapped form
	Transport Transport
	Listener  uint32     // over UDP: the caller's number of its socket
	Local     netip.Addr // over UDP: the address of the socket, if it has several
	Conn      uint64     // otherwise: the caller's number of the connection, unique in one engine
}

// tuple is a Client as a key. Without pointers and padding it is hashed in one go.
type tuple struct {
	addr      [16]byte
	local     [16]byte
	conn      uint64
	listener  uint32
	port      uint16
	transport uint16
}

func (c Client) tuple() tuple {
	if c.Transport != UDP {
		return tuple{conn: c.Conn, transport: uint16(c.Transport)}
	}
	t := tuple{addr: c.Addr.Addr().As16(), listener: c.Listener, port: c.Addr.Port(), transport: uint16(UDP)}
	if c.Local.IsValid() {
		t.local = c.Local.As16()
	}
	return t
}

// peerKey is a peer's address and port as a key.
type peerKey struct {
	addr [16]byte
	port uint16
}

func keyOf(peer netip.AddrPort) peerKey { return peerKey{peer.Addr().As16(), peer.Port()} }

// source is what quotas and budgets know an address by: an IPv4 address, or an IPv6 /64, since that
// is what one subscriber has.
func source(addr netip.Addr) [16]byte {
	b := addr.As16()
	if addr.Is6() && !addr.Is4In6() {
		clear(b[8:])
	}
	return b
}

// unmapped returns an address without IPv4-mapped form and zone.
func unmapped(a netip.AddrPort) netip.AddrPort {
	if addr := a.Addr(); addr.Is4In6() || addr.Zone() != "" {
		return netip.AddrPortFrom(addr.Unmap().WithZone(""), a.Port())
	}
	return a
}
