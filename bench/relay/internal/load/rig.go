//go:build linux

package load

import (
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// Transport is what clients reach their server by.
type Transport string

// The transports.
const (
	UDP Transport = "udp"
	TCP Transport = "tcp"
	TLS Transport = "tls"
)

// Target is a relay that is loaded.
type Target struct {
	Server             netip.AddrPort
	Transport          Transport
	Username, Password string
	From               func(i int) netip.Addr // where the ith client is
	Peer               netip.Addr

	// AtClient and AtPeer run a function where sockets of clients and of peers are opened, which may be in namespaces.
	AtClient, AtPeer func(func() error) error
}

// Rig is a crowd of allocations, each with a channel to the same peer.
type Rig struct {
	target  Target
	clients []*client
	streams []*stream // the same; nil: over UDP
	relayed []*unix.RawSockaddrInet4
	peer    int
	at      netip.AddrPort // of the peer
	epoll   int
	direct  bool // there is no relay

	in, out  *batch
	frames   []byte // of a burst for a stream
	events   [batchSize]unix.EpollEvent
	delays   Histogram
	overruns []uint32 // of each client's socket, and the peer's, as the kernel said last
}

const channel = 0x4000

// dialers is how many allocations are made at once.
const dialers = 16

// Open makes so many allocations.
func Open(t Target, n int) (*Rig, error) {
	r, err := newRig(t, n)
	if err != nil {
		return nil, err
	}
	if err := r.dialAll(); err != nil {
		r.Close()
		return nil, err
	}
	for i, c := range r.clients {
		r.relayed[i] = raw(c.relayed)
		r.streams[i], _ = c.link.(*stream)
	}
	return r, r.watch()
}

// OpenDirect opens clients that send to the peer without a relay, to know what a packet takes without one.
func OpenDirect(t Target, n int) (*Rig, error) {
	r, err := newRig(t, n)
	if err != nil {
		return nil, err
	}
	r.direct = true
	for i := range n {
		err := t.AtClient(func() error {
			d, err := connectDatagram(t.From(i), r.at)
			if err != nil {
				return err
			}
			r.clients[i] = &client{link: d}
			local, err := unix.Getsockname(int(d))
			if four, ok := local.(*unix.SockaddrInet4); ok {
				r.relayed[i] = raw(netip.AddrPortFrom(netip.AddrFrom4(four.Addr), uint16(four.Port)))
			}
			return err
		})
		if err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, r.watch()
}

func newRig(t Target, n int) (*Rig, error) {
	r := &Rig{
		target: t, in: newBatch(), out: newBatch(), clients: make([]*client, n), streams: make([]*stream, n),
		relayed: make([]*unix.RawSockaddrInet4, n), overruns: make([]uint32, n+1),
	}
	err := t.AtPeer(func() (err error) {
		r.peer, r.at, err = open(t.Peer)
		return err
	})
	if err != nil {
		return nil, err
	}
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		_ = unix.Close(r.peer) // the first error says it all
		return nil, err
	}
	return r, nil
}

// dialAll makes the allocations, some at once, each with its channel.
func (r *Rig) dialAll() error {
	var mu sync.Mutex
	var failure error // guarded by mu
	next := make(chan int, len(r.clients))
	for i := range r.clients {
		next <- i
	}
	close(next)
	var group sync.WaitGroup
	for range min(dialers, len(r.clients)) {
		group.Go(func() {
			err := r.target.AtClient(func() error {
				for i := range next {
					c, err := dial(r.target, i)
					if err != nil {
						return err
					}
					r.clients[i] = c
					if err := c.bind(channel, r.at); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				mu.Lock()
				failure = err
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return failure
}

// watch has epoll tell which clients have something to read.
func (r *Rig) watch() error {
	for i, c := range r.clients {
		if err := unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, c.link.descriptor(), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}); err != nil {
			r.Close()
			return err
		}
	}
	return nil
}

// Close closes all sockets; allocations over UDP expire.
func (r *Rig) Close() {
	for _, c := range r.clients {
		if c != nil {
			c.link.close()
		}
	}
	_, _ = unix.Close(r.peer), unix.Close(r.epoll) // there is nothing to lose
}
