package daemon

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestDeepHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var checks atomic.Int32
		var failure error
		health := &Health{}
		h := health.Deep(func(ctx context.Context) error {
			checks.Add(1)
			if end, ok := ctx.Deadline(); !ok || time.Until(end) != checkTime {
				t.Errorf("a check ends at %v, %v", end, ok)
			}
			time.Sleep(time.Second)
			return failure
		})
		ask := func(name, path string, code int, body string, made int32) {
			t.Helper()
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if w.Code != code || !strings.Contains(w.Body.String(), body) || checks.Load() != made {
				t.Errorf("%s: %d %s after %d checks, want %d %s after %d", name, w.Code, w.Body, checks.Load(), code, body, made)
			}
		}
		ask("before it serves", "/healthz", 200, "ok", 0)
		health.SetReady(true)
		ask("whether it is ready", "/readyz", 200, "ok", 0)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { ask("all at once", "/healthz", 200, "ok", 1) })
		}
		all.Wait()
		failure = errors.New("allocate: no answer")
		ask("soon after", "/healthz", 200, "ok", 1)
		time.Sleep(checkAge)
		ask("later", "/healthz", 503, `{"cause":"allocate: no answer","status":"failing"}`, 2)
		ask("soon after that", "/healthz", 503, "no answer", 2)
		health.SetReady(false)
		ask("while it drains", "/healthz", 200, "ok", 2)
		health.SetReady(true)
		failure = nil
		time.Sleep(checkAge)
		ask("when it is well again", "/healthz", 200, "ok", 3)
	})
}
