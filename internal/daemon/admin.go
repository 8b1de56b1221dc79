package daemon

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/parley-rtc/parley/internal/hostname"
	"github.com/parley-rtc/parley/internal/wire"
)

// minAdminToken is the least length of an admin token, in bytes.
const minAdminToken = 16

// AdminFlags are the flags of the listener for operators; embed them in a command's flags.
type AdminFlags struct {
	AdminListen string `help:"Address to serve metrics, profiles, health and the admin API on, never the public one; :9090 is on loopback, 0.0.0.0:9090 everywhere. Off if not given." env:"PARLEY_ADMIN_LISTEN" placeholder:"ADDR"`
	AdminToken  string `help:"Token of at least 16 characters that the admin API and the profiles then want; needed unless --admin-listen is on loopback." env:"PARLEY_ADMIN_TOKEN" placeholder:"TOKEN"`
}

// CheckAdmin refuses what cannot be, and what would let anybody on the network administer the service.
func (f *AdminFlags) CheckAdmin() error {
	if f.AdminListen == "" {
		if f.AdminToken != "" {
			return Usagef("--admin-token needs --admin-listen: nothing else asks for it")
		}
		return nil
	}
	host, port, err := net.SplitHostPort(f.AdminListen)
	if err != nil {
		return Usagef("--admin-listen: %q is not host:port; on loopback that is :9090, say", f.AdminListen)
	}
	if err := CheckListen(f.AdminListen, "tcp", "--admin-listen"); err != nil {
		return err
	}
	f.AdminListen = net.JoinHostPort(cmp.Or(host, "127.0.0.1"), port)
	switch {
	case f.AdminToken == "" && !isLoopback(host):
		return Usagef("--admin-listen: %s is not a loopback address, so it needs --admin-token", f.AdminListen)
	case f.AdminToken != "" && len(f.AdminToken) < minAdminToken:
		return Usagef("--admin-token has %d characters; it must have at least %d", len(f.AdminToken), minAdminToken)
	case strings.ContainsFunc(f.AdminToken, func(r rune) bool { return r <= ' ' || r > '~' }):
		return Usagef("--admin-token: there is a space in it, or what is not ASCII, and it cannot be sent in a header")
	}
	return nil
}

// isLoopback says whether nobody but this host can reach a host of --admin-listen.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "" || host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// ListenAdmin listens on --admin-listen; nil: it was not given.
func (f *AdminFlags) ListenAdmin() (net.Listener, error) {
	if f.AdminListen == "" {
		return nil, nil
	}
	return ListenTCP(f.AdminListen, "--admin-listen")
}

// Admin is what operators are served.
type Admin struct {
	Health  http.Handler // of /healthz and /readyz
	Metrics http.Handler // of /metrics
	API     http.Handler // of /v1/admin/; nil: there is none
}

// AdminServer returns the HTTP server for operators. Health and metrics are for whoever reaches it; the API and
// the profiles (/debug/pprof/) want the token, if there is one. Web pages are kept out.
func (f *AdminFlags) AdminServer(admin Admin, log *slog.Logger) *http.Server {
	guard := &guard{mux: http.NewServeMux()}
	if f.AdminToken != "" {
		sum := sha256.Sum256([]byte(f.AdminToken))
		guard.token = sum[:]
	}
	guard.mux.Handle("/healthz", admin.Health)
	guard.mux.Handle("/readyz", admin.Health)
	guard.mux.Handle("GET /metrics", admin.Metrics)
	if admin.API != nil {
		guard.mux.Handle("/v1/admin/", guard.closed(admin.API))
	}
	for path, serve := range map[string]http.HandlerFunc{
		"/debug/pprof/": pprof.Index, "/debug/pprof/cmdline": pprof.Cmdline, "/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/symbol": pprof.Symbol, "/debug/pprof/trace": pprof.Trace,
	} {
		guard.mux.Handle(path, guard.closed(serve))
	}
	return &http.Server{
		Handler:           guard,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      3 * time.Minute, // the longest profile
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// guard keeps out who has no business with what operators are served.
type guard struct {
	mux   *http.ServeMux
	token []byte // hash; nil: none is asked for
}

// ServeHTTP turns web pages away: those of other sites, and those that a stranger's DNS makes look like our own.
// Who has the token is no web page.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	site := r.Header.Get("Sec-Fetch-Site")
	switch {
	case r.Header.Get("Origin") != "", site != "" && site != "none" && site != "same-origin":
		refuse(w, wire.Refusef(wire.OriginDenied, "web pages have no access here"))
	case !g.proves(r) && !hostname.Own(hostname.Of(r.Host)):
		refuse(w, wire.Refusef(wire.OriginDenied, "call this by an IP address or a name without a dot, or send the admin token").In("Host"))
	default:
		g.mux.ServeHTTP(w, r)
	}
}

// closed lets only those with the token through, if there is one.
func (g *guard) closed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.token != nil && !g.proves(r) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, wire.Refusef(wire.Unauthorized, "the admin token is missing or wrong"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// proves says whether a request has the token.
func (g *guard) proves(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(token))
	return g.token != nil && strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], g.token) == 1
}

func refuse(w http.ResponseWriter, refusal *wire.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(refusal.Code.Row().Status)
	_ = json.NewEncoder(w).Encode(wire.ErrorReply{Error: refusal}) // the client may be gone
}
