package peers

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const (
	inboxHigh   = 256 << 10 // bytes that wait for the reader before no more is taken from the connection
	offerHigh   = 1 << 20   // bytes that wait for the reader before what others passed on is missed: nobody can be made to wait for that
	messageCost = 64        // bytes that a message counts beside its own, so that empty ones are not free
)

// Channel is one of the app's channels on one connection to a peer. It is a [net.Conn], and its methods may be called
// concurrently.
//
// [Channel.ReadMessage] and [Channel.WriteMessage] keep messages apart. [Channel.Read] gives the bytes of the messages one after
// the other, as of a stream: no boundary is visible, and empty messages are not. On a channel that is
// unordered or lossy messages may come in another order, or not at all, but each one whole.
//
// A channel ends with its connection: when that was lost or replaced, what had arrived can still be read, and then
// comes [ErrLost]: messages that were on their way may be lost. The peer's next connection
// brings another Channel, by [Peer.Open] and [Room.Accept]. When the peer has left, io.EOF comes instead.
// A channel that goes through the server, or through other peers, goes on over the connection that takes over; and through other peers when a
// connection is not needed any more. When a message is known to be missing, reading ends with ErrLost, too; writing goes on.
//
// A reliable channel has to be read, or closed: when 256 KiB wait for the reader, no more is
// taken, and after up to 1 MiB the sender has to wait, with all channels of the connection. Of a channel that is lossy or LatestOnly the oldest messages are
// dropped instead.
type Channel struct {
	pipe *pipe

	readBy  deadline
	writeBy deadline
	closed  chan struct{} // by the app
	once    sync.Once
	missed  chan struct{} // closed when messages are missing that no connection lost; see ErrLost

	mu       sync.Mutex
	messages [][]byte      // guarded by mu; not yet read
	bytes    int           // guarded by mu; of messages
	arrived  chan struct{} // guarded by mu; closed at the next change; nil: nobody waits
	taken    bool          // guarded by the lobby's mu; somebody has it
}

var _ net.Conn = (*Channel)(nil)

func newChannel(p *pipe) *Channel {
	return &Channel{pipe: p, closed: make(chan struct{}), missed: make(chan struct{})}
}

// Name returns the name under which both sides joined the room with it.
func (c *Channel) Name() string { return c.pipe.name }

// Peer returns who is at the other end.
func (c *Channel) Peer() *Peer { return c.pipe.peer }

// Buffered returns how many bytes were written and are not known to have arrived.
func (c *Channel) Buffered() int { return c.pipe.buffered() }

// Done returns what is closed when nothing more can be written.
func (c *Channel) Done() <-chan struct{} { return c.pipe.over }

// ReadMessage returns the next message, or what Read left of one. It waits until ctx ends or the deadline for reading passes.
func (c *Channel) ReadMessage(ctx context.Context) ([]byte, error) {
	var message []byte
	err := c.read(ctx, func() bool {
		message = c.messages[0]
		c.shift()
		return true
	})
	return message, err
}

// Read implements [io.Reader].
func (c *Channel) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n := 0
	err := c.read(context.Background(), func() bool {
		n = copy(p, c.messages[0])
		c.bytes -= n
		if c.messages[0] = c.messages[0][n:]; len(c.messages[0]) == 0 {
			c.shift()
		}
		return n > 0
	})
	return n, err
}

// shift takes the first message away. The caller holds mu.
func (c *Channel) shift() {
	c.bytes -= len(c.messages[0]) + messageCost
	c.messages[0] = nil
	c.messages = c.messages[1:]
}

// read calls take, under mu, while there are messages and until it returns true, and waits for them.
func (c *Channel) read(ctx context.Context, take func() bool) error {
	passed := c.readBy.wait()
	for {
		switch {
		case isClosed(c.closed):
			return net.ErrClosed
		case isClosed(passed):
			return os.ErrDeadlineExceeded
		}
		ended, missed := isClosed(c.pipe.ended), isClosed(c.missed) // looked at first: what arrived before is read before
		c.mu.Lock()
		done, any := false, len(c.messages) > 0
		for !done && len(c.messages) > 0 {
			done = take()
		}
		if any {
			c.changed()
		}
		if c.arrived == nil {
			c.arrived = make(chan struct{})
		}
		arrived := c.arrived
		c.mu.Unlock()
		if done {
			return nil
		}
		switch {
		case missed:
			return ErrLost
		case ended:
			return c.pipe.end(io.EOF)
		}
		select {
		case <-arrived:
		case <-c.closed:
		case <-passed:
		case <-c.pipe.ended:
		case <-c.missed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// holds says whether there is something to read.
func (c *Channel) holds() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.messages) > 0
}

// changed wakes who waits. The caller holds mu.
func (c *Channel) changed() {
	if c.arrived != nil {
		close(c.arrived)
		c.arrived = nil
	}
}

// put adds a message that arrived, when there is room, and drops it when nobody can read it any more, or until closes. It returns whether
// the message belongs to the next channel, since some are missing before it.
func (c *Channel) put(message []byte, until <-chan struct{}) (again bool) {
	for !isClosed(c.closed) {
		c.mu.Lock()
		if isClosed(c.missed) {
			c.mu.Unlock()
			return true
		}
		for c.bytes >= inboxHigh && c.pipe.options.lossy() {
			c.shift()
		}
		if c.bytes < inboxHigh {
			c.messages = append(c.messages, message)
			c.bytes += len(message) + messageCost
			c.changed()
			c.mu.Unlock()
			return false
		}
		if c.arrived == nil {
			c.arrived = make(chan struct{})
		}
		room := c.arrived
		c.mu.Unlock()
		select {
		case <-room:
		case <-c.closed:
		case <-c.missed:
		case <-c.pipe.ended:
			return false
		case <-until:
			return false
		}
	}
	return false
}

// offer adds a message that others passed on, and returns false when there is no room for it.
func (c *Channel) offer(message []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if isClosed(c.closed) || isClosed(c.pipe.ended) { // nobody can read it
		return true
	}
	for len(c.messages) > 0 && c.bytes+len(message)+messageCost > offerHigh {
		if !c.pipe.options.lossy() {
			return false
		}
		c.shift()
	}
	c.messages = append(c.messages, message)
	c.bytes += len(message) + messageCost
	c.changed()
	return true
}

// WriteMessage sends one message, which may be changed when it returns. It waits while 1 MiB is on its way, until it is 256 KiB; on
// a LatestOnly channel it never waits, and replaces what waits. An error means that
// the message does not arrive: when it is that of ctx or of the deadline for writing, the channel is as good as before.
func (c *Channel) WriteMessage(ctx context.Context, message []byte) error {
	if most := c.pipe.most(); len(message) > most {
		return &TooLargeError{len(message), most}
	}
	return c.pipe.write(ctx, message, c.closed, c.writeBy.wait())
}

// Write implements [io.Writer]: it sends p as one message, or as several of MaxMessage bytes if it is longer.
func (c *Channel) Write(p []byte) (int, error) {
	n := 0
	for {
		part := p[n:min(len(p), n+c.pipe.most())]
		err := c.WriteMessage(context.Background(), part)
		if large := (*TooLargeError)(nil); errors.As(err, &large) && large.Limit < len(part) && large.Limit > 0 { // it is passed on since just now
			part = part[:large.Limit]
			err = c.WriteMessage(context.Background(), part)
		}
		if err != nil {
			return n, err
		}
		if n += len(part); n == len(p) {
			return n, nil
		}
	}
}

// Close ends the channel on this side: what comes is dropped, and nothing is written. What was written before is still sent.
// The peer is not told, and the connection lives on; [Peer.Open] gives the channel anew.
func (c *Channel) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		close(c.closed)
		err = nil
	})
	c.mu.Lock()
	c.messages, c.bytes = nil, 0
	c.mu.Unlock()
	return err
}

// LocalAddr implements [net.Conn]: it returns this side's peer id and the channel's name.
func (c *Channel) LocalAddr() net.Addr { return Addr{c.pipe.peer.room.ID(), c.pipe.name} }

// RemoteAddr implements [net.Conn]: it returns the peer's id and the channel's name.
func (c *Channel) RemoteAddr() net.Addr { return Addr{c.pipe.peer.ID(), c.pipe.name} }

// SetDeadline implements [net.Conn].
func (c *Channel) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements [net.Conn].
func (c *Channel) SetReadDeadline(t time.Time) error {
	c.readBy.set(t)
	return c.usable()
}

// SetWriteDeadline implements [net.Conn].
func (c *Channel) SetWriteDeadline(t time.Time) error {
	c.writeBy.set(t)
	return c.usable()
}

func (c *Channel) usable() error {
	if isClosed(c.closed) {
		return net.ErrClosed
	}
	return nil
}

// Addr is one end of a channel.
type Addr struct{ Peer, Channel string }

// Network implements [net.Addr].
func (Addr) Network() string { return "parley" }

// String implements [net.Addr].
func (a Addr) String() string { return a.Peer + "/" + a.Channel }
