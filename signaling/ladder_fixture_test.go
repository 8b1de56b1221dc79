package signaling_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/internal/wire"
)

// kinds are the four links, best first.
var kinds = []string{"websocket", "events", "long poll", "short poll"}

// duplex is a link of any kind, as a client uses it.
type duplex struct {
	*peer
	kind   string
	number int64 // of the link; for polls 0
	frames chan wire.Downlink
	fault  chan error // why it ended; a *wire.Error if the server said
	cut    func()     // without a word; waits until nothing is read any more

	ws *websocket.Conn
	mu sync.Mutex // of ws's writer
}

// open opens a link of any kind. After is the last frame had; −1: as acknowledged.
func (p *peer) open(kind string, after int64, probe bool) (*duplex, error) {
	ctx, cancel := context.WithCancel(context.Background())
	d := &duplex{peer: p, kind: kind, frames: make(chan wire.Downlink, 4096), fault: make(chan error, 1)}
	var read func() error
	var err error
	stop := cancel
	switch kind {
	case "websocket":
		if read, err = d.openWebSocket(after, probe); err == nil {
			stop = func() { cancel(); _ = d.ws.NetConn().Close() }
		}
	case "events":
		read, err = d.openEvents(ctx, after, probe)
	case "long poll":
		read = func() error { return d.poll(ctx, after, "3", 0) }
	case "short poll":
		read = func() error { return d.poll(ctx, after, "0", 10*time.Millisecond) }
	}
	if err != nil {
		cancel()
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.fault <- read()
	}()
	d.cut = sync.OnceFunc(func() {
		stop()
		<-done
	})
	if kind == "websocket" || kind == "events" {
		select {
		case hello := <-d.frames:
			if hello.Kind != wire.KindHello {
				d.cut()
				return nil, fmt.Errorf("%s begins with %+v", kind, hello)
			}
			d.number = hello.Link
			d.frames <- hello
		case err := <-d.fault:
			d.cut()
			return nil, err
		case <-time.After(patience):
			d.cut()
			return nil, errors.New("no hello")
		}
	}
	return d, nil
}

func query(after int64, probe bool) string {
	q := "?"
	if after >= 0 {
		q += fmt.Sprint("after=", after)
	}
	if probe {
		q += "&probe=1"
	}
	return q
}

func (d *duplex) openWebSocket(after int64, probe bool) (func() error, error) {
	header := http.Header{"Authorization": {"Bearer " + d.Secret}}
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(d.url, "http")+d.path+"/ws"+query(after, probe), header)
	if err != nil {
		return nil, err
	}
	d.ws = ws
	return func() error {
		for {
			var f wire.Downlink
			if err := ws.ReadJSON(&f); err != nil {
				return err
			}
			d.frames <- f
			if f.Kind == wire.KindPing {
				_ = d.say(`{"kind":"pong"}`)
			}
		}
	}, nil
}

func (d *duplex) openEvents(ctx context.Context, after int64, probe bool) (func() error, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", d.url+d.path+"/events"+query(after, probe), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+d.Secret)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		return nil, refusalIn(res)
	}
	return func() error {
		defer res.Body.Close()
		id := ""
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
			case "id":
				id = value
			case "data":
				var f wire.Downlink
				if err := json.Unmarshal([]byte(value), &f); err != nil {
					return err
				}
				if f.N != 0 && fmt.Sprint(f.N) != id {
					return fmt.Errorf("event %s has frame %d", id, f.N)
				}
				d.frames <- f
				if f.Kind == wire.KindPing {
					_, _ = d.post(wire.Post{})
				}
			}
		}
		return io.EOF
	}, nil
}

func (d *duplex) poll(ctx context.Context, after int64, wait string, pause time.Duration) error {
	link := ""
	for {
		req, err := http.NewRequestWithContext(ctx, "GET", d.url+d.path+"/frames?wait="+wait+link, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+d.Secret)
		if after >= 0 {
			req.Header.Set("Parley-After", fmt.Sprint(after))
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			err := refusalIn(res)
			res.Body.Close()
			return err
		}
		var reply struct {
			wire.PollReply
			Frames []wire.Downlink `json:"frames"`
		}
		err = json.NewDecoder(res.Body).Decode(&reply)
		res.Body.Close()
		if err != nil {
			return err
		}
		link = fmt.Sprint("&link=", reply.Link)
		d.frames <- wire.Downlink{Kind: wire.KindReceived, N: reply.Received}
		for _, f := range reply.Frames {
			d.frames <- f
			after = max(after, f.N)
		}
		time.Sleep(pause)
	}
}

func refusalIn(res *http.Response) error {
	var e wire.ErrorReply
	if err := json.NewDecoder(res.Body).Decode(&e); err != nil || e.Error == nil {
		return fmt.Errorf("status %s", res.Status)
	}
	return e.Error
}

// say sends text on a WebSocket.
func (d *duplex) say(text string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ws.WriteMessage(websocket.TextMessage, []byte(text))
}

// post sends a POST of frames.
func (p *peer) post(body wire.Post) (wire.PostReply, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return wire.PostReply{}, err
	}
	req, err := http.NewRequest("POST", p.url+p.path+"/frames", bytes.NewReader(text))
	if err != nil {
		return wire.PostReply{}, err
	}
	req.Header.Set("Authorization", "Bearer "+p.Secret)
	req.Header.Set("Content-Type", asJSON)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return wire.PostReply{}, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return wire.PostReply{}, refusalIn(res)
	}
	var reply wire.PostReply
	return reply, json.NewDecoder(res.Body).Decode(&reply)
}

// send sends frames without numbers in them, from number first on, the way this kind of link does.
func (d *duplex) send(first int64, frames ...string) error {
	if d.kind == "websocket" {
		for i, f := range frames {
			if err := d.say(fmt.Sprintf(`{"n":%d,%s`, first+int64(i), f[1:])); err != nil {
				return err
			}
		}
		return nil
	}
	body := wire.Post{First: first}
	for _, f := range frames {
		body.Frames = append(body.Frames, json.RawMessage(f))
	}
	_, err := d.post(body)
	return err
}

// next returns the next numbered frame.
func (d *duplex) next() wire.Downlink {
	d.Helper()
	timeout := time.After(patience)
	for {
		select {
		case f := <-d.frames:
			if f.N == 0 || f.Kind == wire.KindReceived {
				continue
			}
			return f
		case err := <-d.fault:
			d.fault <- err
			if len(d.frames) > 0 {
				continue
			}
			d.Fatalf("%s of %s ended: %v", d.kind, d.Peer, err)
		case <-timeout:
			d.Fatalf("%s of %s: nothing came", d.kind, d.Peer)
		}
	}
}

// ends waits until the link has ended, and returns the code that the server gave.
func (d *duplex) ends() wire.Code {
	d.Helper()
	select {
	case err := <-d.fault:
		d.fault <- err
		var refusal *wire.Error
		if errors.As(err, &refusal) {
			return refusal.Code
		}
	case <-time.After(patience):
		d.Fatalf("%s of %s does not end", d.kind, d.Peer)
	}
	for {
		select {
		case f := <-d.frames:
			switch f.Kind {
			case wire.KindEnded:
				return f.Code
			case wire.KindSuperseded:
				return wire.Superseded
			}
		default:
			return ""
		}
	}
}

// linked opens a link of a kind; it has to succeed.
func (p *peer) linked(kind string, after int64) *duplex {
	p.Helper()
	d, err := p.open(kind, after, false)
	if err != nil {
		p.Fatalf("%s: %v", kind, err)
	}
	p.Cleanup(d.cut)
	return d
}
