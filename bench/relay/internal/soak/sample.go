//go:build linux

package soak

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/parley-rtc/parley/bench/internal/gauge"
)

// Sample is what was seen at one moment, and since the one before.
type Sample struct {
	At          time.Duration // since the beginning
	Resident    float64       // bytes
	Heap        float64       // bytes in use, of Go's
	Goroutines  float64
	Descriptors float64
	Allocations float64
	Drops       float64 // packets that the relay has dropped and counted, the kernel's for it included

	Clients         int // of the load
	Made, Abandoned int
	Failures        int
	Sent, Arrived   int // since the beginning
	Unsent          int
	P50, P99        time.Duration

	ServerCPU, BenchCPU, MachineCPU float64 // processors busy since the sample before
}

// header names a line's fields.
var header = []string{
	"seconds", "rss_bytes", "heap_bytes", "goroutines", "descriptors", "allocations", "drops", "clients", "made", "abandoned", "failures",
	"sent", "arrived", "unsent", "p50_us", "p99_us", "server_cpu", "bench_cpu", "machine_cpu",
}

// line is for a CSV file.
func (s Sample) line() []string {
	whole := func(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) }
	parts := func(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }
	micros := func(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }
	return []string{
		strconv.FormatFloat(s.At.Seconds(), 'f', 1, 64), whole(s.Resident), whole(s.Heap), whole(s.Goroutines), whole(s.Descriptors),
		whole(s.Allocations), whole(s.Drops), strconv.Itoa(s.Clients), strconv.Itoa(s.Made), strconv.Itoa(s.Abandoned), strconv.Itoa(s.Failures),
		strconv.Itoa(s.Sent), strconv.Itoa(s.Arrived), strconv.Itoa(s.Unsent), micros(s.P50), micros(s.P99),
		parts(s.ServerCPU), parts(s.BenchCPU), parts(s.MachineCPU),
	}
}

// process is the relay, seen from outside, and by its metrics.
type process struct {
	pid     int
	metrics string // URL
	client  http.Client
}

// look fills in what the relay holds.
func (p *process) look(s *Sample) error {
	resident, err := gauge.RSS(p.pid)
	if err != nil {
		return err
	}
	s.Resident = float64(resident)
	response, err := p.client.Get(p.metrics)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", p.metrics, response.Status)
	}
	sums, err := parseMetrics(response.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", p.metrics, err)
	}
	for name, field := range map[string]*float64{
		"go_memstats_heap_inuse_bytes": &s.Heap, "go_goroutines": &s.Goroutines, "process_open_fds": &s.Descriptors, "parley_relay_allocations": &s.Allocations,
	} {
		value, ok := sums[name]
		if !ok {
			return fmt.Errorf("%s: there is no %s", p.metrics, name)
		}
		*field = value
	}
	s.Drops = sums["parley_relay_drops_total"] + sums["parley_relay_kernel_drops_total"]
	return nil
}

// parseMetrics reads Prometheus's text format and adds up what differs in nothing but labels.
func parseMetrics(r io.Reader) (map[string]float64, error) {
	sums := make(map[string]float64)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if at < 0 {
			return nil, fmt.Errorf("not a metric: %q", line)
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("not a metric: %q", line)
		}
		name, _, _ := strings.Cut(line[:at], "{")
		sums[name] += value
	}
	return sums, lines.Err()
}
