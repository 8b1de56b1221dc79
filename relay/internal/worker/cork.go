package worker

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
)

// corkSize is how much is read at once below TLS, and how much of what is written is held back at most.
const corkSize = 64 << 10

// corkBuffers are those that no Cork holds.
var corkBuffers = sync.Pool{New: func() any { return new([corkSize]byte) }}

// Cork is a connection to lay below TLS, or anything else that writes a message at a time: while it is corked, what is
// written is held back, and leaves in one piece. Greedy, it also reads as much as has come, so that many records cost one system
// call. It has buffers only while there is something in them.
type Cork struct {
	net.Conn

	// Of the reader alone.
	raw    syscall.RawConn           // nil: it is read by its own method
	read   func(fd uintptr) (_ bool) // fill, made once
	slab   *[corkSize]byte           // what has come is in it
	in     []byte                    // what of it was not taken
	failed error                     // why fill got nothing
	greedy bool                      // more is read than is asked for: by one who goes on reading, or that would be kept for long
	dry    bool                      // only what has come is given

	mu     sync.Mutex
	corked bool            // guarded by mu
	held   *[corkSize]byte // guarded by mu; nil: nothing is held back
	used   int             // guarded by mu; of held
}

// NewCork returns a connection that is neither corked nor greedy.
func NewCork(conn net.Conn) *Cork {
	c := &Cork{Conn: conn}
	if socket := plainSocket(conn); socket != nil && canReadNow {
		if raw, err := socket.SyscallConn(); err == nil {
			c.raw, c.read = raw, c.fill
		}
	}
	return c
}

// plainSocket returns what a connection is read by, if that is a socket and nothing else; nil: it is not. One that only has a
// SyscallConn may have it from a [net.TCPConn] that is embedded in it, and a Read of its own, which is not to be gone around.
func plainSocket(conn net.Conn) syscall.Conn {
	if c, is := conn.(interface{ PlainTCP() *net.TCPConn }); is {
		return c.PlainTCP()
	}
	switch conn := conn.(type) {
	case *net.TCPConn:
		return conn
	case *net.UnixConn:
		return conn
	}
	return nil
}

// CloseWrite ends what is sent, where that can be.
func (c *Cork) CloseWrite() error { return closeWrite(c.Conn) }

// Read implements [net.Conn]. Dry, it fails like one whose deadline has passed, which TLS takes as a reason to be asked again.
func (c *Cork) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		switch {
		case c.dry:
			return 0, os.ErrDeadlineExceeded
		case c.raw == nil || !c.greedy:
			return c.Conn.Read(p)
		}
		c.failed = nil
		if err := c.raw.Read(c.read); err != nil {
			return 0, err
		}
		if c.failed != nil {
			return 0, c.failed
		}
	}
	n := copy(p, c.in)
	if c.in = c.in[n:]; len(c.in) == 0 {
		corkBuffers.Put(c.slab)
		c.slab, c.in = nil, nil
	}
	return n, nil
}

// fill reads what has come, and returns whether that was anything. It holds no buffer while nothing does.
func (c *Cork) fill(fd uintptr) bool {
	slab := corkBuffers.Get().(*[corkSize]byte)
	n, err := readNow(fd, slab[:])
	if err != nil {
		corkBuffers.Put(slab)
		c.failed = err
		return !errors.Is(err, errNotNow)
	}
	c.slab, c.in, c.failed = slab, slab[:n], nil
	return true
}

// Write implements [net.Conn].
func (c *Cork) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.corked {
		return c.Conn.Write(p)
	}
	if c.used+len(p) > corkSize {
		if err := c.flush(); err != nil {
			return 0, err
		}
		if len(p) > corkSize {
			return c.Conn.Write(p)
		}
	}
	if c.held == nil {
		c.held = corkBuffers.Get().(*[corkSize]byte)
	}
	c.used += copy(c.held[c.used:], p)
	return len(p), nil
}

// flush writes what is held back. c.mu is held.
func (c *Cork) flush() error {
	if c.held == nil {
		return nil
	}
	_, err := c.Conn.Write(c.held[:c.used])
	corkBuffers.Put(c.held)
	c.held, c.used = nil, 0
	return err
}

// cork holds back what is written from now on.
func (c *Cork) cork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corked = true
}

// uncork writes what was held back.
func (c *Cork) uncork() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corked = false
	return c.flush()
}
