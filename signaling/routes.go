package signaling

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/signaling/store"
)

// maxBody bounds every body but that of a POST of frames: a meta of the default size fits many times.
const maxBody = 16 << 10

// resource is what a path names.
type resource struct {
	room    string
	session string // "": the room's sessions
	part    string // "ws", "events", "frames", "ice", "leave"; "": the session itself
}

// parse reads the path of a resource, below any prefix.
func parse(path string) (resource, *wire.Error) {
	const root = "/v1/rooms/"
	at := strings.LastIndex(path, root)
	if at < 0 {
		return resource{}, wire.Refuse(wire.NotFound)
	}
	parts := strings.Split(path[at+len(root):], "/")
	for i, part := range parts {
		var err error
		if parts[i], err = url.PathUnescape(part); err != nil {
			return resource{}, wire.Refuse(wire.NotFound)
		}
	}
	// A room's name with a slash in it splits into too many parts.
	sessions := slices.Index(parts[1:], "sessions") + 1
	if sessions == 0 || len(parts) > sessions+3 {
		return resource{}, wire.Refuse(wire.NotFound)
	}
	if sessions != 1 || !wire.ValidRoom(parts[0]) {
		return resource{}, wire.Refuse(wire.BadRoom).In("room").Over(wire.MaxRoom)
	}
	parts = append(parts, "", "")
	return resource{room: parts[0], session: parts[2], part: parts[3]}, nil
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !s.allowOrigin(w, r) {
		s.reply(w, s.denied(r.Header.Get("Origin")))
		return
	}
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
		preflight(w)
		return
	}
	res, refusal := parse(r.URL.EscapedPath())
	if refusal != nil {
		s.reply(w, refusal)
		return
	}
	var method string
	var serve func(http.ResponseWriter, *http.Request, resource) *wire.Error
	switch {
	case res.session == "" && res.part == "":
		method, serve = http.MethodPost, s.serveJoin
	case res.part == "":
		method, serve = http.MethodDelete, s.serveDelete
	case res.part == "events":
		method, serve = http.MethodGet, s.serveEvents
	case res.part == "frames" && r.Method != http.MethodGet:
		method, serve = http.MethodPost, s.servePost
	case res.part == "frames":
		method, serve = http.MethodGet, s.servePoll
	case res.part == "ws":
		method, serve = http.MethodGet, s.serveWebSocket
	case res.part == "ice":
		method, serve = http.MethodGet, s.serveICE
	case res.part == "leave":
		method, serve = http.MethodPost, s.serveLeave
	default:
		s.reply(w, wire.Refuse(wire.NotFound))
		return
	}
	if r.Method != method {
		if res.part == "frames" {
			method = "GET or POST"
		}
		w.Header().Set("Allow", strings.ReplaceAll(method, " or ", ", "))
		s.reply(w, wire.Refusef(wire.BadMethod, "the method is %s, not %s", method, r.Method))
		return
	}
	if s.moving.Load() != nil {
		w.Header().Set("Connection", "close") // the next request is to go elsewhere
	}
	if refusal := serve(w, r, res); refusal != nil {
		if refusal.Code == wire.Unavailable && r.Context().Err() != nil {
			w.WriteHeader(http.StatusServiceUnavailable) // its client has gone: that is no refusal to be counted
			return
		}
		if res.session == "" {
			s.observe(Event{Kind: JoinRefused, Room: res.room, Code: string(refusal.Code)})
		}
		s.reply(w, refusal)
	}
}

// reply answers with a refusal.
func (s *Server) reply(w http.ResponseWriter, refusal *wire.Error) {
	s.counts.refuse(refusal.Code)
	if refusal.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(refusal.RetryAfter))))
	}
	status := refusal.Code.Row().Status
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if status == http.StatusUpgradeRequired {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
	}
	replyJSON(w, status, wire.ErrorReply{Error: refusal})
}

func replyJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // it would make texts up to six times as long
	_ = e.Encode(v)        // a client that does not take its reply asks again
}

// readBody reads a body of at most limit bytes. One that broke off on its way is not answered: its client is to
// try again, which it would not after a refusal.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *wire.Error) {
	const most = 4 << 10 // taken on the client's word
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), limit, most)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, wire.Refusef(wire.BodyTooLarge, "the body is over %d bytes", limit).Over(limit)
	case err != nil:
		panic(http.ErrAbortHandler)
	}
	return body.Bytes(), nil
}

func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// bearer returns the token of the Authorization header; "": none (RFC 6750 section 2.1).
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// ref names a session with the secret that was shown for it.
func (res resource) ref(secret string) store.Ref {
	return store.Ref{Room: res.room, Session: res.session, SecretHash: sha256.Sum256([]byte(secret))}
}
