//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/bench/internal/gauge"
	"github.com/parley-rtc/parley/bench/relay/internal/allocate"
	"github.com/parley-rtc/parley/bench/relay/internal/contender"
	"github.com/parley-rtc/parley/bench/relay/internal/results"
)

// sockets are the kernel's objects behind a UDP socket that is polled.
var sockets = []string{"UDP", "UDPv6", "sock_inode_cache", "filp", "dentry", "eventpoll_epi", "eventpoll_pwq"}

// memory measures what n idle allocations of a server hold.
func memory(ctx context.Context, field contender.Field, kind contender.Kind, n int, settle time.Duration) (results.Memory, error) {
	field.Streams = nil
	server, err := field.Start(kind)
	if err != nil {
		return results.Memory{}, err
	}
	defer server.Stop()
	client := allocate.Client{Server: net.UDPAddrFromAddrPort(server.UDP), User: contender.User, Password: contender.Password}
	if err := pause(ctx, settle/5); err != nil {
		return results.Memory{}, err
	}
	before, slab, err := usage(server.Pid)
	if err != nil {
		return results.Memory{}, err
	}
	worked, err := gauge.CPU(server.Pid)
	if err != nil {
		return results.Memory{}, err
	}
	if err := crowd(ctx, n, client); err != nil {
		return results.Memory{}, fmt.Errorf("%s: %w", kind, err)
	}
	after, err := gauge.CPU(server.Pid)
	if err != nil {
		return results.Memory{}, err
	}
	worked = after - worked
	if err := pause(ctx, settle); err != nil {
		return results.Memory{}, err
	}
	now, slabNow, err := usage(server.Pid)
	if err != nil {
		return results.Memory{}, err
	}
	h := results.Memory{
		Server: kind, N: n, Before: float64(before) / 1e6, After: float64(now) / 1e6, Resident: float64(now-before) / float64(n) / 1e3, Kernel: -1,
		PerCPU: float64(n) / worked.Seconds(),
	}
	if slab > 0 {
		h.Kernel = float64(slabNow-slab) / float64(n) / 1e3
	}
	return h, nil
}

// usage returns the resident memory of a process, and what the kernel holds of sockets, or 0 if that cannot be told.
func usage(pid int) (resident, slab int64, err error) {
	if resident, err = gauge.RSS(pid); err != nil {
		return 0, 0, err
	}
	slab, err = gauge.Slab(sockets...)
	if err != nil {
		slab = 0 // it needs root
	}
	return resident, slab, nil
}

// crowd makes n allocations, some at once.
func crowd(ctx context.Context, n int, client allocate.Client) error {
	var next atomic.Int64
	var group sync.WaitGroup
	failures := make(chan error, 8)
	for range cap(failures) {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || ctx.Err() != nil {
					return
				}
				if err := client.Make(allocate.Source(i)); err != nil {
					failures <- fmt.Errorf("allocation %d: %w", i, err)
					next.Store(int64(n)) // enough
					return
				}
			}
		})
	}
	group.Wait()
	close(failures)
	if err := <-failures; err != nil {
		return err
	}
	return ctx.Err()
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
