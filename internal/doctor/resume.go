package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

// half is how many frames come on the first link, and how many wait for the other.
const half = 3

// resume has a session lose its link, with frames waiting, and go on over another kind; then another session takes its peer id over.
func (x *examination) resume(ctx context.Context, row *Row) {
	if !x.found.joined {
		row.skip(unjoined(x))
		return
	}
	var kinds []string
	for _, kind := range []string{"websocket", "events", "longpoll", "shortpoll"} {
		if x.found.links[kind] {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) == 0 || !x.found.links["post"] {
		row.fail("no kind of link works that it could go on with", "see the rows of the links")
		return
	}
	s, err := x.join(ctx, "")
	if err != nil {
		row.fail(x.whyNoJoin(err))
		return
	}
	defer s.leave(ctx)
	from, to := kinds[0], kinds[min(1, len(kinds)-1)]
	begun := time.Now()
	if err := s.carry(ctx, from, 0, half); err != nil {
		row.fail(fmt.Sprintf("on the first link (%s): %s", from, plain(err)), "see the rows of the links")
		return
	}
	for range half { // nobody listens
		if _, err := s.post(ctx, 10); err != nil {
			row.fail("the POST between the links: "+plain(err), "see the rows of the links")
			return
		}
	}
	if err := s.take(ctx, to, half, half); err != nil {
		row.fail(fmt.Sprintf("after the change to the other link (%s): %s", to, plain(err)), "does something on the way repeat requests, or answer from a cache? Several servers behind one address have to share their rooms")
		return
	}
	took := time.Since(begun)
	next, err := x.join(ctx, s.reply.Secret)
	if err != nil {
		row.fail(x.whyNoJoin(err))
		return
	}
	defer next.leave(ctx)
	if !next.reply.Resumed || next.reply.Peer != s.reply.Peer {
		row.fail("the server does not know the session when it is to be resumed", "several servers behind one address have to share their rooms, or lead a client to the same one")
		return
	}
	row.pass(fmt.Sprintf("from %s to %s in %s: %d of %d frames, in order, none lost or twice; and resumed by a new session", from, to, round(took), 2*half, 2*half))
}

// carry causes frames, and takes them on a link of a kind, which is lost then.
func (s *session) carry(ctx context.Context, kind string, after int64, count int) error {
	for range count {
		if _, err := s.post(ctx, 10); err != nil {
			return err
		}
	}
	return s.take(ctx, kind, after, count)
}

// take opens a link of a kind, and wants the numbered frames that follow on it, each once and in order.
func (s *session) take(ctx context.Context, kind string, after int64, count int) error {
	ctx, cancel := context.WithTimeout(ctx, s.x.Timeout)
	defer cancel()
	want := after + 1
	next := func(f wire.Downlink) (done bool) {
		if f.N == want && f.Kind != wire.KindReceived {
			want++
		} else if f.N > want && f.Kind != wire.KindReceived {
			want = -1 // nothing follows
		}
		return want < 0 || want > after+int64(count)
	}
	switch kind {
	case "websocket":
		conn, _, err := s.dialWebSocket(ctx, after)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }() // without a word, as lost links go
		if _, err := awaitFrame(conn, s.x.Timeout, next); err != nil {
			return err
		}
	case "events":
		st, err := s.openEvents(ctx, after)
		if st != nil {
			defer st.close()
		}
		if err != nil {
			return err
		}
		st.await(s.x.Timeout, next)
	default:
		wait := time.Duration(0)
		if kind == "longpoll" {
			wait = s.x.Timeout
		}
		_, frames, err := s.poll(ctx, 0, after, wait)
		if err != nil {
			return err
		}
		for _, f := range frames {
			next(f)
		}
	}
	if want < 0 {
		return errors.New("a frame is missing")
	}
	if missing := after + int64(count) + 1 - want; missing > 0 {
		return fmt.Errorf("%d of %d frames did not come", missing, count)
	}
	return nil
}
