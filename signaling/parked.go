package signaling

import (
	"bytes"
	"net"
	"net/http"
	"strconv"
	"sync"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/internal/socket"
)

// parked is a long poll whose connection was taken over from net/http, which keeps 28 KB for a request that waits. The
// connection ends with the answer. A poll that is answered soon is never parked, so that a busy client keeps its
// connection.
type parked struct {
	poll *poll
	conn net.Conn
	out  *socket.Writer
	head http.Header

	mu    sync.Mutex
	busy  bool // somebody reads: guarded by mu, as is all below
	dirty bool // there may be something new
	over  bool
}

// park takes the poll's connection over; false: that cannot be done here.
func (p *poll) park(w http.ResponseWriter, r *http.Request) bool {
	s := p.server
	k := &parked{poll: p}
	s.mu.Lock()
	serves := s.state == serving
	if serves {
		s.parking.Add(1)
	}
	s.mu.Unlock()
	if !serves {
		return false
	}
	conn, err := socket.TakeOver(w, r)
	if err != nil {
		s.parking.Done()
		return false
	}
	k.conn, k.out, k.head = conn, socket.NewWriter(conn), w.Header().Clone()
	s.mu.Lock()
	s.parked[k] = struct{}{}
	s.mu.Unlock()
	p.parked.Store(k)
	if !s.start(k.wait) {
		_ = conn.Close()
		k.wait()
	}
	k.wake() // for what came meanwhile
	return true
}

// wait returns when the client has gone, or is answered.
func (k *parked) wait() {
	socket.Discard(k.conn)
	k.mu.Lock()
	k.over = true
	k.mu.Unlock()
	_ = k.conn.Close()
	k.poll.release()
	s := k.poll.server
	s.mu.Lock()
	delete(s.parked, k)
	s.mu.Unlock()
	s.parking.Done()
}

// wake has the poll read, unless somebody does.
func (k *parked) wake() {
	k.mu.Lock()
	k.dirty = true
	start := !k.busy && !k.over
	k.busy = k.busy || start
	k.mu.Unlock()
	switch s := k.poll.server; {
	case !start:
	case s.own:
		k.run() // rooms in memory answer at once
	default:
		_ = s.start(k.run) // when the server is closed, so is the connection
	}
}

// run reads until there is nothing new, or something to answer.
func (k *parked) run() {
	for {
		k.mu.Lock()
		if !k.dirty || k.over {
			k.busy = false
			k.mu.Unlock()
			return
		}
		k.dirty = false
		k.mu.Unlock()
		if reply, refusal, done := k.poll.read(k.poll.server.ctx); done {
			k.answer(reply, refusal)
			return // busy for ever: there is no second answer
		}
		k.poll.clock.Sooner(k.poll.until)
	}
}

// answer writes the response and closes the connection.
func (k *parked) answer(reply wire.PollReply, refusal *wire.Error) {
	s := k.poll.server
	r := response{header: k.head}
	if refusal != nil {
		s.reply(&r, refusal)
	} else {
		replyJSON(&r, http.StatusOK, reply)
	}
	r.header.Set("Content-Length", strconv.Itoa(r.body.Len()))
	rest, err := k.out.Try(append(socket.AppendHead(nil, r.status, r.header), r.body.Bytes()...))
	if err != nil || len(rest) == 0 {
		_ = k.conn.Close()
		return
	}
	finish := func() {
		_ = k.out.Write(rest) // a client that does not take its answer asks again
		_ = k.conn.Close()
	}
	if !s.start(finish) {
		_ = k.conn.Close()
	}
}

// response keeps what is written to it.
type response struct {
	status int
	header http.Header
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *response) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *response) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *response) Write(b []byte) (int, error) { return r.body.Write(b) }
