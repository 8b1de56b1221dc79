// Command turn runs Parley's STUN and TURN relay alone, for a fleet of relays beside the signaling
// service.
//
//	turn --public-ip 198.51.100.7 --secret "$SECRET"
//
// Each flag can also be set in the environment; see turn --help.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
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
	var f flags
	if err := daemon.ParseFlags(program, &f, args, getenv, stdout); err != nil {
		return err
	}
	generated := ""
	if f.Secret == nil && f.User == nil { // empty is not nil, and an error
		generated = rand.Text()
		f.Secret = []string{generated}
	}
	cfg, err := f.config()
	if err != nil {
		return &daemon.UsageError{Err: err}
	}
	cfg.Logger = f.Logger(os.Stderr)
	server, err := relay.New(cfg)
	if err != nil {
		return &daemon.UsageError{Err: err}
	}
	conns, err := listen(f.Listen)
	if err != nil {
		return err
	}
	if err := announce(stdout, f, cfg, conns, generated); err != nil {
		return errors.Join(err, closeAll(conns))
	}
	cfg.Logger.Info("serving", "listeners", len(conns), "public_ip", cfg.PublicIP)
	err = serve(ctx, server, conns)
	cfg.Logger.Info("stopped", "allocations", server.Stats().AllocationsTotal)
	return err
}

// serve runs the server on all sockets until ctx ends or one of them fails.
func serve(ctx context.Context, server *relay.Server, conns []net.PacketConn) error {
	served := make(chan error, len(conns))
	for _, conn := range conns {
		go func() { served <- server.Serve(conn) }()
	}
	var failure error
	ended := 0
	select {
	case failure = <-served:
		ended++
		failure = errors.Join(failure, server.Close())
	case <-ctx.Done():
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		if err := server.Shutdown(drain); !errors.Is(err, context.DeadlineExceeded) {
			failure = err // allocations that outlive the drain are no failure
		}
	}
	for ; ended < len(conns); ended++ {
		if err := <-served; !errors.Is(err, relay.ErrServerClosed) {
			failure = errors.Join(failure, err)
		}
	}
	return failure
}

func listen(addrs []string) ([]net.PacketConn, error) {
	var conns []net.PacketConn
	for _, addr := range addrs {
		conn, err := daemon.ListenUDP(addr, "--listen")
		if err != nil {
			return nil, errors.Join(err, closeAll(conns))
		}
		conns = append(conns, conn)
	}
	return conns, nil
}

func closeAll(conns []net.PacketConn) error {
	var faults []error
	for _, conn := range conns {
		faults = append(faults, conn.Close())
	}
	return errors.Join(faults...)
}

// announce prints what is being served. Generated is the secret made up for this run, if any.
func announce(stdout io.Writer, f flags, cfg relay.Config, conns []net.PacketConn, generated string) error {
	var text bytes.Buffer // so that it comes in one piece
	out := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(out, "  "+name+"\t"+format+"\n", args...) // a buffer takes everything
	}
	_, _ = fmt.Fprintf(out, "Parley relay %s\n", daemon.Version())
	for _, conn := range conns {
		line("listening", "udp %s", conn.LocalAddr())
	}
	line("public IP", "%s", cfg.PublicIP)
	line("ports", "%s", f.Ports)
	line("realm", "%s", cfg.Realm)
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
	if generated != "" {
		line("secret", "%s  (made up for this run; set --secret to choose)", generated)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := stdout.Write(text.Bytes())
	return err
}
