package packet

import "net/netip"

// Lost is told of datagrams that could not be sent: so many, of one socket, for one reason.
type Lost func(s *Socket, n int, err error)

// Outbox collects what is to be sent. Datagrams of one socket for one address leave in the order in which they were
// added. It is used by one goroutine at a time.
type Outbox struct {
	lost     Lost
	messages []queued
	heads    []byte // those of messages, one behind the other
	chains   []chain
	lately   [64]int32 // chains by hash, plus 1; 0: none. The last one of those with the same hash
	whole    []byte    // a datagram put together, in mode Plain
	batch    *writer
}

// queued is a message with the one behind it in its chain.
type queued struct {
	Message
	head, headEnd int32 // in heads
	next          int32 // in messages; 0: none, since the first is behind no other
}

// chain is what one socket sends to one address.
type chain struct {
	s           *Socket
	to          netip.AddrPort
	from        netip.Addr
	first, last int32
}

// NewOutbox returns an empty outbox.
func NewOutbox(lost Lost) *Outbox { return &Outbox{lost: lost} }

// largeOutbox is how many bytes of heads are kept for the next time.
const largeOutbox = 64 << 10

// Add queues a datagram. Flush must follow.
func (o *Outbox) Add(s *Socket, m Message) {
	at := int32(len(o.messages))
	start := int32(len(o.heads))
	o.heads = append(o.heads, m.Head...)
	m.Head = nil
	o.messages = append(o.messages, queued{Message: m, head: start, headEnd: int32(len(o.heads))})

	slot := &o.lately[hash(m.To)]
	if i := *slot - 1; i >= 0 {
		if c := &o.chains[i]; c.s == s && c.to == m.To && c.from == m.From {
			o.messages[c.last].next = at
			c.last = at
			return
		}
	}
	o.chains = append(o.chains, chain{s: s, to: m.To, from: m.From, first: at, last: at})
	*slot = int32(len(o.chains))
}

// hash spreads addresses over 64 places: those of one host by their port.
func hash(to netip.AddrPort) uint8 {
	b := to.Addr().As16()
	h := uint32(to.Port()) ^ uint32(b[15])<<3 ^ uint32(b[14])<<5 ^ uint32(b[7])
	return uint8(h*0x9E3779B1>>26) & 63
}

// Len returns how many datagrams are queued.
func (o *Outbox) Len() int { return len(o.messages) }

// Flush sends what is queued. What cannot be sent without waiting is lost.
func (o *Outbox) Flush() {
	if len(o.messages) == 0 {
		return
	}
	for i := range o.chains {
		if c := &o.chains[i]; c.s.plain != nil {
			for at := c.first; ; at = o.messages[at].next {
				o.writePlain(c.s, &o.messages[at])
				if at == c.last {
					break
				}
			}
		}
	}
	o.flushBatches()
	clear(o.messages) // they hold buffers
	clear(o.chains)
	o.messages, o.chains, o.heads = o.messages[:0], o.chains[:0], o.heads[:0]
	o.lately = [64]int32{}
	if cap(o.heads) > largeOutbox {
		o.heads, o.messages = nil, nil
	}
}

// headOf returns the head of a queued message.
func (o *Outbox) headOf(m *queued) []byte { return o.heads[m.head:m.headEnd] }

// writePlain sends one datagram by package net. An error may be an earlier datagram's, of which an ICMP message has
// told, so it is tried twice.
func (o *Outbox) writePlain(s *Socket, m *queued) {
	p := m.Body
	if m.headEnd > m.head || m.Pad > 0 {
		o.whole = append(append(append(o.whole[:0], o.headOf(m)...), m.Body...), zeros[:m.Pad]...)
		p = o.whole
	}
	var err error
	for range 2 {
		send := func() { err = s.sendPlain(p, m.To, m.From) }
		if m.DF && CanSetDF {
			if fault := s.control(func(fd int) { s.probing(fd, send) }); fault != nil {
				err = fault
			}
		} else {
			send()
		}
		if err == nil || closed(err) {
			return
		}
	}
	o.lost(s, 1, err)
}
