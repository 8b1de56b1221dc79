package daemon

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

const (
	// checkAge is how long the outcome of a health check is believed.
	checkAge = 5 * time.Second
	// checkTime is how long one may take.
	checkTime = 2 * time.Second
)

// Deep returns a handler that answers like h, but whose /healthz also wants a check to succeed while the process is ready; else it is 503, with
// the check's error as the cause. However many ask, checks are made one at a time and 5 s apart, and each has 2 s. A process that drains
// lives, and is not checked.
func (h *Health) Deep(check func(context.Context) error) http.Handler {
	return &deepHealth{health: h, check: check, turn: make(chan struct{}, 1)}
}

type deepHealth struct {
	health *Health
	check  func(context.Context) error

	turn chan struct{} // capacity 1; holds something while somebody uses what follows
	at   time.Time     // when the check was last made
	err  error         // how it ended
}

// ServeHTTP implements http.Handler.
func (d *deepHealth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" && d.health.ready.Load() && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		err, ok := d.checked(r.Context())
		if !ok {
			return // nobody is left to be told
		}
		if err != nil && d.health.ready.Load() {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusServiceUnavailable)
			if r.Method == http.MethodGet {
				_ = json.NewEncoder(w).Encode(map[string]string{"status": "failing", "cause": err.Error()}) // the client may be gone
			}
			return
		}
	}
	d.health.ServeHTTP(w, r)
}

// checked returns the outcome of a check that is not too old; false: ctx ended before.
func (d *deepHealth) checked(ctx context.Context) (err error, ok bool) {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, false
	}
	defer func() { <-d.turn }()
	if d.at.IsZero() || time.Since(d.at) >= checkAge {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTime) // for those who wait, too
		defer cancel()
		d.err = d.check(bounded)
		d.at = time.Now()
	}
	return d.err, true
}
