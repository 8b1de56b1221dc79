package daemon

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// Health answers /healthz (always 200 while the process lives, with its version) and /readyz (200 while it wants
// traffic, else 503). The zero value is not ready. It may be used concurrently.
type Health struct {
	ready atomic.Bool
}

// SetReady says whether the process wants traffic.
func (h *Health) SetReady(ready bool) { h.ready.Store(ready) }

// ServeHTTP answers GET and HEAD of /healthz and /readyz; everything else is 404.
func (h *Health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	code, body := http.StatusOK, `{"status":"ok"}`
	switch r.URL.Path {
	case "/healthz":
		body = fmt.Sprintf(`{"status":"ok","version":%q}`, Version())
	case "/readyz":
		if !h.ready.Load() {
			code, body = http.StatusServiceUnavailable, `{"status":"not ready"}`
		}
	default:
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	if r.Method == http.MethodGet {
		_, _ = w.Write([]byte(body + "\n")) // the client may be gone
	}
}
