//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/parley-rtc/parley/bench/internal/gauge"
	"github.com/parley-rtc/parley/bench/relay/internal/contender"
	"github.com/parley-rtc/parley/bench/relay/internal/lab"
	"github.com/parley-rtc/parley/bench/relay/internal/load"
	"github.com/parley-rtc/parley/bench/relay/internal/results"
)

// warmUp is how long a server is given the first of its loads before anything is measured: what each process does once is no cost of a packet.
const warmUp = time.Second

// path measures what a server's packets cost under all loads of a suite.
func (o options) path(ctx context.Context, s suite, kind contender.Kind, round int, add func(results.Packet)) error {
	rig, server, err := o.open(s.net, kind, s.cases[0].Transport, s.cases[0].Flows)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	defer server.Stop()
	defer rig.Close()
	for i, c := range s.cases {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		cell := load.Cell{Rate: c.Rate, Burst: c.Burst, Size: c.Size, Indications: c.Indications, For: o.each}
		if i == 0 {
			warm := cell
			warm.For = warmUp
			if _, err := o.meteredOnce(rig, server, warm); err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
		}
		m, err := o.metered(ctx, rig, server, cell)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		if m.Arrived == 0 {
			return fmt.Errorf("%s: %v: nothing arrived", kind, c)
		}
		each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(m.Arrived) }
		add(results.Packet{Case: c, Server: kind, Round: round, Result: m.Result, CPU: each(m.server), All: each(m.machine), Others: m.others()})
	}
	return nil
}

// open starts a server, and makes allocations there.
func (o options) open(at *lab.Net, kind contender.Kind, transport load.Transport, flows int) (*load.Rig, *contender.Process, error) {
	if kind == contender.None {
		rig, err := load.OpenDirect(target(at, nil, transport), flows)
		return rig, nil, err
	}
	field := o.field
	field.Net, field.CPUs = at, o.cpus.Relays
	if transport == load.UDP {
		field.Streams = nil
	}
	server, err := field.Start(kind)
	if err != nil {
		return nil, nil, err
	}
	rig, err := load.Open(target(at, server, transport), flows)
	if err != nil {
		server.Stop()
		return nil, nil, err
	}
	return rig, server, nil
}

// meter is a load's result, and the CPU time meanwhile.
type meter struct {
	load.Result
	server, bench, machine time.Duration
	lasted                 time.Duration
}

// others returns how many processors were busy with other things.
func (m meter) others() float64 {
	return (m.machine - m.server - m.bench).Seconds() / m.lasted.Seconds()
}

// metered makes a load, and makes it again where other programs disturb it or nothing arrives, but not for ever. The least disturbed
// counts.
func (o options) metered(ctx context.Context, rig *load.Rig, server *contender.Process, cell load.Cell) (meter, error) {
	var best meter
	for range o.tries {
		m, err := o.meteredOnce(rig, server, cell)
		if err != nil || ctx.Err() != nil {
			return m, errors.Join(err, ctx.Err())
		}
		if best.Arrived == 0 || m.Arrived > 0 && m.others() < best.others() {
			best = m
		}
		if best.Arrived > 0 && best.others() <= results.MostOthers {
			break
		}
	}
	return best, nil
}

func (o options) meteredOnce(rig *load.Rig, server *contender.Process, cell load.Cell) (meter, error) {
	var m meter
	took := func(sign time.Duration) error {
		cpu, err1 := server.CPU()
		bench, err2 := gauge.CPU(os.Getpid())
		machine, err3 := gauge.Machine()
		m.server += sign * cpu
		m.bench += sign * bench
		m.machine += sign * machine
		return errors.Join(err1, err2, err3)
	}
	began := time.Now()
	err := took(-1)
	ran := lab.Confine(o.cpus.Load, func() error {
		m.Result = rig.Run(cell)
		return nil
	})
	m.lasted = time.Since(began)
	return m, errors.Join(err, ran, took(1))
}

// target is a server's clients' view of it, and of their peers.
func target(at *lab.Net, server *contender.Process, transport load.Transport) load.Target {
	t := load.Target{
		Transport: transport, Username: contender.User, Password: contender.Password,
		From: at.ClientAt, Peer: at.Peer, AtClient: at.AtClient, AtPeer: at.AtPeer,
	}
	switch {
	case server == nil:
	case transport == load.TLS:
		t.Server = server.TLS
	default:
		t.Server = server.UDP
	}
	return t
}
