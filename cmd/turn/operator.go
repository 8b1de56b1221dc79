package main

import (
	"context"
	"net"
	"net/http"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/internal/metrics"
	"github.com/parley-rtc/parley/internal/probe"
	"github.com/parley-rtc/parley/relay"
)

// operator is the listener for operators; nil: there is none.
type operator struct {
	listener net.Listener
	server   *http.Server
	health   *daemon.Health
}

// listenAdmin opens the listener for operators, if it is asked for.
func (f *flags) listenAdmin(server *relay.Server, cfg relay.Config, fronts []front) (*operator, error) {
	listener, err := f.ListenAdmin()
	if listener == nil || err != nil {
		return nil, err
	}
	health := &daemon.Health{}
	return &operator{listener: listener, health: health, server: f.AdminServer(daemon.Admin{
		Health:  health.Deep(allocationAt(server, cfg, fronts)),
		Metrics: metrics.Handler(daemon.Version(), metrics.Relay(server.Stats)),
		API:     adminAPI{server},
	}, cfg.Logger)}, nil
}

// allocationAt returns the check of the relay's health: an allocation through its first UDP listener, as any client makes one.
func allocationAt(server *relay.Server, cfg relay.Config, fronts []front) func(context.Context) error {
	at := probe.Near(fronts[0].addr.(*net.UDPAddr).AddrPort()) // UDP comes first, and is always there
	return func(ctx context.Context) error {
		username, password := server.Prober()
		return probe.Allocation(ctx, at, username, password, !cfg.PublicIP.IsValid())
	}
}

// serve serves operators until Close.
func (o *operator) serve() error { return o.server.Serve(o.listener) }

// setReady says whether the relay takes new clients.
func (o *operator) setReady(ready bool) {
	if o != nil {
		o.health.SetReady(ready)
	}
}

// Close closes the listener and every connection.
func (o *operator) Close() error {
	if o == nil {
		return nil
	}
	err := o.server.Close()
	_ = o.listener.Close() // before Serve the server does not know it
	return err
}

// addr returns where operators are served, or nil.
func (o *operator) addr() net.Addr {
	if o == nil {
		return nil
	}
	return o.listener.Addr()
}
