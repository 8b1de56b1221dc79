package proxies

import (
	"testing"
	"time"

	"github.com/parley-rtc/parley/client"
)

const (
	nginx   = "nginx"
	haproxy = "haproxy"
)

// long is more than those proxies that cut let anything be silent.
const long = 2500 * time.Millisecond

// shape is a proxy that is configured in some way.
type shape struct {
	name     string
	program  string
	config   string // of nginx, what is in http {}
	tls      bool
	path     string        // below which the server is
	restarts bool          // while clients talk
	silence  time.Duration // between bursts of signals
	works    []client.Link
	settles  client.Link // the one that is chosen in the end
}

var (
	all         = kinds
	noWebSocket = []client.Link{client.Events, client.LongPoll, client.ShortPoll}
	polls       = []client.Link{client.LongPoll, client.ShortPoll}
)

// upgrading is what nginx needs to pass WebSockets on.
const upgrading = `
	proxy_http_version 1.1;
	proxy_set_header Upgrade $http_upgrade;
	proxy_set_header Connection upgrade;
`

func shapes(t *testing.T) []shape {
	return []shape{
		{
			// A timed-out poll is repeated on the other backend, and then both count as down for 10 s.
			// It comes first because it takes longest.
			name: "nginx that cuts what is silent for 2 s, and has two backends", program: nginx,
			config: upgrading + `upstream two { server BACKEND; server OTHER; }
				server { listen LISTEN; location / { proxy_pass http://two; proxy_read_timeout 2s; } }`,
			works: all, settles: client.LongPoll, silence: long,
		},
		{
			name:    "nginx as docs/operations.md has it, with HTTP/2 and TLS",
			program: nginx, config: documented(t, nginx), tls: true,
			works: all, settles: client.WebSocket,
		},
		{
			name:    "haproxy as docs/operations.md has it, with HTTP/2 and TLS",
			program: haproxy, config: documented(t, haproxy), tls: true,
			works: all, settles: client.WebSocket,
		},
		{
			name:    "nginx as docs/operations.md has it, restarted",
			program: nginx, config: documented(t, nginx), tls: true, restarts: true, silence: long,
			works: all, settles: client.WebSocket,
		},
		{
			name: "nginx with Upgrade headers and no buffering", program: nginx,
			config: upgrading + `server { listen LISTEN; location / { proxy_pass http://BACKEND; proxy_buffering off; } }`,
			works:  all, settles: client.WebSocket,
		},
		{
			name: "nginx as installed", program: nginx,
			config: `server { listen LISTEN; location / { proxy_pass http://BACKEND; } }`,
			works:  noWebSocket, settles: client.Events,
		},
		{
			name: "nginx that compresses everything", program: nginx,
			config: `gzip_types *; gzip_min_length 0; gzip_proxied any; gzip_http_version 1.0;
				server { listen LISTEN; location / { proxy_pass http://BACKEND; } }`,
			works: noWebSocket, settles: client.Events,
		},
		{
			name: "nginx that buffers whatever it is told", program: nginx,
			config: `server { listen LISTEN; location / { proxy_pass http://BACKEND; proxy_ignore_headers X-Accel-Buffering; } }`,
			works:  polls, settles: client.LongPoll,
		},
		{
			name: "nginx that cuts what is silent for 2 s, with backends that do not count as down", program: nginx,
			config: upgrading + `upstream two { server BACKEND max_fails=0; server OTHER max_fails=0; }
				server { listen LISTEN; location / { proxy_pass http://two; proxy_read_timeout 2s; } }`,
			works: all, settles: client.LongPoll, silence: long,
		},
		{
			name: "nginx that forbids the WebSocket's path", program: nginx,
			config: upgrading + `server { listen LISTEN;
				location / { proxy_pass http://BACKEND; }
				location ~ /ws$ { return 403; } }`,
			works: noWebSocket, settles: client.Events,
		},
		{
			name: "nginx that limits requests", program: nginx,
			config: `limit_req_zone $binary_remote_addr zone=all:1m rate=20r/s;
				server { listen LISTEN; location / { limit_req zone=all burst=20 nodelay; proxy_pass http://BACKEND; } }`,
			works: noWebSocket, settles: client.Events,
		},
		{
			name: "nginx that takes bodies of 4 KiB", program: nginx,
			config: `client_max_body_size 4k;
				server { listen LISTEN; location / { proxy_pass http://BACKEND; } }`,
			works: noWebSocket, settles: client.Events,
		},
		{
			name: "nginx with a prefix that it keeps", program: nginx, path: "/rtc/",
			config: upgrading + `server { listen LISTEN; location /rtc/ { proxy_pass http://BACKEND; } }`,
			works:  all, settles: client.WebSocket,
		},
		{
			name: "nginx with a prefix that it takes away", program: nginx, path: "/rtc",
			config: upgrading + `server { listen LISTEN; location /rtc/ { proxy_pass http://BACKEND/; } }`,
			works:  all, settles: client.WebSocket,
		},
		{
			name: "haproxy for HTTP", program: haproxy,
			config: haproxyTimes("http", "30s") + `
frontend in
	bind LISTEN
	default_backend out
backend out
	server a BACKEND`,
			works: all, settles: client.WebSocket,
		},
		{
			name: "haproxy for HTTP that cuts what is silent for 2 s", program: haproxy,
			config: haproxyTimes("http", "2s") + `
	timeout tunnel 2s
frontend in
	bind LISTEN
	default_backend out
backend out
	server a BACKEND`,
			works: all, settles: client.LongPoll, silence: long,
		},
		{
			name: "haproxy for TCP that cuts what is silent for 2 s", program: haproxy,
			config: haproxyTimes("tcp", "2s") + `
frontend in
	bind LISTEN
	default_backend out
backend out
	server a BACKEND`,
			works: all, settles: client.LongPoll, silence: long,
		},
		{
			name: "haproxy that takes Upgrade away", program: haproxy,
			config: haproxyTimes("http", "30s") + `
frontend in
	bind LISTEN
	http-request del-header Upgrade
	default_backend out
backend out
	server a BACKEND`,
			works: noWebSocket, settles: client.Events,
		},
	}
}

func haproxyTimes(mode, time string) string {
	return `
defaults
	mode ` + mode + `
	timeout connect 5s
	timeout client ` + time + `
	timeout server ` + time
}
