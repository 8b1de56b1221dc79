//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-rtc/parley/bench/internal/gauge"
	"github.com/parley-rtc/parley/bench/relay/internal/contender"
	"github.com/parley-rtc/parley/bench/relay/internal/lab"
	"github.com/parley-rtc/parley/bench/relay/internal/load"
)

// cell is one load on so many allocations.
type cell struct {
	flows int
	load.Cell
}

func (c cell) String() string {
	how := "channels"
	if c.Indications {
		how = "indications"
	}
	return fmt.Sprintf("%d kpps, bursts of %d, %d bytes, %s, %d allocations", c.Rate/1000, c.Burst, c.Size, how, c.flows)
}

// cells are the loads that are compared, so long each.
func cells(each time.Duration) []cell {
	var all []cell
	for _, c := range []struct {
		flows, rate, burst, size int
		indications              bool
	}{
		{50, 6_000, 1, 1000, false},
		{50, 30_000, 1, 1000, false},
		{50, 80_000, 1, 1000, false},
		{50, 80_000, 8, 1000, false},
		{50, 180_000, 8, 1000, false},
		{50, 30_000, 1, 200, false},
		{50, 80_000, 8, 200, false},
		{50, 30_000, 1, 1000, true},
		{50, 80_000, 8, 1000, true},
		{10, 80_000, 8, 1000, false},
		{10_000, 80_000, 8, 1000, false},
	} {
		all = append(all, cell{c.flows, load.Cell{Rate: c.rate, Burst: c.burst, Size: c.size, Indications: c.indications, For: each}})
	}
	return all
}

// carried is what one round of one server showed in one cell.
type carried struct {
	load.Result
	CPU     float64 // microseconds of the server's for each packet
	Machine float64 // and of the whole machine's, with the kernel's, the sender's and the receiver's
}

// path measures what a server's packets cost in all the cells with so many allocations.
func path(ctx context.Context, field contender.Field, kind contender.Kind, all []cell, add func(cell, carried)) error {
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].flows == all[0].flows {
			n++
		}
		if err := pathOf(ctx, field, kind, all[:n], add); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		all = all[n:]
	}
	return nil
}

// pathOf does it with cells that have the same allocations.
func pathOf(ctx context.Context, field contender.Field, kind contender.Kind, all []cell, add func(cell, carried)) error {
	server, err := field.Start(kind)
	if err != nil {
		return err
	}
	defer server.Stop()
	rig, err := load.Open(target(field.Net, server, load.UDP), all[0].flows)
	if err != nil {
		return err
	}
	defer rig.Close()
	for _, c := range all {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		before, err1 := gauge.CPU(server.Pid)
		machine, err2 := gauge.Machine()
		result := rig.Run(c.Cell)
		after, err3 := gauge.CPU(server.Pid)
		machineAfter, err4 := gauge.Machine()
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			return err
		}
		each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(result.Sent) }
		add(c, carried{result, each(after - before), each(machineAfter - machine)})
	}
	return nil
}

// target is a server's clients' view of it, and of their peers.
func target(at *lab.Net, server *contender.Process, transport load.Transport) load.Target {
	t := load.Target{
		Server: server.UDP, Transport: transport, Username: contender.User, Password: contender.Password,
		From: at.Client, Peer: at.Peer, AtClient: at.AtClient, AtPeer: at.AtPeer,
	}
	if transport == load.TLS {
		t.Server = server.TLS
	}
	return t
}
