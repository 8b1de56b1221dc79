package turn

import "net/netip"

// Packet is one datagram for a client, or one message on its stream: Head, Body and Pad zeros, in
// this order. Body is the payload of a peer as it came in, so that nothing needs to be copied.
type Packet struct {
	Head []byte // valid during the call
	Body []byte // valid as long as the buffer that was passed in
	Pad  int    // 0 to 3
}

// Len returns the packet's size.
func (p Packet) Len() int { return len(p.Head) + len(p.Body) + p.Pad }

// AppendTo appends the packet to a buffer.
func (p Packet) AppendTo(buf []byte) []byte {
	buf = append(append(buf, p.Head...), p.Body...)
	return append(buf, padding[:p.Pad]...)
}

var padding [4]byte

// Sink takes what an engine sends. It is called from within the engine's methods and must not call
// them.
type Sink interface {
	// ToClient sends a packet to a client.
	ToClient(c Client, p Packet)

	// Across hands a payload to another engine of the same relay, for its FromInside. The relayed
	// addresses are those of the allocations that it goes from and to.
	Across(engine int, from, to netip.AddrPort, body []byte)

	// Join makes two peer connections each other's other end (RFC 6062 within one relay): what the
	// client bound to one sends arrives at the client bound to the other.
	Join(a, b uint32)

	// Call asks another engine of the same relay, by its Called, for a connection between two TCP allocations, one of each. The
	// addresses are theirs. This engine learns how that ended by Connected or Failed, for the connection with that id.
	Call(engine int, id uint32, from, to netip.AddrPort)

	// CloseConn closes a peer connection, whether it is being made, waits for its client or is
	// bound to one, and then the client's connection with it.
	CloseConn(id uint32)
}

// Effect is what a packet of a client means for the connection it came over.
type Effect struct {
	// Authenticated says that the packet was signed by a known user.
	Authenticated bool
	// Hangup says that the stream cannot go on: nothing after this packet can be understood.
	Hangup bool
	// Bound is not zero after a ConnectionBind request: the connection now carries the bytes of
	// this peer connection, both ways, beginning with the byte behind the request.
	Bound uint32
	// Owner is then the number of the engine that made the peer connection, and is told how it goes on.
	Owner int
}
