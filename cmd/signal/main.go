// Command signal is Parley in one process: the signaling service, the
// collaborative editor, and a STUN and TURN relay. It needs no configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/internal/metrics"
	"github.com/parley-rtc/parley/internal/oneport"
	"github.com/parley-rtc/parley/signaling"
	"github.com/parley-rtc/parley/signaling/redisstore"
	"github.com/parley-rtc/parley/web"
)

func main() { daemon.Main(run) }

// run serves until ctx ends, then drains.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	if len(args) > 0 && args[0] == "doctor" {
		err := examine(ctx, args[1:], getenv, stdout)
		if usage, ok := errors.AsType[*daemon.UsageError](err); ok {
			usage.Program = doctorProgram.Name
		}
		return err
	}
	flags, err := parseFlags(args, getenv, stdout)
	if err != nil {
		return err
	}
	if flags.CheckHealth {
		return checkHealth(ctx, flags.Listen)
	}
	log := flags.Logger(os.Stderr)
	secrets, err := newSecrets(flags, log)
	if err != nil {
		return err
	}
	certificates, err := flags.Certificates(log)
	if err != nil {
		return err
	}
	verifier, err := flags.verifier(log)
	if err != nil {
		return err
	}
	if verifier != nil {
		defer func() { _ = verifier.Close() }()
	}
	listener, err := daemon.ListenTCP(flags.Listen, "--listen")
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // the HTTP server has closed it before
	adminListener, err := flags.ListenAdmin()
	if err != nil {
		return err
	}
	if adminListener != nil {
		defer func() { _ = adminListener.Close() }() // as above
	}
	rooms, err := flags.openRooms(ctx, log)
	if err != nil {
		return err
	}
	if rooms != nil {
		defer func() { _ = rooms.Close() }()
	}
	if err := secrets.shareIn(ctx, flags, rooms); err != nil {
		return err
	}
	flags.findPublic(ctx, log) // only now: it takes time if others are asked
	stun, err := startRelay(flags, secrets.keyring.Load(), certificates, log)
	if err != nil {
		return err
	}
	defer func() { _ = stun.Close() }()
	urls := flags.urls(stun, listener.Addr().(*net.TCPAddr), certificates)
	others, err := newExternal(flags, secrets, log)
	if err != nil {
		return err
	}

	ice := iceServers{urls: others.urls(urls), keyring: secrets.keyring.Load, kicks: &kicks{now: time.Now}, now: time.Now}
	cfg := signaling.Config{
		ICEServers: ice.serve, Limits: flags.limits(), Timing: signaling.Timing{MaxLinkAge: flags.MaxLinkAge}, TrustedProxies: flags.proxies, Logger: log,
		Origins: flags.origins(), AllowOrigin: flags.originOfCertificate(listener.Addr().(*net.TCPAddr).Port, certificates),
	}
	if rooms != nil {
		cfg.Store = rooms
	}
	if verifier != nil {
		cfg.Authenticate, cfg.Authorize = verifier.Authenticate, verifier.Authorize
	}
	if stun.server != nil {
		cfg.Observe = ice.kicks.observe(stun.server.Revoke)
	}
	signals, err := signaling.New(cfg)
	if err != nil {
		return err
	}
	defer func() { _ = signals.Close() }()

	defer others.watch(signals.RenewICE)()

	health := &daemon.Health{}
	port := flags.newPort(flags.guard(listener, log), stun, certificates)
	defer func() { _ = port.Close() }() // the listener's error is of no use
	defer certificates.Watched()()
	defer reloads(ctx, secrets, stun, certificates, log)()
	server := newHTTPServer(flags, signals, health, certificates, log)
	failed := make(chan error, 4)
	go func() { failed <- server.Serve(port.HTTP()) }()
	go func() { failed <- port.Serve() }()
	if adminListener != nil {
		admin := flags.AdminServer(daemon.Admin{
			Health:  health.Deep(stun.check),
			Metrics: metrics.Handler(daemon.Version(), collectors(signals, stun, others, port, rooms)...),
			API:     signals.AdminHandler(),
		}, log)
		defer func() { _ = admin.Close() }() // last, so that the drain can be watched
		go func() { failed <- admin.Serve(adminListener) }()
	}
	if stun.server != nil {
		go func() { failed <- stun.server.Serve(stun.conn) }()
	}
	flags.warnOfName(certificates, log)
	flags.WarnOfACME(log, listener.Addr())
	flags.warnOpen(log, stun.server != nil)
	health.SetReady(true)
	flags.announce(stdout, listener.Addr().(*net.TCPAddr), urls(), adminListener, certificates)

	select {
	case err := <-failed:
		return fmt.Errorf("stopped serving: %w", err)
	case <-ctx.Done():
	}
	all := service{health, signals, stun, server}
	err = errors.Join(all.stop(ctx, flags.drainFlags, rooms == nil, failed, log), port.Close())
	log.Info("stopped")
	return err
}

// collectors are those of what this process runs.
func collectors(signals *signaling.Server, stun relayService, others external, port *oneport.Port, rooms *redisstore.Store) []prometheus.Collector {
	all := []prometheus.Collector{metrics.Signaling(signals.Stats), metrics.Port(port.Stats)}
	if stun.server != nil {
		all = append(all, metrics.Relay(stun.server.Stats))
	}
	if rooms != nil {
		all = append(all, metrics.Redis(redisStats(rooms)))
	}
	if others.set != nil {
		all = append(all, metrics.Relays(others.set.Status))
	}
	return all
}

// oneLine joins the faults of a configuration into a line.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func newHTTPServer(flags flags, signals http.Handler, health http.Handler, certificates *daemon.Certificates, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("/v1/", signals)
	mux.Handle("/healthz", health)
	mux.Handle("/readyz", health)
	mux.Handle("/", web.Handler(flags.WebDir))
	var handler http.Handler = mux
	if certificates != nil {
		handler = oneport.Handler(mux, flags.endTLS(), "/healthz", "/readyz")
	}
	return &http.Server{
		Handler:           handler,
		ConnContext:       oneport.Context,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
