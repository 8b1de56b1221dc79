//go:build linux

package soak

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"github.com/parley-rtc/parley/bench/internal/gauge"
	"github.com/parley-rtc/parley/bench/relay/internal/contender"
	"github.com/parley-rtc/parley/bench/relay/internal/lab"
	"github.com/parley-rtc/parley/bench/relay/internal/load"
)

// Config says how long, and under what load.
type Config struct {
	Field   contender.Field
	For     time.Duration
	Every   time.Duration // a sample
	Rate    int           // packets per second
	Clients int           // at once; a tenth over TCP and TLS
	File    string        // for the samples, as CSV
}

// ErrVerdict is returned when the relay has not passed.
var ErrVerdict = errors.New("soak: failed")

const (
	users     = 10
	mostLost  = 0.05 // share above which too little was relayed for a verdict
	leastSent = 0.7  // share of the rate below which the load was too little
	mostWrong = 0.02 // share of requests
	starting  = 500 * time.Millisecond
)

// Run runs it, and returns ErrVerdict if something grows, the relay ends, or too little was relayed to tell.
func Run(ctx context.Context, c Config, out io.Writer) error {
	if err := c.check(); err != nil {
		return err
	}
	file, err := os.Create(c.File)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // each line is flushed, and its error returned
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if c.Field.Streams, err = contender.NewIdentity(dir); err != nil {
		return err
	}
	admin, err := freeAddress()
	if err != nil {
		return err
	}
	flags := []string{"--admin-listen=" + admin}
	names := make([]string, users)
	for i := range names {
		names[i] = fmt.Sprintf("soak%d", i)
		flags = append(flags, "--user="+names[i]+":"+contender.Password)
	}
	server, err := c.Field.Start(contender.Parley, flags...)
	if err != nil {
		return err
	}
	defer server.Stop()
	here := lab.Loopback()
	crowd := &load.Crowd{
		Target: load.Target{Server: server.UDP, Password: contender.Password, From: here.ClientAt, Peer: here.Peer, AtClient: here.AtClient, AtPeer: here.AtPeer},
		TLS:    server.TLS, Users: names, Clients: c.Clients, Streams: c.Clients / 10, Rate: c.Rate, Lifetime: lifetime,
	}
	_, _ = fmt.Fprintf(out, "soak: %d packets a second for %v on %d clients, process %d, samples in %s\n", c.Rate, c.For, c.Clients, server.Pid, c.File)

	ctx, stop := context.WithTimeout(ctx, c.For)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- crowd.Run(ctx) }()
	s := sampler{config: c, out: out, server: server, process: process{pid: server.Pid, metrics: "http://" + admin + "/metrics"}, crowd: crowd, lines: csv.NewWriter(file)}
	s.process.client.Timeout = 10 * time.Second
	failure := s.run(ctx)
	stop()
	s.process.client.CloseIdleConnections()
	if err := <-ended; err != nil {
		return err
	}
	if failure != nil {
		return failure
	}
	return s.judge()
}

func (c Config) check() error {
	switch {
	case c.Every < 100*time.Millisecond:
		return fmt.Errorf("-soak-every: %v is less than 100ms", c.Every)
	case c.For/c.Every < leastSamples:
		return fmt.Errorf("-soak: %v is less than %d samples, one every %v (-soak-every)", c.For, leastSamples, c.Every)
	case c.Rate < 1 || c.Rate > 100_000:
		return fmt.Errorf("-soak-rate: %d is not 1 to 100000", c.Rate)
	case c.Clients < 1 || c.Clients > 5000:
		return fmt.Errorf("-soak-clients: %d is not 1 to 5000", c.Clients)
	}
	return nil
}

// lifetime returns how long a client stays: most for less than a minute, some for several refreshes.
func lifetime() time.Duration {
	if rand.IntN(10) == 0 {
		return 2*time.Minute + rand.N(10*time.Minute)
	}
	return 5*time.Second + rand.N(55*time.Second)
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// sampler takes samples and writes them down.
type sampler struct {
	config  Config
	out     io.Writer
	server  *contender.Process
	process process
	crowd   *load.Crowd
	lines   *csv.Writer

	samples []Sample
	usage   usage
	began   time.Time
}

// usage is CPU time so far.
type usage struct {
	at                     time.Time
	server, bench, machine time.Duration
}

func (s *sampler) run(ctx context.Context) error {
	s.began = time.Now()
	if err := s.write(header); err != nil {
		return err
	}
	s.usage = s.used()
	ticker := time.NewTicker(s.config.Every)
	defer ticker.Stop()
	told := s.began
	for {
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				return nil
			}
			_, _ = fmt.Fprintln(s.out, "soak: interrupted")
			return nil // what there is, is judged
		case <-ticker.C:
		}
		if s.server.Ended() {
			return fmt.Errorf("%w: the relay has ended after %v: %s", ErrVerdict, time.Since(s.began).Round(time.Second), s.server.Said())
		}
		sample, err := s.take()
		if err != nil {
			return fmt.Errorf("%w: after %v: %w", ErrVerdict, time.Since(s.began).Round(time.Second), err)
		}
		s.samples = append(s.samples, sample)
		if err := s.write(sample.line()); err != nil {
			return err
		}
		if time.Since(told) >= min(time.Minute, s.config.For/10) {
			told = time.Now()
			s.tell(sample)
		}
	}
}

func (s *sampler) write(line []string) error {
	if err := s.lines.Write(line); err != nil {
		return err
	}
	s.lines.Flush()
	return s.lines.Error()
}

func (s *sampler) used() usage {
	u := usage{at: time.Now()}
	u.server, _ = gauge.CPU(s.server.Pid) // its end is seen elsewhere
	u.bench, _ = gauge.CPU(os.Getpid())
	u.machine, _ = gauge.Machine()
	return u
}

func (s *sampler) take() (Sample, error) {
	now := s.used()
	counts := s.crowd.Take()
	seconds := now.at.Sub(s.usage.at).Seconds()
	sample := Sample{
		At: now.at.Sub(s.began), Clients: counts.Clients, Made: counts.Made, Abandoned: counts.Abandoned, Failures: counts.Failures,
		Sent: counts.Sent, Arrived: counts.Arrived, Unsent: counts.Unsent, P50: counts.P50, P99: counts.P99,
		ServerCPU: (now.server - s.usage.server).Seconds() / seconds, BenchCPU: (now.bench - s.usage.bench).Seconds() / seconds,
		MachineCPU: (now.machine - s.usage.machine).Seconds() / seconds,
	}
	s.usage = now
	return sample, s.process.look(&sample)
}
