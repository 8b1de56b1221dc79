package oneport

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
)

// stateKey is the key of a connection's TLS in the context of its requests.
type stateKey struct{}

// Context is for ConnContext of the HTTP server: it tells [Handler] which connections are over TLS.
func Context(ctx context.Context, conn net.Conn) context.Context {
	if secured, is := conn.(*secured); is {
		state := secured.ConnectionState()
		return context.WithValue(ctx, stateKey{}, &state)
	}
	return ctx
}

// Handler is for the HTTP server of a port that speaks TLS: it serves requests that come over TLS, and has others made again
// over it (308), on the same port. Those of proxies are served: they end TLS themselves. So are those from loopback for
// the paths in local, such as health checks.
func Handler(next http.Handler, proxies []netip.Prefix, local ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if state, is := r.Context().Value(stateKey{}).(*tls.ConnectionState); is {
			r.TLS = state
			next.ServeHTTP(w, r)
			return
		}
		from, _ := netip.ParseAddrPort(r.RemoteAddr) // what is none is in no network
		address := from.Addr().Unmap().WithZone("")
		switch {
		case slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(address) }),
			address.IsLoopback() && slices.Contains(local, r.URL.Path):
			next.ServeHTTP(w, r)
		case r.Host == "" || r.URL.Host != "" || r.URL.Path == "" || r.URL.Path[0] != '/': // for a proxy, or for nobody
			http.Error(w, "this port speaks HTTPS", http.StatusBadRequest)
		default:
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("Connection", "close") // what comes next is TLS
			http.Redirect(w, r, "https://"+r.Host+r.URL.RequestURI(), http.StatusPermanentRedirect)
		}
	})
}
