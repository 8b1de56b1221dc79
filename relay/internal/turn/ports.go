package turn

import (
	"errors"
	"net/netip"
)

// Family is an address family by its number in REQUESTED-ADDRESS-FAMILY (RFC 8656 section 18.6).
type Family uint8

// The address families.
const (
	IPv4 Family = 1
	IPv6 Family = 2
)

func familyOf(addr netip.Addr) Family {
	if addr.Is4() || addr.Is4In6() {
		return IPv4
	}
	return IPv6
}

// ErrPorts says that every port of the range is taken.
var ErrPorts = errors.New("every relay port is taken")

// Wish says which relay socket is wanted.
type Wish struct {
	Family Family
	Even   bool // the port must be even (EVEN-PORT)
	Pair   bool // the next port must be free too and is kept for a later Claim
}

// Opened is a relay socket that was opened.
type Opened struct {
	Port     Port           // for UDP
	Listener Listener       // for TCP
	Relayed  netip.AddrPort // the address to tell the client
	Bound    netip.AddrPort // another address of this host that it can be reached at, if there is one
	Kept     Kept           // the next port; needed if it was wished for
}

// Ports opens relay sockets. Opening does not block, so the engine can answer a request in one step;
// docs/adr/0005-the-engine-opens-ports-in-one-step.md says why.
type Ports interface {
	// Open opens a UDP socket whose packets are passed to FromPeer with r; what comes after Close is
	// dropped there. The error is ErrPorts or says why else there is no socket.
	Open(r *Relay, w Wish) (Opened, error)
	// Claim makes a kept port the socket of r. Engines of one relay claim each other's.
	Claim(r *Relay, k Kept) (Opened, error)
	// Listen opens a TCP listener whose connections are passed to Incoming with r.
	Listen(r *Relay, f Family) (Opened, error)
}

// Port is a UDP relay socket.
type Port interface {
	// Send sends a datagram to a peer, with the DF bit if df is set.
	Send(peer netip.AddrPort, body []byte, df bool)
	Close()
}

// Listener is a TCP relay socket.
type Listener interface {
	// Connect connects to a peer from the listener's address. The engine learns how that ended by
	// Connected or Failed; the attempt is given up when the engine says CloseConn.
	Connect(peer netip.AddrPort, id uint32)
	Close()
}

// Kept is a port kept for whoever presents a reservation token.
type Kept interface {
	// Release gives the port back.
	Release()
}
