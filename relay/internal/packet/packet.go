package packet

import (
	"errors"
	"net/netip"
)

// ErrClosed is what using a closed socket or group returns.
var ErrClosed = errors.New("packet: closed")

// ErrNoSiblings says that a socket is not of a kind that shares its port with others.
var ErrNoSiblings = errors.New("packet: not a socket whose port can be shared")

// Mode says how sockets are read and written. Each falls back on the next where the system lacks something.
type Mode uint8

// The modes.
const (
	Offload Mode = iota // in batches, with the system's offloads
	Batch               // in batches
	Plain               // one datagram a time, by package net
)

// String returns the mode as a word.
func (m Mode) String() string { return [...]string{"offload", "batch", "plain"}[m] }

// ParseMode is the reverse of String.
func ParseMode(word string) (Mode, bool) {
	for _, m := range []Mode{Offload, Batch, Plain} {
		if m.String() == word {
			return m, true
		}
	}
	return 0, false
}

// Options are those of a socket.
type Options struct {
	// Local asks for the address that datagrams were sent to, for sockets that are bound to none.
	Local bool
	// Errors asks for the ICMP errors that datagrams have caused.
	Errors bool
	// Fragment sends datagrams without the DF bit, whatever is known of the path.
	Fragment bool
	// Receive and Send are how many bytes may wait in the socket, each way, as far as the system grants it; 0: as it likes.
	Receive, Send int
	// Tag is what Arrival says of the socket.
	Tag any
}

// maxDatagram is the size of the largest datagram there is.
const maxDatagram = 1<<16 - 1

// Datagram is one that has arrived.
type Datagram struct {
	From netip.AddrPort // IPv4 not in its IPv4-mapped form
	To   netip.Addr     // the address of this host; zero unless asked for, and where the system does not tell
	Body []byte
}

// Failure is an ICMP error about a datagram that was sent.
type Failure struct {
	To         netip.AddrPort // where the datagram was to go
	Type, Code uint8
	Info       uint32 // of type 3, code 4 (IPv4) and of type 2 (IPv6): the MTU
}

// Arrival is what has come at one socket.
type Arrival struct {
	Socket    *Socket
	Tag       any
	Datagrams []Datagram // in the order in which they came
	Failures  []Failure
	Lost      uint32 // datagrams that the system has dropped since it last said so, for want of room in the socket's buffer
}

// Handler is given what has arrived. Nothing of it may be kept when it returns; then what it has put into out is sent. A handler may be
// called by several goroutines at once.
type Handler func(out *Outbox, arrivals []Arrival)

// Message is a datagram to send: Head, Body and Pad zeros. Head is copied; Body must stay as it is until the outbox is flushed.
type Message struct {
	To         netip.AddrPort
	From       netip.Addr // address of this host to send from, on sockets with Options.Local; zero: as the system likes
	Head, Body []byte
	Pad        int  // 0 to 3
	DF         bool // with the DF bit, and no fragments of its own; needs CanSetDF
}

var zeros [4]byte

// plain returns an address without its IPv4-mapped form.
func plain(a netip.AddrPort) netip.AddrPort {
	if a.Addr().Is4In6() {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	return a
}
