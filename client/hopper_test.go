package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/internal/wire"
)

// hopper is a talker that speaks the protocol by hand and never stays on a link: it opens the next one, of any
// kind, over the old one that still works, after having cut it, or as a probe that it confirms. What it
// opened before goes on reading until the server ends it. One goroutine, hop's, owns everything.
type hopper struct {
	*talker
	api   *api
	reply wire.JoinReply
	path  string
	work  sync.WaitGroup
	inbox chan func() error // what the others have read
	ctx   context.Context   // ends with the hopper

	down     int64              // the last downlink frame had
	received int64              // uplink frames, by the server
	posted   int64              // sent on the link in use
	posting  context.CancelFunc // of the POST under way, one at a time; nil: none
	link     *hopped
	older    []*hopped // left as they were
}

// hopped is one link of a hopper.
type hopped struct {
	kind   string
	probe  bool
	number int64 // 0: not open yet
	ready  bool  // frames may go up
	ended  bool
	ctx    context.Context
	cut    context.CancelFunc
	ws     *websocket.Conn
	write  sync.Mutex // of ws
}

func hop(ctx context.Context, p *talker) error {
	a := newAPI(p.url, p.room, nil)
	opts, err := Options{Peer: p.id, Logger: quiet(), pace: brisk}.resolved(p.url, p.room)
	if err != nil {
		return err
	}
	reply, err := joining{api: a, opts: opts}.join(ctx, wire.JoinRequest{Peer: p.id, Instance: p.id})
	if err != nil {
		return err
	}
	p.epoch = reply.Epoch
	close(p.joined)
	inner, cancel := context.WithCancel(ctx)
	h := &hopper{talker: p, api: a, reply: reply, path: "/" + reply.Session, inbox: make(chan func() error), ctx: inner}
	err = h.run()
	cancel()
	h.work.Wait()
	p.drop = a.close
	p.leave = func() error {
		defer a.close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		var rest wire.PostReply
		err := a.call(ctx, patience, http.MethodPost, h.path+"/frames", reply.Secret, map[string]int64{"after": h.down}, &rest)
		for _, f := range rest.Frames {
			if bytes.Contains(f, []byte(`"signal"`)) {
				err = fmt.Errorf("got %.60q after everything", f)
			}
		}
		return errors.Join(err, a.call(ctx, patience, http.MethodDelete, h.path, reply.Secret, nil, nil))
	}
	return err
}

func (h *hopper) run() error {
	select {
	case <-h.other.joined:
	case <-h.ctx.Done():
		return h.ctx.Err()
	}
	h.change()
	leave := time.Now().Add(2 * time.Second) // when the link in use is left; one that does not open has so long
	moved, at := false, int64(0)
	for !h.over() {
		select {
		case do := <-h.inbox:
			if err := do(); err != nil {
				return err
			}
		case <-h.moved:
		case <-time.After(20 * time.Millisecond):
		case <-h.ctx.Done():
			return fmt.Errorf("%w; on a link by %s, frames received up to %d, by the server up to %d", h.ctx.Err(), h.link.kind, h.down, h.received)
		}
		switch now := time.Now(); {
		case h.link.ended, now.After(leave):
			h.change()
			leave, moved, at = now.Add(2*time.Second), false, 0
		case h.link.ready && at == 0:
			at = h.down + h.received + 1
		case h.link.ready && !moved && h.down+h.received+1 > at: // it carries something, however busy the machine is
			// Most links are left soon; some are kept for long enough to be found dead.
			stay := 20 + h.dice.IntN(250)
			if h.dice.IntN(8) == 0 {
				stay *= 10
			}
			leave, moved = now.Add(time.Duration(stay)*time.Millisecond), true
		}
		h.send()
	}
	return nil
}

// change opens the next link.
func (h *hopper) change() {
	kinds := []string{"websocket", "events", "long poll", "short poll"}
	next := &hopped{kind: kinds[h.dice.IntN(len(kinds))]}
	next.probe = h.link != nil && !h.link.ended && h.dice.IntN(2) == 0
	if next.probe {
		next.kind = kinds[h.dice.IntN(2)]
	}
	next.ctx, next.cut = context.WithCancel(h.ctx)
	h.tally.add("hop to " + next.kind)
	old := h.link
	if h.posting != nil && h.dice.IntN(2) == 0 {
		h.posting() // it may still arrive, late
	}
	switch {
	case old == nil:
	case next.probe, h.dice.IntN(2) == 0:
		h.older = append(h.older, old)
	default:
		old.cut()
	}
	for len(h.older) > 3 {
		h.older[0].cut()
		h.older = h.older[1:]
	}
	if h.link = next; !next.probe {
		h.posted = h.received
	}
	query := "?after=" + decimal(h.down)
	if next.probe {
		query += "&probe=1"
	}
	after := h.down
	h.work.Go(func() {
		var err error
		switch next.kind {
		case "websocket":
			err = h.readWebSocket(next, query)
		case "events":
			err = h.readEvents(next, query)
		case "long poll":
			err = h.readPolls(next, after, "0.4", 0)
		case "short poll":
			err = h.readPolls(next, after, "0", 20*time.Millisecond)
		}
		next.cut()
		h.tell(context.WithoutCancel(next.ctx), func() error {
			next.ended = true
			var refused *Error
			if errors.As(err, &refused) {
				switch refused.Code {
				case "", "superseded", "silent", "stalled", "unconfirmed": // or a proxy's answer
					h.tally.add("hopper " + refused.Code)
				default:
					return fmt.Errorf("a link by %s ended: %w", next.kind, err)
				}
			}
			return nil
		})
	})
}

// tell has do called by the goroutine that owns the hopper.
func (h *hopper) tell(ctx context.Context, do func() error) bool {
	select {
	case h.inbox <- do:
		return true
	case <-ctx.Done():
	case <-h.ctx.Done():
	}
	return false
}

func (h *hopper) readWebSocket(l *hopped, query string) error {
	ctx, cancel := context.WithTimeout(l.ctx, time.Second)
	conn, err := h.api.dial(ctx, h.path+"/ws"+query, h.reply.Secret)
	cancel()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(l.ctx, func() { conn.NetConn().Close() })
	defer func() {
		stop()
		conn.Close()
	}()
	l.ws = conn // read by others after the hello only
	for {
		_, text, err := conn.ReadMessage()
		if err != nil {
			return closeError(err)
		}
		if err := h.frame(l, text); err != nil {
			return err
		}
	}
}

func (h *hopper) readEvents(l *hopped, query string) error {
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	open := time.AfterFunc(time.Second, cancel)
	res, err := h.api.request(ctx, http.MethodGet, h.path+"/events"+query, h.reply.Secret, nil)
	if err != nil {
		return err
	}
	open.Stop()
	defer res.Body.Close()
	for event, err := range readPlainly(res.Body) {
		if err != nil {
			return err
		}
		if err := h.frame(l, []byte(event.data)); err != nil {
			return err
		}
	}
	return errors.New("the stream ended")
}

func (h *hopper) readPolls(l *hopped, after int64, wait string, pause time.Duration) error {
	link := ""
	for l.ctx.Err() == nil {
		var reply wire.PollReply
		query := "?wait=" + wait + "&after=" + decimal(after) + link
		if err := h.api.call(l.ctx, 2*time.Second, http.MethodGet, h.path+"/frames"+query, h.reply.Secret, nil, &reply); err != nil {
			return err
		}
		link = "&link=" + decimal(reply.Link)
		h.tell(l.ctx, func() error {
			l.number = reply.Link
			h.opened(l, reply.Received)
			return nil
		})
		for _, raw := range reply.Frames {
			var f wire.Downlink
			if err := json.Unmarshal(raw, &f); err != nil {
				return err
			}
			if err := h.frame(l, raw); err != nil {
				return err
			}
			after = f.N
		}
		time.Sleep(pause)
	}
	return l.ctx.Err()
}

// frame has a frame handled, on whatever link it came.
func (h *hopper) frame(l *hopped, text []byte) error {
	var f wire.Downlink
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	switch f.Kind {
	case wire.KindSuperseded:
		return refusal(wire.Superseded, "")
	case wire.KindEnded:
		return refusal(f.Code, f.Message)
	}
	if !h.tell(l.ctx, func() error { return h.take(l, f) }) {
		return context.Canceled
	}
	return nil
}

func (h *hopper) take(l *hopped, f wire.Downlink) error {
	switch f.Kind {
	case wire.KindHello:
		l.number = f.Link
		if l.probe {
			h.confirm(l)
			return nil
		}
		h.opened(l, f.Received)
	case wire.KindReceived:
		h.received = max(h.received, f.N)
		if f.Code != "" && l == h.link {
			h.posted = f.N
		}
	case wire.KindPing:
		if l.kind == "websocket" {
			h.say(l, map[string]any{"kind": wire.KindPong})
		} else if l == h.link {
			h.post(l, map[string]any{})
		}
	case wire.KindRefused:
		if f.N == 0 && f.Code == wire.Superseded {
			l.cut() // the use of a probe that another link of our own overtook
		} else if f.N == 0 {
			return fmt.Errorf("what was sent cannot be read: %s", f.Message)
		}
	}
	if f.N == 0 || f.Kind == wire.KindReceived || f.N <= h.down {
		return nil // not numbered, or had
	}
	if f.N > h.down+1 {
		return fmt.Errorf("frame %d on a link by %s follows frame %d", f.N, l.kind, h.down)
	}
	h.down = f.N
	if l.kind == "websocket" && f.N%16 == 0 {
		h.say(l, map[string]any{"kind": wire.KindAck, "n": h.down})
	}
	switch f.Kind {
	case wire.KindSignal:
		if h.floods && h.dice.IntN(400) == 0 {
			time.Sleep(time.Duration(h.dice.IntN(300)) * time.Millisecond)
		}
		return h.hear(f.From, f.Data)
	case wire.KindRefused:
		if n := f.Of - 1; n < 0 || n >= h.total || h.refused[n] {
			return fmt.Errorf("frame %d was refused, or was again", f.Of)
		}
		h.refused[f.Of-1] = true
		return h.wasRefused(f.To, string(f.Code))
	case wire.KindLeft:
		return fmt.Errorf("got %+v", f)
	}
	return nil
}

// opened takes in that a link is in use.
func (h *hopper) opened(l *hopped, received int64) {
	h.received = max(h.received, received)
	if l == h.link && !l.ready {
		l.ready, h.posted = true, h.received
		h.tally.add("hopped")
	}
}

// confirm puts a probe to use, as a frame or by POST.
func (h *hopper) confirm(l *hopped) {
	if l != h.link {
		return
	}
	h.tally.add("used a probe")
	if l.kind == "websocket" && h.dice.IntN(2) == 0 {
		h.say(l, map[string]any{"kind": wire.KindUse, "link": l.number, "after": h.down})
		h.opened(l, h.received)
		return
	}
	h.post(l, map[string]any{"use": l.number, "ack": h.down})
}

// send sends what may be sent, the way of the link in use.
func (h *hopper) send() {
	l := h.link
	if l == nil || !l.ready || l.ended || h.posting != nil {
		return
	}
	for h.sent.Load() < h.posted { // a message counts from when it first went
		h.sent.Add(1)
	}
	first, last := h.posted+1, h.posted
	for last-first < 60 && last < h.total && (last < h.sent.Load() || h.may()) {
		if last++; last > h.sent.Load() {
			h.sent.Store(last)
		}
	}
	if last < first {
		if l.kind == "events" && h.down%64 == 0 {
			h.post(l, map[string]any{"ack": h.down})
		}
		return
	}
	h.posted = last
	var frames []map[string]any
	for n := first; n <= last; n++ {
		frames = append(frames, map[string]any{"kind": wire.KindSignal, "to": h.other.id, "epoch": h.other.epoch, "data": json.RawMessage(message(n - 1))})
	}
	if l.kind == "websocket" {
		for i, f := range frames {
			f["n"] = first + int64(i)
			h.say(l, f)
		}
		return
	}
	h.post(l, map[string]any{"first": first, "frames": frames, "ack": h.down})
}

// say writes a frame to a WebSocket. If that fails its reader finds out.
func (h *hopper) say(l *hopped, frame map[string]any) {
	l.write.Lock()
	defer l.write.Unlock()
	_ = l.ws.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	_ = l.ws.WriteMessage(websocket.TextMessage, wire.Append(nil, frame))
}

// post sends a POST, if none is under way.
func (h *hopper) post(l *hopped, body map[string]any) {
	if h.posting != nil {
		return
	}
	ctx, cancel := context.WithCancel(h.ctx)
	h.posting = cancel
	h.work.Go(func() {
		defer cancel()
		var reply wire.PostReply
		err := h.api.call(ctx, 1500*time.Millisecond, http.MethodPost, h.path+"/frames", h.reply.Secret, body, &reply)
		h.tell(h.ctx, func() error {
			h.posting = nil
			var refused *Error
			switch {
			case err == nil:
				h.opened(l, reply.Received)
			case !errors.As(err, &refused):
			case refused.received != nil:
				h.received = max(h.received, *refused.received)
			case refused.Code == "superseded":
				l.cut()
			case refused.Code != "":
				return fmt.Errorf("a post was refused: %w", err)
			}
			h.posted = h.received // whatever did not arrive goes again
			if err != nil && l.probe && !l.ready {
				l.cut()
			}
			return nil
		})
	})
}
