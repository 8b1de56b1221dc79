package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"
)

const (
	highWater = 1 << 20   // bytes given to the connection and not acknowledged, after which writing waits
	lowWater  = 256 << 10 // until there are so few
)

// carrier is what carries the chunks of a pipe: a data channel.
type carrier interface {
	Send(chunk []byte) error
	BufferedAmount() uint64
	SetBufferedAmountLowThreshold(bytes uint64)
	OnBufferedAmountLow(call func())
}

var _ carrier = (*webrtc.DataChannel)(nil)

// pipe carries the messages of one channel to a peer over one connection; or first through the server, until a connection takes over.
type pipe struct {
	peer       *Peer
	name       string
	options    ChannelOptions
	maxMessage int

	over  chan struct{} // closed when nothing can be written any more
	ended chan struct{} // closed when nothing will arrive any more
	low   chan struct{} // capacity 1; tells who sends that there is room in the connection
	space chan struct{} // capacity 1; tells a writer that there is room in the backlog, or that nothing is in it

	writing chan struct{} // capacity 1; held by who writes a message
	sending chan struct{} // capacity 1; whoever gives a message to the connection takes what is in it, and puts it back
	nextID  uint32        // owned by who sends
	chunk   []byte        // owned by who sends
	given   atomic.Uint64 // bytes that the connection was given

	fresh  chan struct{} // capacity 1; tells that there is another latest message
	latest latest

	relayed bool     // owned by the room's goroutine; messages go through the server
	backlog *backlog // what waits to; nil: they never did
	parcels parcels  // to be passed on
	runs    bool     // owned by the room's goroutine; what is latest is being sent

	mu         sync.Mutex
	channel    *Channel  // guarded by mu; in use by the app
	why        error     // guarded by mu; set before ended is closed
	dc         carrier   // guarded by mu; nil: none
	meshed     bool      // guarded by mu; what is written goes to others, which pass it on
	isClearing bool      // guarded by mu; what went straight before may not have arrived
	clearAt    time.Time // guarded by mu; what did arrive was handed over then; zero: it did not
}

// latest is the message that waits on a LatestOnly channel.
type latest struct {
	mu      sync.Mutex
	message []byte // guarded by mu; nil: none
}

func newPipe(peer *Peer, name string, options ChannelOptions, maxMessage int) *pipe {
	p := &pipe{
		peer: peer, name: name, options: options, maxMessage: maxMessage,
		over:    make(chan struct{}),
		ended:   make(chan struct{}),
		low:     make(chan struct{}, 1),
		space:   make(chan struct{}, 1),
		writing: make(chan struct{}, 1),
		sending: make(chan struct{}, 1),
		fresh:   make(chan struct{}, 1),
		chunk:   make([]byte, 0, chunkSize),
	}
	p.sending <- struct{}{}
	p.channel = newChannel(p)
	return p
}

// attach has messages go over a connection from now on, first those that waited to go through the server. The room's goroutine calls it.
func (p *pipe) attach(dc carrier, start func(func())) {
	if !p.options.LatestOnly { // else the threshold is 0
		dc.SetBufferedAmountLowThreshold(lowWater)
	}
	dc.OnBufferedAmountLow(func() { nudge(p.low) })
	p.relayed = false
	p.given.Store(0)
	p.mu.Lock()
	p.dc = dc
	p.mu.Unlock()
	switch {
	case p.options.LatestOnly:
		if !p.runs {
			p.runs = true
			start(p.runLatest)
		}
	case p.backlog != nil:
		p.backlog.move()
		start(p.flush)
	}
	if p.parcels.begin() {
		start(p.runParcels)
	}
}

func (p *pipe) attached() carrier {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dc
}

func nudge(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// current returns the channel for the app to use, another one when it has closed the last.
func (p *pipe) current() *Channel {
	p.mu.Lock()
	defer p.mu.Unlock()
	if isClosed(p.channel.closed) {
		p.channel = newChannel(p)
	}
	return p.channel
}

// deliver hands over what arrived, and waits until there is room for it, or until closes.
func (p *pipe) deliver(message []byte, until <-chan struct{}) {
	for {
		p.mu.Lock()
		channel := p.channel
		p.mu.Unlock()
		if !channel.put(message, until) {
			return
		}
	}
}

func (p *pipe) buffered() int {
	n := p.parcels.size()
	if dc := p.attached(); dc != nil {
		n += int(dc.BufferedAmount())
	}
	if p.backlog != nil {
		n += p.backlog.size()
	}
	p.latest.mu.Lock()
	defer p.latest.mu.Unlock()
	return n + len(p.latest.message)
}

// stop tells that nothing can be written any more.
func (p *pipe) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !isClosed(p.over) {
		close(p.over)
	}
}

// finish tells that nothing will arrive any more, and why.
func (p *pipe) finish(why error) {
	p.stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == nil {
		p.why = why
		close(p.ended)
	}
}

// end returns why the pipe ended; an orderly end is told by what is given.
func (p *pipe) end(orderly error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.why == nil:
		return ErrLost
	case errors.Is(p.why, errLeft):
		return orderly
	}
	return p.why
}

// errLeft is the end of a peer that has left.
var errLeft = errors.New("peers: the peer has left")

// write sends a message, or returns why not: before its end ctx, closed or passed ended.
func (p *pipe) write(ctx context.Context, message []byte, closed, passed <-chan struct{}) error {
	stop := func() error {
		switch {
		case isClosed(closed):
			return net.ErrClosed
		case isClosed(p.over):
			return p.end(ErrClosed)
		case isClosed(passed):
			return os.ErrDeadlineExceeded
		}
		return ctx.Err()
	}
	if err := stop(); err != nil {
		return err
	}
	if p.options.LatestOnly {
		if p.isMeshed() {
			p.peer.room.attempt(func() attempt { return p.peer.room.send(p.peer, p.name, message) })
			return nil
		}
		p.latest.mu.Lock()
		p.latest.message = append([]byte{}, message...)
		p.latest.mu.Unlock()
		nudge(p.fresh)
		if p.backlog != nil {
			p.backlog.wake()
		}
		return nil
	}
	wait := func(until <-chan struct{}) error {
		select {
		case <-until:
			return nil
		case <-closed:
		case <-p.over:
		case <-passed:
		case <-ctx.Done():
		}
		return stop()
	}
	select {
	case p.writing <- struct{}{}:
	case <-closed:
		return stop()
	case <-p.over:
		return stop()
	case <-passed:
		return stop()
	case <-ctx.Done():
		return stop()
	}
	defer func() { <-p.writing }()
	for p.backlog != nil {
		taken, past := p.backlog.add(message)
		if taken {
			return nil
		}
		if past {
			break
		}
		if err := wait(p.space); err != nil {
			return err
		}
	}
	for {
		if done, err := p.writeThrough(message, wait); done {
			return err
		}
		if dc := p.attached(); dc != nil { // else others pass on what is written since just now
			return p.send(dc, message, highWater, wait)
		}
	}
}

// send gives a message to the connection, piece by piece, as long as fewer bytes than high are under way.
func (p *pipe) send(dc carrier, message []byte, high uint64, wait func(<-chan struct{}) error) error {
	if err := wait(p.sending); err != nil {
		return err
	}
	defer func() { p.sending <- struct{}{} }()
	return p.give(dc, message, false, high, wait)
}

// give is send, for who holds sending.
func (p *pipe) give(dc carrier, message []byte, envelope bool, high uint64, wait func(<-chan struct{}) error) error {
	cut := chunker{message: message, envelope: envelope, id: p.nextID}
	p.nextID++
	for chunk := cut.next(p.chunk); chunk != nil; chunk = cut.next(p.chunk) {
		for dc.BufferedAmount() >= high {
			if err := wait(p.low); err != nil {
				return err
			}
			if p.attached() != dc {
				return ErrLost
			}
		}
		if err := dc.Send(chunk); err != nil {
			return errors.Join(p.end(ErrClosed), fmt.Errorf("peers: channel %q: %w", p.name, err))
		}
		p.given.Add(uint64(len(chunk)))
	}
	return nil
}

// await waits for something, as long as the pipe lasts.
func (p *pipe) await(until <-chan struct{}) error {
	select {
	case <-until:
		return nil
	case <-p.over:
		return ErrLost
	}
}

// highWater is how many bytes may be under way before nothing more is given to the connection.
func (p *pipe) highWater() uint64 {
	if p.options.LatestOnly {
		return 1
	}
	return highWater
}

// settled waits until nothing is under way, on a channel that keeps the latest: what is newest then goes.
func (p *pipe) settled(dc carrier) error {
	for p.options.LatestOnly && dc.BufferedAmount() > 0 {
		if err := p.await(p.low); err != nil {
			return err
		}
		if p.attached() != dc {
			return ErrLost
		}
	}
	return nil
}

// runLatest sends the latest message whenever nothing of the one before is under way.
func (p *pipe) runLatest() {
	for p.await(p.fresh) == nil && p.await(p.sending) == nil {
		p.giveLatest()
		p.sending <- struct{}{}
	}
}

func (p *pipe) giveLatest() {
	dc := p.attached()
	if dc == nil || p.settled(dc) != nil {
		return
	}
	p.latest.mu.Lock()
	message := p.latest.message
	p.latest.message = nil
	p.latest.mu.Unlock()
	if message != nil {
		_ = p.give(dc, message, false, p.highWater(), p.await) // if not, the connection ends
	}
}
