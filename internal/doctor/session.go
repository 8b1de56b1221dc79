package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

const (
	maxAnswer = 1 << 20 // bytes
	tool      = "signal-doctor"
	nobody    = "nobody-is-called-this" // what is sent there comes back as refused, on whatever link
)

// refused is an answer that is no success.
type refused struct {
	status int
	code   wire.Code // "": it is not the server's own
	text   string
}

func (e *refused) Error() string {
	if e.code == "" {
		return fmt.Sprintf("status %d, and not by the server itself (%s)", e.status, e.text)
	}
	return fmt.Sprintf("status %d, %s: %s", e.status, e.code, e.text)
}

// session is a stay in the room, for one check alone.
type session struct {
	x     *examination
	reply wire.JoinReply
	date  http.Header // of the join's answer
	took  time.Duration
	at    time.Time // when the answer came
	sent  int64     // the last uplink frame
}

// ask makes a request and returns its answer's body. What is not status 2xx is a *refused.
func (x *examination) ask(ctx context.Context, method, path, bearer string, body any, header ...string) ([]byte, http.Header, error) {
	res, err := x.open(ctx, method, path, bearer, body, header...)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, nil, err
	}
	return text, res.Header, nil
}

// open makes a request and returns its answer, whose body the caller closes.
func (x *examination) open(ctx context.Context, method, path, bearer string, body any, header ...string) (*http.Response, error) {
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(wire.Append(nil, body))
	}
	req, err := http.NewRequestWithContext(ctx, method, x.base.String()+path, in)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", tool)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := x.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		defer res.Body.Close()
		return nil, refusalIn(res)
	}
	return res, nil
}

func refusalIn(res *http.Response) *refused {
	e := &refused{status: res.StatusCode, text: http.StatusText(res.StatusCode)}
	var reply wire.ErrorReply
	body, err := io.ReadAll(io.LimitReader(res.Body, 16<<10))
	if err == nil && json.Unmarshal(body, &reply) == nil && reply.Error != nil {
		e.code, e.text = reply.Error.Code, reply.Error.Message
	}
	return e
}

// rooms is the path of the room's sessions.
func (x *examination) rooms() string { return "/v1/rooms/" + x.Room + "/sessions" }

// join joins the room once, without trying again.
func (x *examination) join(ctx context.Context, resume string, header ...string) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, x.Timeout)
	defer cancel()
	began := time.Now()
	ask := wire.JoinRequest{Attempt: rand.Text(), Instance: tool, Name: "Doctor", Resume: resume}
	body, answered, err := x.ask(ctx, http.MethodPost, x.rooms(), x.Token, ask, header...)
	if err != nil {
		return nil, err
	}
	s := &session{x: x, date: answered, took: time.Since(began), at: time.Now()}
	if err := json.Unmarshal(body, &s.reply); err != nil || s.reply.Session == "" || s.reply.Secret == "" || s.reply.Peer == "" {
		return nil, errNotParley
	}
	x.secret.keep(s.reply)
	return s, nil
}

var errNotParley = errors.New("the answer to the join is not a Parley server's")

// path is that of one of the session's resources.
func (s *session) path(part string) string {
	if part != "" {
		part = "/" + part
	}
	return s.x.rooms() + "/" + s.reply.Session + part
}

// leave ends the session.
func (s *session) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_, _, _ = s.x.ask(ctx, http.MethodDelete, s.path(""), s.reply.Secret, nil) // else it ends by itself
}

type postBody struct {
	First  int64             `json:"first,omitempty"`
	Frames []json.RawMessage `json:"frames,omitempty"`
	Ack    int64             `json:"ack,omitempty"`
}

// frame is the next uplink frame: a signal to nobody, which is answered by a numbered refusal.
func (s *session) frame(size int) json.RawMessage {
	s.sent++
	return wire.Append(nil, map[string]any{"kind": wire.KindSignal, "n": s.sent, "to": nobody, "data": string(bytes.Repeat([]byte("x"), size))})
}

// post sends one frame by POST, and returns how many the server says to have received.
func (s *session) post(ctx context.Context, size int) (received int64, err error) {
	frame := s.frame(size)
	body, _, err := s.x.ask(ctx, http.MethodPost, s.path("frames"), s.reply.Secret, postBody{First: s.sent, Frames: []json.RawMessage{frame}})
	if err != nil {
		return 0, err
	}
	var reply wire.PostReply
	if err := json.Unmarshal(body, &reply); err != nil {
		return 0, fmt.Errorf("the answer cannot be read: %w", err)
	}
	return reply.Received, nil
}

// poll polls once; link 0 opens a link.
func (s *session) poll(ctx context.Context, link, after int64, wait time.Duration) (reply wire.PollReply, frames []wire.Downlink, err error) {
	query := "?after=" + strconv.FormatInt(after, 10)
	if link > 0 {
		query += "&link=" + strconv.FormatInt(link, 10)
	}
	if wait > 0 {
		query += "&wait=" + strconv.FormatFloat(wait.Seconds(), 'f', -1, 64)
	}
	body, _, err := s.x.ask(ctx, http.MethodGet, s.path("frames")+query, s.reply.Secret, nil)
	if err != nil {
		return reply, nil, err
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return reply, nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	for _, raw := range reply.Frames {
		var f wire.Downlink
		if err := json.Unmarshal(raw, &f); err != nil {
			return reply, nil, fmt.Errorf("a frame of the answer cannot be read: %w", err)
		}
		frames = append(frames, f)
	}
	return reply, frames, nil
}

// refusalOf returns the number of the frame that refuses uplink frame n, or 0.
func refusalOf(frames []wire.Downlink, n int64) int64 {
	for _, f := range frames {
		if f.Kind == wire.KindRefused && f.Of == n {
			return f.N
		}
	}
	return 0
}
