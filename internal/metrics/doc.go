// Package metrics turns what the services count into Prometheus metrics. docs/operations.md lists them.
//
// The services count without Prometheus, so that embedding them does not link it; a collector here reads
// their counts when it is scraped. Labels come from fixed lists: never from what a client sends.
package metrics
