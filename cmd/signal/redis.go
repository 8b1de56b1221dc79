package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/parley-rtc/parley/internal/daemon"
	"github.com/parley-rtc/parley/internal/metrics"
	"github.com/parley-rtc/parley/signaling"
	"github.com/parley-rtc/parley/signaling/redisstore"
)

const (
	openTime  = 10 * time.Second // to connect to Redis at start
	shareTime = 30 * time.Second // between looks at the secret that nodes share
)

// checkRedis refuses what cannot be meant.
func (f *flags) checkRedis() error {
	if f.Redis == "" {
		if f.RedisPrefix != "" {
			return daemon.Usagef("--redis-prefix needs --redis: without it nothing is kept in Redis")
		}
		return nil
	}
	if _, err := redisstore.ParseURL(f.Redis); err != nil {
		return daemon.Usagef("--redis: %w", err)
	}
	if err := f.rooms(nil).Check(); err != nil {
		return daemon.Usagef("--redis-prefix: %w", err)
	}
	return nil
}

func (f *flags) rooms(log *slog.Logger) redisstore.Config {
	return redisstore.Config{URL: f.Redis, Prefix: f.RedisPrefix, Logger: log}
}

// openRooms connects to the Redis that keeps the rooms; nil: they are kept here.
func (f *flags) openRooms(ctx context.Context, log *slog.Logger) (*redisstore.Store, error) {
	if f.Redis == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	rooms, err := redisstore.Open(ctx, f.rooms(log))
	if err != nil {
		return nil, fmt.Errorf("--redis: %w", err)
	}
	return rooms, nil
}

// share has the nodes that share the rooms agree on the secret that TURN credentials are signed with, unless they were given one. What
// another node keeps there signs from now on; credentials signed before are good as long as this process lives.
func (s *secrets) share(ctx context.Context) (changed bool, err error) {
	if s.shared == nil {
		return false, nil
	}
	kept, err := s.shared.Share(ctx, "turn-secret", []byte(s.made[0]))
	if err != nil || string(kept) == s.made[0] {
		return false, err
	}
	s.made = append([]string{string(kept)}, s.made[:min(len(s.made), 3)]...)
	return true, nil
}

// redisStats tells the metrics how Redis does.
func redisStats(rooms *redisstore.Store) func() metrics.RedisStats {
	return func() metrics.RedisStats {
		s := rooms.Stats()
		return metrics.RedisStats{Up: s.Up, Steps: signaling.Histogram(s.Steps), Errors: s.Errors}
	}
}
