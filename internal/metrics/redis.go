package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-rtc/parley/signaling"
)

// RedisStats are the counts of a store in Redis. They are given so that only what keeps rooms there links its client.
type RedisStats struct {
	Up     bool
	Steps  signaling.Histogram
	Errors map[string]uint64
}

var (
	redisUp     = gauge("parley_redis_up", "1 while every Redis server with rooms that are served here answers, else 0.")
	redisErrors = counter("parley_redis_errors_total", "Operations on rooms that Redis did not do, by reason.", "reason")
	redisSteps  = prometheus.NewDesc("parley_redis_step_seconds", "Time that an operation on a room took, from the request to Redis to its answer.", nil, nil)
)

// Redis returns a collector for the counts of a store in Redis.
func Redis(stats func() RedisStats) prometheus.Collector { return redisCollector(stats) }

type redisCollector func() RedisStats

// Describe implements prometheus.Collector.
func (c redisCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- redisUp.desc
	ch <- redisErrors.desc
	ch <- redisSteps
}

// Collect implements prometheus.Collector.
func (c redisCollector) Collect(ch chan<- prometheus.Metric) {
	s := c()
	up := 0.0
	if s.Up {
		up = 1
	}
	redisUp.send(ch, up)
	sendMap(redisErrors, ch, s.Errors)
	sendHistogram(ch, redisSteps, s.Steps)
}
