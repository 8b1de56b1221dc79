package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/internal/wire"
)

const (
	requestTime = 15 * time.Second // for a request that does not wait
	maxReply    = 8 << 20          // bytes
)

// api makes the requests of the protocol.
type api struct {
	server string // its URL
	root   string // URL of the room's sessions
	http   *http.Client
	dialer websocket.Dialer
	own    *http.Transport // nil: the app's
}

func newAPI(server, room string, client *http.Client) *api {
	a := &api{
		server: server,
		root:   strings.TrimRight(server, "/") + "/v1/rooms/" + room + "/sessions",
		dialer: websocket.Dialer{Proxy: http.ProxyFromEnvironment},
	}
	if at, err := url.Parse(server); err == nil {
		a.server = at.Redacted()
	}
	if client == nil {
		a.own = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
			IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		}
		a.own.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second}
		client = &http.Client{Transport: a.own}
	}
	shared := *client
	shared.Timeout = 0 // it would cut streams and polls
	a.http = &shared
	a.dialer.Jar = client.Jar
	if t, ok := client.Transport.(*http.Transport); ok {
		a.dialer.Proxy, a.dialer.NetDialContext = t.Proxy, t.DialContext
		// The transport's own clone, which waits for what its first request changes in it.
		if config := t.Clone().TLSClientConfig; config != nil {
			a.dialer.TLSClientConfig = config
			a.dialer.TLSClientConfig.NextProtos = []string{"http/1.1"} // RFC 6455 needs it
		}
	}
	return a
}

// close frees the connections that are kept for more requests.
func (a *api) close() {
	if a.own != nil {
		a.own.CloseIdleConnections()
	}
}

// request makes a request; in, if not nil, is its body. The caller closes the response's. What is
// not status 200–299 is returned as an [Error].
func (a *api) request(ctx context.Context, method, path, bearer string, in any, header ...string) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		body = bytes.NewReader(wire.Append(nil, in))
	}
	req, err := http.NewRequestWithContext(ctx, method, a.root+path, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := a.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		defer res.Body.Close()
		return nil, refusalIn(res)
	}
	return res, nil
}

// call makes a request that takes at most limit, and reads its answer into out, if not nil.
func (a *api) call(ctx context.Context, limit time.Duration, method, path, bearer string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	res, err := a.request(ctx, method, path, bearer, in)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	if err == nil && out != nil {
		err = json.Unmarshal(body, out)
		if text := bytes.TrimSpace(body); err != nil && len(text) > 0 && text[0] != '{' {
			return nobodyAt(a.server, res.StatusCode)
		}
	}
	if err != nil {
		return fmt.Errorf("client: the answer of %s: %w", method, err)
	}
	return nil
}

// dial opens a WebSocket.
func (a *api) dial(ctx context.Context, path, bearer string) (*websocket.Conn, error) {
	header := http.Header{"Authorization": {"Bearer " + bearer}}
	conn, res, err := a.dialer.DialContext(ctx, "ws"+strings.TrimPrefix(a.root, "http")+path, header)
	if err == nil {
		conn.SetReadLimit(maxReply)
		return conn, nil
	}
	if errors.Is(err, websocket.ErrBadHandshake) && res != nil {
		return nil, refusalIn(res)
	}
	return nil, fmt.Errorf("client: %w", err)
}
