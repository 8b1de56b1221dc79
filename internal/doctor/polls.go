package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

const (
	pollsCure = "have the proxy in front wait at least 35 s for an answer (nginx: proxy_read_timeout, haproxy: timeout server); until then clients poll at short intervals if nothing better works"
	bigFrame  = 32 << 10 // bytes: more than any description of a session has
)

// longPoll has one poll woken by a frame, and another held as long as a quiet room makes it.
func (x *examination) longPoll(ctx context.Context, row *Row, s *session) {
	limit := x.Timeout
	asking, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	opened, _, err := s.poll(asking, 0, 0, 0)
	if err != nil {
		row.fail(x.whyNoPoll(err))
		return
	}

	wakes, err := s.woken(ctx, opened.Link)
	var late *lateWake
	switch {
	case errors.As(err, &late):
		row.fail("a poll that waits is answered without the frame that it waits for", "something on the way answers in the server's place: a cache? Answers have Cache-Control: no-store")
		return
	case err != nil:
		row.fail(x.whyNoPoll(err))
		return
	}

	held, err := s.held(ctx, opened.Link, wakes.n)
	const early = 500 * time.Millisecond
	var no *refused
	switch {
	case errors.As(err, &no):
		row.fail(fmt.Sprintf("cut: a poll that may wait %s is answered with status %d after %s by something on the way", round(x.Hold), no.status, round(held)), pollsCure)
	case err != nil && !isTimeout(err):
		row.fail(fmt.Sprintf("cut: the connection of a poll that may wait %s is closed after %s", round(x.Hold), round(held)), pollsCure)
	case err != nil:
		row.fail(fmt.Sprintf("a poll that is to be answered after %s is not, within %s", round(x.Hold), round(held)), pollsCure)
	case held < x.Hold-early:
		row.warn(fmt.Sprintf("woken after %s", round(wakes.after)), fmt.Sprintf("a poll that may wait %s is answered after %s, empty", round(x.Hold), round(held)), pollsCure)
	default:
		row.pass(fmt.Sprintf("woken after %s, held for %s", round(wakes.after), round(held)))
	}
}

// wake is how a poll was woken.
type wake struct {
	n     int64 // the frame
	after time.Duration
}

// lateWake says that the frame did not come, though polls were answered.
type lateWake struct{}

func (*lateWake) Error() string { return "the frame did not come" }

// woken has a poll wait, and a frame wake it. Others who come and go wake polls, too.
func (s *session) woken(ctx context.Context, link int64) (wake, error) {
	ctx, cancel := context.WithTimeout(ctx, s.x.Timeout)
	defer cancel()
	type answer struct {
		frames []wire.Downlink
		at     time.Time
		err    error
	}
	var posted time.Time
	last := int64(0)
	for range 16 {
		woken := make(chan answer, 1)
		go func() {
			_, frames, err := s.poll(ctx, link, last, s.x.Timeout/2)
			woken <- answer{frames, time.Now(), err}
		}()
		var postErr error
		if posted.IsZero() {
			time.Sleep(100 * time.Millisecond) // so that the poll waits already; if not it is answered all the same
			posted = time.Now()
			_, postErr = s.post(ctx, 10)
		}
		a := <-woken
		if err := errors.Join(postErr, a.err); err != nil {
			return wake{}, err
		}
		if n := refusalOf(a.frames, s.sent); n > 0 {
			return wake{n, a.at.Sub(posted)}, nil
		}
		if len(a.frames) == 0 {
			break
		}
		last = a.frames[len(a.frames)-1].N
	}
	return wake{}, &lateWake{}
}

// held polls until one poll was held as long as it may be, or ended otherwise than by a frame, and returns how long that was.
func (s *session) held(ctx context.Context, link, after int64) (held time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*s.x.Hold+s.x.Timeout)
	defer cancel()
	var longest time.Duration
	for until := time.Now().Add(2 * s.x.Hold); time.Now().Before(until); {
		began := time.Now()
		_, frames, err := s.poll(ctx, link, after, s.x.Hold)
		held := time.Since(began)
		longest = max(longest, held)
		if err != nil || len(frames) == 0 {
			return held, err
		}
		for _, f := range frames {
			after = max(after, f.N)
		}
	}
	return max(longest, s.x.Hold), nil // never quiet for so long; nothing was cut
}

func (x *examination) whyNoPoll(err error) (cause, cure string) {
	var no *refused
	switch {
	case errors.As(err, &no) && no.code != "":
		return "refused by the server: " + no.Error(), "see the protocol's table of codes"
	case errors.As(err, &no):
		return fmt.Sprintf("refused with status %d by something on the way", no.status), "does the proxy in front pass /v1/ on, with the header Authorization?"
	}
	return x.why(err)
}

// shortPoll uses short GETs alone for what comes.
func (x *examination) shortPoll(ctx context.Context, row *Row, s *session) {
	ctx, cancel := context.WithTimeout(ctx, x.Timeout)
	defer cancel()
	began := time.Now()
	reply, _, err := s.poll(ctx, 0, 0, 0)
	trip := time.Since(began)
	if err != nil {
		row.fail(x.whyNoPoll(err))
		return
	}
	link, after := reply.Link, int64(0)
	for n := int64(1); n <= 2; n++ {
		if _, err := s.post(ctx, 10); err != nil {
			cause, cure := x.why(err)
			row.fail("the POST that causes a frame fails: "+cause, cure)
			return
		}
		_, frames, err := s.poll(ctx, link, after, 0)
		if err != nil {
			row.fail(x.whyNoPoll(err))
			return
		}
		if after = refusalOf(frames, n); after == 0 {
			row.fail("a poll is answered without the frame that waits", "something on the way answers in the server's place: a cache? Answers have Cache-Control: no-store")
			return
		}
	}
	row.pass(fmt.Sprintf("round trip %s", round(trip)))
}

// post sends by POST, a small body and a large one.
func (x *examination) post(ctx context.Context, row *Row, s *session) {
	ctx, cancel := context.WithTimeout(ctx, x.Timeout)
	defer cancel()
	const cure = "have what is in front of the server pass POST to /v1/ on, with bodies up to 256 KiB (nginx: client_max_body_size)"
	var trip time.Duration
	for n, size := range []int{100, bigFrame} {
		began := time.Now()
		received, err := s.post(ctx, size)
		var no *refused
		switch {
		case errors.As(err, &no):
			row.fail(fmt.Sprintf("a body of %d bytes is refused with %s", size, no.Error()), cure)
			return
		case err != nil:
			cause, _ := x.why(err)
			row.fail(fmt.Sprintf("a body of %d bytes: %s", size, cause), cure)
			return
		case received != int64(n+1):
			row.fail(fmt.Sprintf("the server says to have %d of %d frames", received, n+1), "something on the way answers in the server's place")
			return
		}
		if n == 0 {
			trip = time.Since(began)
		}
	}
	row.pass(fmt.Sprintf("round trip %s, also %d KiB at once", round(trip), bigFrame>>10))
}
