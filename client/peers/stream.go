package peers

import (
	"encoding/binary"
	"slices"
	"time"
)

const (
	windowBytes  = 64 << 10 // that may be on their way to the other side, not acknowledged
	windowPieces = 64

	ackDelay        = 50 * time.Millisecond
	resendAfter     = 3 * time.Second // without progress; doubled each time in vain, up to the other
	resendAfterMost = 30 * time.Second
	vainMost        = 2 // times that pieces are sent again without any answer
)

// stream carries messages to and from a peer as numbered notes, which are sent again until they are acknowledged. The room's
// goroutine owns it; another one hands over what came, which may have to wait for its reader.
type stream struct {
	own, other string // the nonces
	in, out    *seal  // nil: it is not sealed
	far        []string
	outlets    []*outlet // of the channels that both sides have

	after     after
	canSignal func() bool
	send      func(*note)
	target    func(name string) *pipe // where what comes goes to; nil: nowhere just now
	passed    func(name string, envelope []byte)
	dropped   func(error)
	drained   func() // all that was on its way is acknowledged
	stuck     func() // nothing was answered, though pieces were sent again

	sent     uint32
	underway []piece
	bytes    int // of those
	turn     int // the outlet after the one that sent last
	paused   bool

	acked    int64 // the number of the other side's last acknowledgement
	taken    int64 // the last piece that was taken
	handled  int64 // the last one that is where its reader finds it
	acks     uint32
	vain     int
	cancel   func() // of sending again; nil: nothing is to be
	cancelIt func() // of acknowledging; nil: nothing is to be

	arrived chan arrival
	over    chan struct{}
}

// outlet is one channel of a stream.
type outlet struct {
	name    string
	index   byte  // among this side's
	pipe    *pipe // whose messages go out; nil: none
	cut     *chunker
	chunk   []byte // the next one; nil: not cut yet
	nextID  uint32
	waiting int // pieces on their way

	in reassembly // owned by the goroutine that hands over
}

// piece is data on its way.
type piece struct {
	n    uint32
	size int
	from *outlet
	done int // the size of the message of this side's that it ends, and 1; 0: it ends none
	note *note
}

// arrival is what is handed over.
type arrival struct {
	n     int64
	to    *outlet // nil: nobody here has the channel
	pipe  *pipe
	chunk []byte
}

func newStream(own, other string, near, far []string, maxMessage int) *stream {
	s := &stream{own: own, other: other, far: far, arrived: make(chan arrival, windowPieces), over: make(chan struct{})}
	for i, name := range near {
		if slices.Contains(far, name) {
			s.outlets = append(s.outlets, &outlet{name: name, index: byte(i), in: reassembly{limit: maxMessage}})
		}
	}
	return s
}

func (s *stream) isDrained() bool { return len(s.underway) == 0 }

// pump gives pieces away as long as there is room, of each channel in turn.
func (s *stream) pump() {
	for !s.paused && len(s.underway) < windowPieces {
		o := s.next()
		if o == nil || s.bytes+len(o.chunk) > windowBytes {
			return
		}
		s.push(o)
	}
}

// next returns an outlet with a chunk to send; nil: there is none.
func (s *stream) next() *outlet {
	for i := range s.outlets {
		at := (s.turn + i) % len(s.outlets)
		if o := s.outlets[at]; o.fill() {
			s.turn = at
			return o
		}
	}
	return nil
}

// fill cuts the next chunk, unless there is one, and returns whether there is.
func (o *outlet) fill() bool {
	if o.chunk != nil || o.pipe == nil {
		return o.chunk != nil
	}
	if o.cut == nil {
		if o.pipe.options.LatestOnly && o.waiting > 0 { // what is newest then goes
			return false
		}
		message, envelope := o.pipe.next()
		if message == nil {
			return false
		}
		o.cut = &chunker{message: message, envelope: envelope, id: o.nextID}
		o.nextID++
	}
	o.chunk = o.cut.next(make([]byte, 0, min(len(o.cut.message)+wholeHeader, chunkSize)))
	return true
}

func (s *stream) push(o *outlet) {
	s.sent++
	p := piece{n: s.sent, size: len(o.chunk), from: o}
	text := s.sealed(dataSort, p.n, append([]byte{o.index}, o.chunk...))
	p.note = &note{kind: kindRelayed, stream: s.other, number: int64(p.n), data: &text}
	if o.chunk = nil; o.cut.done {
		if !o.cut.envelope {
			p.done = len(o.cut.message) + 1
		}
		o.cut = nil
	}
	o.waiting++
	s.underway = append(s.underway, p)
	s.bytes += p.size
	s.turn = (s.turn + 1) % len(s.outlets)
	s.send(p.note)
	if len(s.underway) == 1 {
		s.wait()
	}
}

// pause gives nothing more away, and takes back what was not given away wholly; until it is told to go on.
func (s *stream) pause() {
	s.paused = true
	for _, o := range s.outlets {
		if o.cut != nil {
			o.pipe.back(o.cut.message, o.cut.envelope)
			o.cut, o.chunk = nil, nil
		}
	}
}

func (s *stream) goOn() {
	s.paused = false
	s.pump()
}

// resend sends what is on its way again, after a delay; counts says that it is for want of an answer.
func (s *stream) resend(delay time.Duration, counts bool) {
	s.stopResending()
	s.cancel = s.after(delay, func() {
		s.cancel = nil
		if !s.canSignal() {
			s.wait()
			return
		}
		if counts {
			if s.vain++; s.vain > vainMost {
				s.stuck()
				return
			}
		}
		for _, p := range s.underway {
			s.send(p.note)
		}
		s.wait()
	})
}

func (s *stream) stopResending() {
	if s.cancel != nil {
		s.cancel()
		s.cancel = nil
	}
}

func (s *stream) wait() {
	s.stopResending()
	if !s.isDrained() {
		s.resend(min(resendAfterMost, resendAfter<<min(s.vain, 8)), true)
	}
}

// receive takes a piece of this stream.
func (s *stream) receive(n *note) {
	if n.ack != nil {
		s.receiveAck(n)
		return
	}
	if n.number == s.taken+1 {
		s.take(n)
	}
	if n.number <= s.taken { // one that was had comes again because its acknowledgement is lost, or late
		s.acknowledge()
	}
}

// take takes the next piece, if there is room for it. If not, it comes again.
func (s *stream) take(n *note) {
	if len(s.arrived) == cap(s.arrived) {
		return
	}
	plain := s.unsealed(dataSort, uint32(n.number), *n.data)
	if plain == nil {
		return
	}
	a := arrival{n: n.number}
	switch {
	case len(plain) == 0 || int(plain[0]) >= len(s.far):
		s.dropped(ErrMessageDropped)
	default:
		name := s.far[plain[0]]
		if i := slices.IndexFunc(s.outlets, func(o *outlet) bool { return o.name == name }); i >= 0 {
			a.to, a.pipe, a.chunk = s.outlets[i], s.target(name), plain[1:]
			if a.pipe == nil {
				return
			}
		}
	}
	s.taken = n.number
	s.arrived <- a // nobody else sends
}

// handOver gives what came to its readers, until the stream is over.
func (s *stream) handOver(post func(func()) bool) {
	for {
		var a arrival
		select {
		case a = <-s.arrived:
		case <-s.over:
			return
		}
		if a.to != nil {
			message, envelope, err := a.to.in.take(a.chunk)
			switch {
			case message == nil:
			case envelope:
				post(func() { s.passed(a.to.name, message) })
			default:
				a.pipe.deliver(message, s.over)
			}
			if err != nil {
				post(func() { s.dropped(err) })
			}
		}
		if isClosed(s.over) {
			return
		}
		post(func() {
			s.handled = a.n
			s.acknowledge()
		})
	}
}

// acknowledge tells soon how much was handled.
func (s *stream) acknowledge() {
	if s.cancelIt != nil || isClosed(s.over) {
		return
	}
	s.cancelIt = s.after(ackDelay, func() {
		s.cancelIt = nil
		s.acks++
		text := s.sealed(ackSort, s.acks, binary.BigEndian.AppendUint32(nil, uint32(s.handled)))
		s.send(&note{kind: kindRelayed, stream: s.other, number: int64(s.acks), ack: &text})
	})
}

func (s *stream) receiveAck(n *note) {
	if n.number <= s.acked {
		return
	}
	plain := s.unsealed(ackSort, uint32(n.number), *n.ack)
	if plain == nil {
		return
	}
	if len(plain) != 4 {
		s.dropped(ErrMessageDropped)
		return
	}
	s.acked = n.number
	upTo := binary.BigEndian.Uint32(plain)
	had := len(s.underway)
	s.underway = slices.DeleteFunc(s.underway, func(p piece) bool {
		if p.n > upTo {
			return false
		}
		s.bytes -= p.size
		p.from.waiting--
		if p.done > 0 && p.from.pipe != nil {
			p.from.pipe.delivered(p.done - 1)
		}
		return true
	})
	if len(s.underway) == had {
		s.vain = min(s.vain, vainMost-1) // the other side is there, and has no room yet
		return
	}
	s.vain = 0
	s.wait()
	s.pump()
	if s.isDrained() {
		s.drained()
	}
}

func (s *stream) sealed(sort byte, n uint32, plain []byte) string {
	if s.out != nil {
		plain = s.out.close(sort, n, plain)
	}
	return base64url.EncodeToString(plain)
}

// unsealed returns nil for what is dropped, having told so.
func (s *stream) unsealed(sort byte, n uint32, text string) []byte {
	bytes, err := base64url.DecodeString(text)
	if err != nil {
		s.dropped(ErrMessageDropped)
		return nil
	}
	if s.in == nil {
		return append([]byte{}, bytes...)
	}
	if bytes = s.in.open(sort, n, bytes); bytes == nil {
		s.dropped(ErrChanged)
	}
	return bytes
}

// close ends the stream. What came and waits for its reader is dropped.
func (s *stream) close() {
	s.paused = true
	s.underway, s.bytes = nil, 0
	s.stopResending()
	if s.cancelIt != nil {
		s.cancelIt()
	}
	close(s.over)
}
