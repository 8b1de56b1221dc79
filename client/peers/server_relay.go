package peers

import (
	"time"
)

const (
	relayAfter     = 2 * time.Second // without a connection for so long, messages go through the server
	relayAfterLoss = 4 * time.Second // and after there was one
	wishPause      = 3 * time.Second // between the first two wishes for a stream; doubled each time, up to the other
	wishPauseMost  = 30 * time.Second
	moveLimit      = 10 * time.Second // after which what is on its way is given up for lost
)

// serverRelay is the way to one peer through the server. The room's goroutine owns it.
type serverRelay struct {
	near       []string
	maxMessage int

	after     after
	canSignal func() bool
	say       func(nonce, echo string) // signs and sends a relay note
	send      func(*note)
	seals     func(own, other string) (in, out *seal)
	start     func(func()) // a goroutine
	post      func(func()) bool
	target    func(name string) *pipe
	passed    func(name string, envelope []byte)
	dropped   func(error)
	opened    func(answered bool) // there is a stream; and whether it answers this side's wish
	moved     func(lossy bool)    // messages go over the connection now; and whether some may be lost

	used   bool // what is written goes through the server
	rtt    time.Duration
	stream *stream // nil: none
	pipes  map[string]*pipe

	wish       string // this side's nonce, until it has an answer
	wishes     int
	wishedAt   time.Time
	cancelWish func() // nil: none is due

	moving     map[string]carrier // nil: it is not moving
	cancelMove func()
	closed     bool
}

// wishIn wishes for a stream after a delay, and again until there is an answer.
func (r *serverRelay) wishIn(delay time.Duration) {
	if r.cancelWish != nil || r.closed {
		return
	}
	r.cancelWish = r.after(delay, func() {
		r.cancelWish = nil
		pause := min(wishPauseMost, wishPause<<min(r.wishes, 8))
		r.wishes++
		r.wishIn(pause)
		if !r.canSignal() {
			return
		}
		if r.wish == "" {
			r.wish = newNonce()
		}
		r.wishedAt = time.Now()
		r.say(r.wish, "")
	})
}

// calm wishes for nothing any more.
func (r *serverRelay) calm() {
	if r.cancelWish != nil {
		r.cancelWish()
		r.cancelWish = nil
	}
	r.wishes = 0
}

// again wishes again at once, since the last wish may be lost; and sends again what may be.
func (r *serverRelay) again() {
	if r.wishes > 0 && r.cancelWish != nil {
		r.calm()
		r.wishIn(0)
	}
	r.resend(0)
}

// resend sends again what is on its way, after a delay.
func (r *serverRelay) resend(delay time.Duration) {
	if r.stream != nil && !r.stream.isDrained() {
		r.stream.resend(delay, false)
	}
}

// receive takes the other side's wish, or its answer.
func (r *serverRelay) receive(n *note, proven bool) {
	switch {
	case n.echo == "" && r.stream != nil && n.nonce == r.stream.other:
		r.say(r.stream.own, n.nonce)
		return
	case n.echo != "" && n.echo != r.wish:
		return
	}
	own := r.wish
	if own == "" {
		own = newNonce()
	}
	if n.echo != "" {
		r.rtt = max(time.Since(r.wishedAt), 1)
	}
	r.wish = ""
	r.calm()
	r.drop()
	s := newStream(own, n.nonce, r.near, n.channels, r.maxMessage)
	if proven {
		s.in, s.out = r.seals(own, n.nonce)
	}
	s.after, s.canSignal, s.send, s.target, s.passed, s.dropped = r.after, r.canSignal, r.send, r.target, r.passed, r.dropped
	s.drained = func() { r.moveOn(false) }
	s.stuck = func() { r.wishIn(0) }
	r.stream = s
	r.start(func() { s.handOver(r.post) })
	if n.echo == "" {
		r.say(own, n.nonce)
	}
	r.opened(n.echo != "")
}

func (r *serverRelay) piece(n *note) {
	if r.stream != nil && n.stream == r.stream.own {
		r.stream.receive(n)
	}
}

// use has messages go through the server from now on: those of new pipes, one for each channel.
func (r *serverRelay) use(create func(name string) *pipe) {
	r.used = true
	r.pipes = map[string]*pipe{}
	shared := &budget{}
	for _, o := range r.stream.outlets {
		p := create(o.name)
		p.relayed = true
		p.backlog = &backlog{budget: shared, pump: func() { r.post(r.pump) }}
		shared.pipes = append(shared.pipes, p)
		o.pipe, r.pipes[o.name] = p, p
	}
}

// pump gives away what was written.
func (r *serverRelay) pump() {
	if r.used && r.stream != nil {
		r.stream.pump()
	}
}

// moveTo has messages go over a connection, as soon as what is on its way through the server has arrived.
func (r *serverRelay) moveTo(carriers map[string]carrier) {
	if !r.used || r.moving != nil {
		return
	}
	r.moving = carriers
	r.stream.pause()
	r.cancelMove = r.after(moveLimit, func() { r.moveOn(true) })
	r.moveOn(false)
}

// stay takes note that the connection failed before the move was made.
func (r *serverRelay) stay() {
	if r.moving != nil {
		r.cancelMove()
		r.moving = nil
		r.stream.goOn()
	}
}

func (r *serverRelay) moveOn(lossy bool) {
	if r.moving == nil || !lossy && !r.stream.isDrained() {
		return
	}
	carriers := r.moving
	r.cancelMove()
	r.moving = nil
	r.used = false
	pipes := r.pipes
	r.pipes = nil
	if lossy {
		r.drop()
	} else {
		for name, p := range pipes {
			p.attach(carriers[name], r.start)
		}
	}
	r.moved(lossy)
}

func (r *serverRelay) close() {
	r.closed = true
	r.calm()
	r.drop()
	r.used = false
}

// drop ends the stream, and a move.
func (r *serverRelay) drop() {
	if r.moving != nil {
		r.cancelMove()
		r.moving = nil
	}
	if r.stream != nil {
		r.stream.close()
		r.stream = nil
	}
}
