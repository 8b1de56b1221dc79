package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/signaling"
)

const (
	balancerTime = 5 * time.Second  // for balancers to see that a node goes
	moveWindow   = 20 * time.Second // for clients to move to other nodes
	rejoinWindow = 2 * time.Second  // for clients to join again after a restart, where there are no others

	tellTime  = 6 * time.Second // to tell everybody of a restart: who polls is told at the next poll
	lastTime  = 3 * time.Second // for the rest. With what is before: less than the 10 s of docker stop, and the 30 s of Kubernetes
	relayTime = 2 * time.Second // of it, for what is being relayed: it cannot be saved, only finished

	maxDelay  = 10 * time.Minute
	maxWindow = time.Hour
	minAge    = time.Minute
)

// drainFlags say how clients go elsewhere.
type drainFlags struct {
	DrainDelay  *time.Duration `group:"Many nodes, and restarts" help:"How long to go on as before after SIGTERM, with /readyz red, for balancers to see it. By default 5s with --redis, and 0s without." env:"PARLEY_DRAIN_DELAY" placeholder:"DURATION"`
	DrainWindow *time.Duration `group:"Many nodes, and restarts" help:"Then, within what time clients are moved to other nodes, one after the other: 20s by default with --redis. Without it, within what time they are to join again after the restart: by default 2s, or more if there are many." env:"PARLEY_DRAIN_WINDOW" placeholder:"DURATION"`
	MaxLinkAge  time.Duration  `group:"Many nodes, and restarts" help:"Age at which a WebSocket or a stream of events is replaced by another one, so that balancers spread clients anew; 0s, the default, is never." default:"0s" env:"PARLEY_MAX_LINK_AGE" placeholder:"DURATION"`
}

func (f *drainFlags) checkDrain() error {
	if f.DrainDelay != nil && (*f.DrainDelay < 0 || *f.DrainDelay > maxDelay) {
		return daemon.Usagef("--drain-delay is %v; it must be from 0s to %v", *f.DrainDelay, maxDelay)
	}
	if f.DrainWindow != nil && (*f.DrainWindow < time.Second || *f.DrainWindow > maxWindow) {
		return daemon.Usagef("--drain-window is %v; it must be from 1s to %v", *f.DrainWindow, maxWindow)
	}
	if f.MaxLinkAge != 0 && f.MaxLinkAge < minAge {
		return daemon.Usagef("--max-link-age is %v; it must be at least %v, or 0s for none", f.MaxLinkAge, minAge)
	}
	return nil
}

// times returns the delay and the window, of a process whose rooms are its own or not.
func (f *drainFlags) times(own bool) (delay, window time.Duration) {
	delay, window = balancerTime, moveWindow
	if own {
		delay, window = 0, rejoinWindow
	}
	if f.DrainDelay != nil {
		delay = *f.DrainDelay
	}
	if f.DrainWindow != nil {
		window = *f.DrainWindow
	}
	return delay, window
}

// service is what is to be stopped.
type service struct {
	health  *daemon.Health
	signals *signaling.Server
	relay   relayService
	web     *http.Server
}

// stop has the clients go elsewhere, or be told, and then ends what is served. It hurries if something fails.
func (s service) stop(ctx context.Context, flags drainFlags, own bool, failed <-chan error, log *slog.Logger) error {
	ctx = context.WithoutCancel(ctx)
	s.health.SetReady(false)
	delay, window := flags.times(own)
	log.Info("draining", "delay", delay, "window", window, "sessions", s.signals.Stats().Sessions)

	limit := delay + window
	if own {
		limit = delay + tellTime
	}
	moving, moved := context.WithTimeout(ctx, limit)
	defer moved()
	go func() {
		select {
		case err := <-failed:
			log.Error("stopped serving while draining", "error", err)
			moved()
		case <-moving.Done():
		}
	}()
	select {
	case <-time.After(delay):
	case <-moving.Done():
	}
	_ = s.signals.Drain(moving, window) // who is left is closed by Shutdown
	moved()

	last, done := context.WithTimeout(ctx, lastTime)
	defer done()
	return errors.Join(
		ignoreDeadline(s.signals.Shutdown(last)),
		s.relay.shutdown(last),
		ignoreDeadline(s.web.Shutdown(last)),
		s.web.Close(), // requests that outlived the drain
	)
}

// ignoreDeadline drops the error of a drain that took all its time: what was
// left has been closed, as it has to be.
func ignoreDeadline(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
