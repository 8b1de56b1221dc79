package signaling_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/internal/leaktest"
	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// patience is how long a test waits for what must come.
const patience = 5 * time.Second

// service is a signaling server on a loopback port.
type service struct {
	*testing.T
	*signaling.Server
	url string
}

// serve starts a server and closes it with the test. Wrap, if given, is the middleware around it.
func serve(t *testing.T, cfg signaling.Config, wrap ...func(http.Handler) http.Handler) *service {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	server, err := signaling.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var handler http.Handler = server
	for _, w := range wrap {
		handler = w(handler)
	}
	front := httptest.NewServer(handler)
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		front.Close()
	})
	return &service{t, server, front.URL}
}

func quiet() *slog.Logger {
	if os.Getenv("PARLEY_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.DiscardHandler)
}

// reply is an HTTP answer, read.
type reply struct {
	status int
	header http.Header
	body   []byte
	closed bool // the connection ends with it
}

func (r reply) refusal() wire.Error {
	var e wire.ErrorReply
	if json.Unmarshal(r.body, &e) != nil || e.Error == nil {
		return wire.Error{}
	}
	return *e.Error
}

// call makes a request; header is pairs of name and value.
func (s *service) call(method, path string, body []byte, header ...string) reply {
	s.Helper()
	req, err := http.NewRequest(method, s.url+path, bytes.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	read, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, read, res.Close}
}

const asJSON = "application/json"

// peer is a joined session, as its client has it.
type peer struct {
	*service
	wire.JoinReply
	path string // of the session
	n    int64  // uplink frames sent
}

// ask returns a join's body.
func ask(edit ...func(*wire.JoinRequest)) wire.JoinRequest {
	req := wire.JoinRequest{Attempt: rand.Text(), Instance: strings.ToLower(rand.Text()[:8])}
	for _, e := range edit {
		e(&req)
	}
	return req
}

func as(id string) func(*wire.JoinRequest) { return func(r *wire.JoinRequest) { r.Peer = id } }

func (s *service) try(room string, req wire.JoinRequest, header ...string) (*peer, reply) {
	s.Helper()
	body, err := json.Marshal(req)
	if err != nil {
		s.Fatal(err)
	}
	path := "/v1/rooms/" + room + "/sessions"
	r := s.call("POST", path, body, append([]string{"Content-Type", asJSON}, header...)...)
	p := &peer{service: s}
	if r.status == http.StatusCreated {
		if err := json.Unmarshal(r.body, &p.JoinReply); err != nil {
			s.Fatalf("%s: %v", r.body, err)
		}
		p.path = path + "/" + p.Session
	}
	return p, r
}

func (s *service) join(room string, edit ...func(*wire.JoinRequest)) *peer {
	s.Helper()
	p, r := s.try(room, ask(edit...))
	if r.status != http.StatusCreated {
		s.Fatalf("join: %d %s", r.status, r.body)
	}
	return p
}

// wsLink is a peer's WebSocket.
type wsLink struct {
	*peer
	ws     *websocket.Conn
	frames chan wire.Downlink
	closed chan error // gets the error that ended the reading
}

// dial opens a WebSocket as a browser does. Query is such as "?after=3".
func (p *peer) dial(query string) *wsLink {
	p.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"parley.v1", "parley.secret." + p.Secret}}
	ws, res, err := dialer.Dial("ws"+strings.TrimPrefix(p.url, "http")+p.path+"/ws"+query, nil)
	if err != nil {
		p.Fatalf("dial: %v (%v)", err, res)
	}
	if got := ws.Subprotocol(); got != "parley.v1" {
		p.Errorf("selected subprotocol is %q, want parley.v1", got)
	}
	l := &wsLink{peer: p, ws: ws, frames: make(chan wire.Downlink, 4096), closed: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(l.frames)
		for {
			_, text, err := ws.ReadMessage()
			if err != nil {
				l.closed <- err
				return
			}
			var d wire.Downlink
			if err := json.Unmarshal(text, &d); err != nil {
				p.Errorf("frame %q: %v", text, err)
			}
			l.frames <- d
		}
	}()
	p.Cleanup(func() {
		_ = ws.Close()
		<-done
	})
	return l
}

// link dials and takes the hello.
func (p *peer) link() *wsLink {
	p.Helper()
	l := p.dial("")
	l.expect(wire.KindHello)
	return l
}

// next returns the next frame that is not about liveness.
func (l *wsLink) next() wire.Downlink {
	l.Helper()
	timeout := time.After(patience)
	for {
		select {
		case d, ok := <-l.frames:
			switch {
			case !ok:
				err := <-l.closed
				l.closed <- err
				l.Fatalf("link of %s closed: %v", l.Peer, err)
			case d.Kind == wire.KindPing || d.Kind == wire.KindReceived && d.Code == "":
				continue
			}
			return d
		case <-timeout:
			l.Fatalf("link of %s: nothing came", l.Peer)
		}
	}
}

// expect returns the next frame, which must be of kind.
func (l *wsLink) expect(kind string) wire.Downlink {
	l.Helper()
	d := l.next()
	if d.Kind != kind {
		l.Fatalf("link of %s: got %+v, want a frame %s", l.Peer, d, kind)
	}
	return d
}

// expectClose waits for the close code.
func (l *wsLink) expectClose(code int) {
	l.Helper()
	select {
	case err := <-l.closed:
		var e *websocket.CloseError
		if !errors.As(err, &e) || e.Code != code {
			l.Errorf("link of %s closed with %v, want %d", l.Peer, err, code)
		}
		l.closed <- err
	case <-time.After(patience):
		l.Fatalf("link of %s does not close", l.Peer)
	}
}

func (l *wsLink) text(text string) {
	l.Helper()
	if err := l.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		l.Fatalf("write: %v", err)
	}
}

// signal sends the next numbered frame, to another peer.
func (l *wsLink) signal(to *peer, data string) {
	l.Helper()
	l.n++
	l.text(fmt.Sprintf(`{"kind":"signal","n":%d,"to":%q,"epoch":%d,"data":%s}`, l.n, to.Peer, to.Epoch, data))
}

// cut breaks the connection without a word, as a network does.
func (l *wsLink) cut() {
	_ = l.ws.NetConn().Close()
}

// together runs what has to come to an end by itself, side by side.
func together(t *testing.T, limit time.Duration, each ...func() error) {
	t.Helper()
	done := make(chan error, len(each))
	for _, f := range each {
		go func() { done <- f() }()
	}
	timeout := time.After(limit)
	for range each {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-timeout:
			t.Fatal("they do not come to an end")
		}
	}
}
