package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/internal/probe"
	"github.com/parley-rtc/parley/relay"
	"github.com/parley-rtc/parley/relay/credentials"
)

// relayService is the relay of this process; without one its server is nil.
type relayService struct {
	server *relay.Server
	cfg    relay.Config // as the server was made
	conn   net.PacketConn
	urls   []string // of STUN and TURN, for clients
}

func startRelay(flags flags, keyring *credentials.Keyring, certificates *daemon.Certificates, log *slog.Logger) (relayService, error) {
	if flags.NoRelay || len(flags.TurnURL) > 0 {
		return relayService{}, nil
	}
	if private := flags.PublicIP.Private; private.IsValid() {
		if err := daemon.CheckBind(private, "--public-ip", flags.PublicIP.String()); err != nil {
			return relayService{}, err
		}
	}
	cfg := relay.Config{
		PublicIP:  flags.publicIP(),
		RelayBind: flags.found.Private,
		MinPort:   flags.RelayPorts.Min,
		MaxPort:   flags.RelayPorts.Max,
		Keyring:   keyring,

		BitsPerAddress: flags.relayBits(),
		WideChannels:   flags.WideChannels,
		Workers:        flags.Workers,

		CredentialTTL: credentialTTL,

		Logger: log,
	}
	if certificates != nil { // for DTLS
		cfg.GetCertificate = certificates.GetCertificate
	}
	server, err := relay.New(cfg)
	if err != nil {
		return relayService{}, err
	}
	conn, err := daemon.ListenUDP(flags.RelayListen, "--relay-listen")
	if err != nil {
		return relayService{}, err
	}
	port := conn.LocalAddr().(*net.UDPAddr).Port
	host := net.JoinHostPort(flags.publicIP().String(), fmt.Sprint(port))
	return relayService{server: server, cfg: cfg, conn: conn, urls: []string{"stun:" + host, "turn:" + host + "?transport=udp"}}, nil
}

// check makes an allocation, as any client does, and gives it back; without a relay it finds nothing wrong.
func (r relayService) check(ctx context.Context) error {
	if r.server == nil {
		return nil
	}
	username, password := r.server.Prober()
	at := probe.Near(r.conn.LocalAddr().(*net.UDPAddr).AddrPort())
	if err := probe.Allocation(ctx, at, username, password, !r.cfg.PublicIP.IsValid()); err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	return nil
}

func (r relayService) shutdown(ctx context.Context) error {
	if r.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, relayTime)
	defer cancel()
	return ignoreDeadline(r.server.Shutdown(ctx))
}

// Close frees what a failed start leaves behind.
func (r relayService) Close() error {
	if r.server == nil {
		return nil
	}
	return errors.Join(r.server.Close(), r.conn.Close())
}
