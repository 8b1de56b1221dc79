//go:build linux

package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/pprof"
	"runtime"
	"time"
)

// Live is what a Go server's memory holds after a collection, in bytes.
type Live struct {
	Heap   int64 // runtime.MemStats.HeapAlloc
	Stacks int64 // runtime.MemStats.StackInuse
}

// LivePath is where a server runs a collection and answers with [Live]; below PprofPath are its profiles.
const (
	LivePath  = "/debug/live"
	PprofPath = "/debug/pprof/"
)

// run serves until ctx ends.
func run(ctx context.Context, address string, mux *http.ServeMux) error {
	mux.HandleFunc(LivePath, serveLive)
	mux.HandleFunc(PprofPath, pprof.Index)
	mux.HandleFunc(PprofPath+"profile", pprof.Profile)
	server := &http.Server{ // as cmd/signal has it
		Addr:              address,
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func serveLive(w http.ResponseWriter, _ *http.Request) {
	runtime.GC()
	runtime.GC() // what pools kept through the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(Live{Heap: int64(m.HeapAlloc), Stacks: int64(m.StackInuse)}) // a client that has gone
}
