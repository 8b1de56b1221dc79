// Command turn runs Parley's STUN and TURN relay alone, for a fleet of relays beside the signaling
// service.
//
//	turn --public-ip 198.51.100.7 --secret "$SECRET" --listen-tls :5349 --tls-cert cert.pem --tls-key key.pem
//
// SIGHUP has it read its files again. "turn check" tests a running relay from outside:
//
//	turn check --secret "$SECRET" turn:relay.example:3478 turns:relay.example:5349
//
// Each flag can also be set in the environment; see turn --help.
package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/relay"
)

// drainTime is how long live allocations may go on after the first signal.
const drainTime = 8 * time.Second

func main() { daemon.Main(run) }

// run serves until ctx ends, then drains.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	if len(args) > 0 && args[0] == "check" {
		err := check(ctx, args[1:], getenv, stdout)
		if usage, ok := errors.AsType[*daemon.UsageError](err); ok {
			usage.Program = checkProgram.Name
		}
		return err
	}
	var f flags
	if err := daemon.ParseFlags(program, &f, args, getenv, stdout); err != nil {
		return err
	}
	generated := ""
	if f.made() {
		generated = rand.Text()
		f.Secret = []string{generated}
	}
	cfg, err := f.config(ctx, f.Logger(os.Stderr))
	if err != nil {
		return &daemon.UsageError{Err: err}
	}
	if f.ACMEDomain != nil && f.ListenTLS == nil {
		return daemon.Usagef("--acme-domain needs --listen-tls: the authority connects to TLS under port 443 of the name to see whose it is")
	}
	certificates, err := f.Certificates(cfg.Logger)
	switch {
	case err != nil:
		return err
	case certificates != nil:
		cfg.GetCertificate = certificates.GetCertificate
	case f.ListenTLS != nil:
		return daemon.Usagef("--listen-tls: TLS needs --tls-cert and --tls-key, or --acme-domain")
	}
	server, err := relay.New(cfg)
	if err != nil {
		return &daemon.UsageError{Err: err}
	}
	fronts, err := listen(f, server, certificates)
	if err != nil {
		return err
	}
	admin, err := f.listenAdmin(server, cfg, fronts)
	if err != nil {
		return errors.Join(err, closeAll(fronts))
	}
	if err := announce(stdout, f, cfg, fronts, admin, generated); err != nil {
		return errors.Join(err, closeAll(fronts), admin.Close())
	}
	f.WarnOfACME(cfg.Logger, addressesOf(fronts, "tls")...)
	defer certificates.Watched()()
	defer (&reloader{f, cfg, server, certificates, cfg.Logger}).start(ctx)()
	cfg.Logger.Info("serving", "listeners", len(listenersOf(cfg, fronts)), "public_ip", publicIPs(cfg), "found", cmp.Or(f.found.How, "given"))
	err = serve(ctx, server, fronts, admin, cfg.Logger)
	cfg.Logger.Info("stopped", "allocations", server.Stats().AllocationsTotal)
	return err
}

// front is a socket that is served.
type front struct {
	io.Closer
	transport string
	addr      net.Addr
	serve     func() error
}

// serve runs the server on all sockets, and what operators are served, until ctx ends or one of them fails.
func serve(ctx context.Context, server *relay.Server, fronts []front, admin *operator, log *slog.Logger) error {
	running := len(fronts)
	served := make(chan error, running+1)
	for _, f := range fronts {
		go func() { served <- f.serve() }()
	}
	if admin != nil {
		running++
		go func() { served <- admin.serve() }()
	}
	admin.setReady(true)
	var failure error
	select {
	case failure = <-served:
		running--
		failure = errors.Join(failure, server.Close())
	case <-ctx.Done():
		admin.setReady(false)
		log.Info("draining", "allocations", server.Stats().Allocations, "for_at_most", drainTime)
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		if err := server.Shutdown(drain); !errors.Is(err, context.DeadlineExceeded) {
			failure = err // allocations that outlive the drain are no failure
		}
	}
	failure = errors.Join(failure, admin.Close()) // last, so that the drain can be watched
	for range running {
		if err := <-served; !errors.Is(err, relay.ErrServerClosed) && !errors.Is(err, http.ErrServerClosed) {
			failure = errors.Join(failure, err)
		}
	}
	return failure
}

// listen opens all sockets, or none.
func listen(f flags, server *relay.Server, certificates *daemon.Certificates) ([]front, error) {
	var fronts []front
	for _, addr := range f.Listen {
		conn, err := daemon.ListenUDP(addr, "--listen")
		if err != nil {
			return nil, errors.Join(err, closeAll(fronts))
		}
		fronts = append(fronts, front{conn, "udp", conn.LocalAddr(), func() error { return server.Serve(conn) }})
	}
	for _, kind := range []struct {
		transport, flag string
		addrs           []string
		serve           func(net.Listener) error
	}{
		{"tcp", "--listen-tcp", f.tcp(), server.ServeTCP},
		{"tls", "--listen-tls", f.ListenTLS, func(l net.Listener) error {
			return server.ServeTCP(tls.NewListener(relay.Corked(l), certificates.TLS("stun.turn", "stun.nat-discovery")))
		}},
	} {
		for _, addr := range kind.addrs {
			l, err := daemon.ListenTCP(addr, kind.flag)
			if err != nil {
				return nil, errors.Join(err, closeAll(fronts))
			}
			fronts = append(fronts, front{l, kind.transport, l.Addr(), func() error { return kind.serve(l) }})
		}
	}
	return fronts, nil
}

// addressesOf returns where a transport is served.
func addressesOf(fronts []front, transport string) []net.Addr {
	var addrs []net.Addr
	for _, f := range fronts {
		if f.transport == transport {
			addrs = append(addrs, f.addr)
		}
	}
	return addrs
}

func closeAll(fronts []front) error {
	var faults []error
	for _, f := range fronts {
		faults = append(faults, f.Close())
	}
	return errors.Join(faults...)
}

// announce prints what is being served. Generated is the secret made up for this run, if any.
func announce(stdout io.Writer, f flags, cfg relay.Config, fronts []front, admin *operator, generated string) error {
	var text bytes.Buffer // so that it comes in one piece
	out := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(out, "  "+name+"\t"+format+"\n", args...) // a buffer takes everything
	}
	_, _ = fmt.Fprintf(out, "Parley relay %s\n", daemon.Version())
	for _, listener := range listenersOf(cfg, fronts) {
		line("listening", "%s", listener)
	}
	if f.found.How != "" {
		line("public IP", "%s  (%s)", publicIPs(cfg), f.found.How)
	} else {
		line("public IP", "%s", publicIPs(cfg))
	}
	if bound := listOf(cfg.RelayBind, cfg.RelayBindIPv6); bound != "" {
		line("relay bind", "%s", bound)
	}
	line("ports", "%s", f.Ports)
	line("realm", "%s", cfg.Realm)
	if cfg.TCPRelaying {
		line("relaying", "udp, tcp")
	}
	if len(f.AllowPeer) > 0 || f.AllowLoopback {
		allowed := make([]string, 0, len(f.AllowPeer)+1)
		for _, prefix := range f.AllowPeer {
			allowed = append(allowed, prefix.String())
		}
		if f.AllowLoopback {
			allowed = append(allowed, "loopback")
		}
		line("also allowed", "%s", strings.Join(allowed, ", "))
	}
	if addr := admin.addr(); addr != nil {
		line("admin", "http://%s/metrics", addr)
	}
	if generated != "" {
		line("secret", "%s  (made up for this run; set --secret to choose)", generated)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := stdout.Write(text.Bytes())
	return err
}

// listenersOf returns what is served where, for people: a UDP socket may be two.
func listenersOf(cfg relay.Config, fronts []front) []string {
	var all []string
	for _, front := range fronts {
		all = append(all, fmt.Sprintf("%s %s", front.transport, front.addr))
		if front.transport == "udp" && cfg.GetCertificate != nil {
			all = append(all, fmt.Sprintf("dtls %s", front.addr))
		}
	}
	return all
}

// publicIPs returns what relays advertise, for people.
func publicIPs(cfg relay.Config) string { return listOf(cfg.PublicIP, cfg.PublicIPv6) }

// listOf returns those addresses that there are, for people.
func listOf(addrs ...netip.Addr) string {
	var texts []string
	for _, addr := range addrs {
		if addr.IsValid() {
			texts = append(texts, addr.String())
		}
	}
	return strings.Join(texts, ", ")
}
