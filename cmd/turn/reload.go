package main

import (
	"context"
	"errors"
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
			if err := r.reload(); err != nil {
				r.log.Error("not reloaded; what was in force before still is", "error", err)
			} else {
				r.log.Info("reloaded")
			}
		}
	}
}

// reload applies what the files say now. Rules and certificates do not depend on each other: one that is broken does not keep
// the others from being applied.
func (r *reloader) reload() error {
	cfg := r.cfg
	err := r.flags.access(&cfg)
	if err == nil {
		err = r.server.Reload(cfg)
	}
	if r.certificates != nil {
		err = errors.Join(err, r.certificates.Reload())
	}
	return err
}
