package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/relay"
)

// reloader reads files again and has the relay go by them.
type reloader struct {
	flags        flags
	cfg          relay.Config // as the relay was made
	server       *relay.Server
	certificates *daemon.Certificates // nil: there are none
	log          *slog.Logger
}

// start reloads whenever SIGHUP asks for it, until stop is called, which waits for it. It goes on after ctx ends: SIGHUP would
// end the process else, and with it the calls that it drains.
func (r *reloader) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	asked, done := daemon.Reloads(ctx), make(chan struct{})
	go func() {
		defer close(done)
		r.serve(asked, ctx.Done())
	}()
	return func() {
		cancel()
		<-done
	}
}

// serve reloads whenever it is asked to, until stop is closed.
func (r *reloader) serve(asked <-chan os.Signal, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-asked:
			r.reload()
		}
	}
}

// reload applies what the files say now. Rules and certificates do not depend on each other: one that is broken does not keep
// the others from being applied, and the log says which.
func (r *reloader) reload() {
	cfg := r.cfg
	err := r.flags.access(&cfg, r.log)
	if err == nil {
		err = r.server.Reload(cfg)
	}
	if err != nil {
		r.log.Error("secrets, users and peers not reloaded; those before are still in force", "error", err)
	}
	if r.certificates != nil {
		if fault := r.certificates.Reload(); fault != nil {
			r.log.Error("certificate not reloaded; the one before is still in force", "error", fault)
			err = fault
		}
	}
	if err == nil {
		r.log.Info("reloaded")
	}
}
