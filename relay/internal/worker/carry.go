package worker

import (
	"io"
	"sync"
	"time"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// lingerPatience is how long one direction of a connection goes on after the other has ended.
const lingerPatience = 30 * time.Second

// carry passes bytes on between a client's connection and the peer's that is bound to it (RFC 6062
// section 4.5), beginning with those that came behind the request, until both directions have ended.
func (c *client) carry(p *peerConn, rest []byte) {
	var once sync.Once
	end := func() {
		once.Do(func() {
			p.close()
			_ = c.raw.Close() // what the client was to get has been written
		})
	}
	defer end()
	_ = c.conn.SetDeadline(time.Time{}) // as long as the allocation lives
	ended := func(halfClosed error) {
		if halfClosed != nil {
			end()
			return
		}
		linger := time.AfterFunc(lingerPatience, end)
		go func() {
			<-p.closed
			linger.Stop()
		}()
	}
	stop := make(chan struct{})
	var both sync.WaitGroup
	both.Go(func() { // ends the client's part with the peer's, whatever ends that
		select {
		case <-p.closed:
			end()
		case <-stop:
		}
	})
	var directions sync.WaitGroup
	directions.Go(func() {
		if c.pass(p, p.stream, c.conn, rest, true) {
			ended(p.stream.CloseWrite())
		} else {
			end()
		}
	})
	directions.Go(func() {
		if c.pass(p, c.conn, p.stream, nil, false) {
			ended(closeWrite(c.conn))
		} else {
			end()
		}
	})
	directions.Wait()
	close(stop)
	both.Wait()
	end()
	p.w.do(func(e *turn.Engine, _ time.Time) {
		e.Disconnected(p.id)
		delete(p.w.peers, p.id)
	})
}

// pass copies one direction, first of all what has come already, as fast as the limits allow. It
// returns true when the source has ended in good order.
func (c *client) pass(p *peerConn, to io.Writer, from io.Reader, first []byte, toPeer bool) bool {
	buf := make([]byte, c.w.chunk())
	for chunk := first; ; {
		if len(chunk) > 0 {
			if wait := c.w.shared.Carry(time.Now(), len(chunk)); wait > 0 && !pause(wait, p.closed) {
				c.w.shared.GiveBack(len(chunk)) // else whoever opens and ends streams makes all others wait
				return false
			}
			if _, err := to.Write(chunk); err != nil {
				return false
			}
			var wait time.Duration
			p.w.do(func(e *turn.Engine, now time.Time) { wait = e.Carried(now, p.id, toPeer, len(chunk)) })
			if wait > 0 && !pause(wait, p.closed) {
				return false
			}
		}
		n, err := from.Read(buf)
		chunk = buf[:n]
		if n == 0 && err != nil {
			return err == io.EOF
		}
	}
}

// limitedChunk is how much is carried at once where there is a limit, so that several connections take short turns.
const limitedChunk = 8 << 10

// chunk returns how much of a stream is carried at once.
func (w *Worker) chunk() int {
	if w.cfg.Engine.Bits > 0 || w.cfg.Engine.Limit != nil || w.shared.Limited() {
		return limitedChunk
	}
	return largeBuffer
}

// pause waits, and returns false if stop is closed meanwhile.
func pause(d time.Duration, stop <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
		return false
	}
}

// closeWrite ends one direction of a client's connection, or fails if it can only be ended whole.
func closeWrite(conn any) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return io.ErrClosedPipe
}
