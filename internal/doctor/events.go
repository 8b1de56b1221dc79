package doctor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

const (
	eventCount = 3
	eventEvery = 300 * time.Millisecond // longer than most networks' round trips, so that events that come together were held back
	eventsCure = "have the proxy in front not buffer answers (nginx: proxy_buffering off, or let X-Accel-Buffering pass; some virus scanners do it, too); until then clients go by WebSocket or polls"
)

// stream is a link of server-sent events, read as it comes.
type stream struct {
	cancel context.CancelFunc
	frames chan arrival
	err    error // why it ended; once frames is closed
}

type arrival struct {
	frame wire.Downlink
	at    time.Time
}

// openEvents opens a link of events. The goroutine that reads it ends with ctx or the stream's close.
func (s *session) openEvents(ctx context.Context, after int64) (*stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	type opened struct {
		res *http.Response
		err error
	}
	answer := make(chan opened, 1)
	st := &stream{cancel: cancel, frames: make(chan arrival, 64)}
	go func() {
		defer close(st.frames)
		res, err := s.x.open(ctx, http.MethodGet, fmt.Sprintf("%s?after=%d", s.path("events"), after), s.reply.Secret, nil, "Accept", "text/event-stream")
		answer <- opened{res, err}
		if err != nil {
			return
		}
		defer res.Body.Close()
		st.err = st.read(ctx, res)
	}()
	timer := time.NewTimer(s.x.Timeout)
	defer timer.Stop()
	select {
	case a := <-answer:
		if a.err != nil {
			cancel()
			return nil, a.err
		}
		return st, nil
	case <-timer.C:
		return st, errHeld // it may answer still
	}
}

// errHeld says that the answer did not even begin.
var errHeld = errors.New("no answer")

func (st *stream) read(ctx context.Context, res *http.Response) error {
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		text, is := strings.CutPrefix(lines.Text(), "data: ")
		if !is {
			continue
		}
		a := arrival{at: time.Now()}
		if err := json.Unmarshal([]byte(text), &a.frame); err != nil {
			return fmt.Errorf("an event is no frame: %w", err)
		}
		select {
		case st.frames <- a:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return lines.Err()
}

// close ends the stream, and waits for its reader.
func (st *stream) close() {
	st.cancel()
	for range st.frames { //nolint:revive // to its end
	}
}

// await returns the next frame that is wanted; false: it did not come in time, or the stream ended.
func (st *stream) await(limit time.Duration, wanted func(wire.Downlink) bool) (arrival, bool) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case a, open := <-st.frames:
			if !open {
				return a, false
			}
			if wanted(a.frame) {
				return a, true
			}
		case <-timer.C:
			return arrival{}, false
		}
	}
}

// events opens a stream, has the server send on it at certain times, and looks when it comes.
func (x *examination) events(ctx context.Context, row *Row, s *session) {
	began := time.Now()
	st, err := s.openEvents(ctx, 0)
	if st != nil {
		defer st.close()
	}
	isHello := func(f wire.Downlink) bool { return f.Kind == wire.KindHello }
	var no *refused
	switch {
	case errors.Is(err, errHeld):
		x.heldBack(ctx, row, s, st, "the answer does not begin")
		return
	case errors.As(err, &no):
		row.fail("refused with "+no.Error(), "have what is in front of the server pass "+"/events"+" on; until then clients go by WebSocket or polls")
		return
	case err != nil:
		row.fail(x.why(err))
		return
	}
	hello, ok := st.await(x.Timeout, isHello)
	if !ok {
		x.heldBack(ctx, row, s, st, "the answer begins, and no event comes")
		return
	}
	first := hello.at.Sub(began)

	// A host that was busy for a moment sees events late and together, too, but not again and again.
	for tries := 1; ; tries++ {
		took, ok := x.spacing(ctx, row, s, st)
		if !ok {
			return
		}
		if !bunched(took) {
			row.pass(fmt.Sprintf("first byte after %s, events %s after they were caused", round(first), spaced(took)))
			return
		}
		if tries == 3 {
			row.fail("buffered: events come late and together, "+spaced(took)+" after they were caused: something on the way holds them back", eventsCure)
			return
		}
	}
}

// spacing has the server send some events at certain times, and returns how long after that each came; false: the row says why not.
func (x *examination) spacing(ctx context.Context, row *Row, s *session, st *stream) (took []time.Duration, ok bool) {
	before := s.sent
	posted := make([]time.Time, eventCount)
	for i := range posted {
		if i > 0 {
			time.Sleep(eventEvery)
		}
		posted[i] = time.Now()
		if _, err := s.post(ctx, 10); err != nil {
			cause, cure := x.why(err)
			row.fail("the POST that has an event sent fails: "+cause, cure)
			return nil, false
		}
	}
	for i, at := range posted {
		a, ok := st.await(x.Timeout, func(f wire.Downlink) bool { return f.Kind == wire.KindRefused && f.Of == before+int64(i+1) })
		if !ok {
			x.heldBack(ctx, row, s, st, fmt.Sprintf("after %d of %d events no more comes", i, eventCount))
			return nil, false
		}
		took = append(took, a.at.Sub(at))
	}
	return took, true
}

// heldBack tells a stream that is buffered from one that is dead: when the session ends so does the stream, and what was held back comes.
func (x *examination) heldBack(ctx context.Context, row *Row, s *session, st *stream, seen string) {
	s.leave(ctx)
	if _, ok := st.await(2*time.Second, func(f wire.Downlink) bool { return true }); ok {
		row.fail("buffered: "+seen+" within "+round(x.Timeout)+"; all comes at once when the server ends the stream: something on the way collects the answer first", eventsCure)
		return
	}
	row.fail("buffered or blocked: "+seen+" within "+round(x.Timeout)+", though the server answers other requests", eventsCure)
}

// bunched says that what was caused one after the other came together, and late: each took about as much less as it was caused later.
func bunched(took []time.Duration) bool {
	return took[0] > eventEvery && took[0]-slices.Min(took) > eventEvery/2
}

func spaced(took []time.Duration) string {
	words := make([]string, len(took))
	for i, d := range took {
		words[i] = round(d)
	}
	return strings.Join(words, ", ")
}
