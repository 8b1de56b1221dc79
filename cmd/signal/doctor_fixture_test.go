package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/internal/doctor"
	"github.com/parley-rtc/parley/internal/wire"
)

// hostile is a proxy in front of a program, and what it does to what passes.
type hostile struct {
	webSocket func(w http.ResponseWriter, r *http.Request) // instead of passing it on
	buffered  bool                                         // events are collected first
	cut       time.Duration                                // polls that wait longer are answered with 504
	shortGETs bool                                         // nothing but GETs that are answered at once
	skew      time.Duration                                // of the Date of answers
	ice       func([]wire.ICEServer) []wire.ICEServer      // instead of those of the join
}

// front starts the proxy and returns its URL.
func (h hostile) front(t *testing.T, p *program) string {
	t.Helper()
	to, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	pass := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		FlushInterval:  -1,
		ModifyResponse: h.modify,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		Transport:      &http.Transport{},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch part := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]; {
		case part == "ws" && h.webSocket != nil:
			h.webSocket(w, r)
		case part == "events" && h.buffered:
			collected := httptest.NewRecorder()
			pass.ServeHTTP(collected, r)
			_, _ = w.Write(collected.Body.Bytes())
		case part == "frames" && h.cut > 0 && r.URL.Query().Has("wait"):
			answered := httptest.NewRecorder()
			done := make(chan struct{})
			go func() {
				defer close(done)
				pass.ServeHTTP(answered, r)
			}()
			select {
			case <-done:
				w.WriteHeader(answered.Code)
				_, _ = w.Write(answered.Body.Bytes())
			case <-time.After(h.cut):
				http.Error(w, "too slow", http.StatusGatewayTimeout)
			}
		default:
			pass.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		pass.Transport.(*http.Transport).CloseIdleConnections()
	})
	return server.URL
}

// modify changes an answer on its way.
func (h hostile) modify(res *http.Response) error {
	if h.skew != 0 {
		res.Header.Set("Date", time.Now().Add(h.skew).UTC().Format(http.TimeFormat))
	}
	if h.ice == nil || res.StatusCode != http.StatusCreated {
		return nil
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var reply wire.JoinReply
	if err := json.Unmarshal(body, &reply); err != nil {
		return err
	}
	reply.ICEServers = h.ice(reply.ICEServers)
	body = wire.Append(nil, reply)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	res.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// swallow answers nothing until the client has had enough.
func swallow(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// openSilently opens a WebSocket on which nothing comes.
func openSilently(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
	}
}

// deafUDP returns the address of a socket that answers nobody.
func deafUDP(t *testing.T) string {
	t.Helper()
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket.LocalAddr().String()
}

// deafTCP returns the address of a listener whose queue nobody empties: what is sent there is not answered.
func deafTCP(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

// examined runs signal doctor, with --json, and returns its report and its error.
func examined(t *testing.T, env map[string]string, args ...string) (doctor.Report, error) {
	t.Helper()
	return examinedLater(t, env, args...)()
}

// examinedLater is examined in the background: an examination mostly waits, so many can be made at once. What it returns waits for its end.
func examinedLater(t *testing.T, env map[string]string, args ...string) func() (doctor.Report, error) {
	t.Helper()
	var out bytes.Buffer
	var err error
	args = append([]string{"doctor", "--json", "--timeout=3s", "--hold=1s"}, args...)
	done := make(chan struct{})
	ctx := t.Context()
	go func() {
		defer close(done)
		err = run(ctx, args, func(name string) string { return env[name] }, &out)
	}()
	t.Cleanup(func() { <-done })
	return func() (report doctor.Report, _ error) {
		<-done
		if jsonErr := json.Unmarshal(out.Bytes(), &report); jsonErr != nil {
			t.Errorf("the report cannot be read: %v (%v)\n%s", jsonErr, err, &out)
		}
		return report, err
	}
}

// rowOf returns the row whose id begins with one.
func rowOf(t *testing.T, report doctor.Report, id string) doctor.Row {
	t.Helper()
	for _, row := range report.Rows {
		if row.ID == id || strings.HasPrefix(row.ID, id+" ") {
			return row
		}
	}
	t.Fatalf("there is no row %q in %+v", id, report.Rows)
	return doctor.Row{}
}

// tokenOf makes an app token that may join any room and signal there.
func tokenOf(secret string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(fmt.Appendf(nil,
		`{"sub":"u1","exp":%d,"rooms":["*"],"can":["join","signal"]}`, time.Now().Add(time.Hour).Unix()))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}
