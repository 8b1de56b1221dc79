//go:build linux

package serve

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/parley-rtc/parley/signaling"
	"github.com/parley-rtc/parley/signaling/redisstore"
)

// limits are as large as a load generator on one address needs them.
func limits() signaling.Limits {
	const plenty = 1 << 30
	return signaling.Limits{PerAddress: plenty, Rate: plenty, Burst: plenty, JoinRate: plenty, JoinBurst: plenty}
}

// Parley serves the signaling service until ctx ends. Heartbeat 0 is the default. The rooms are in the Redis of that URL, or in the
// process if it is empty.
func Parley(ctx context.Context, address string, heartbeat time.Duration, redis string) error {
	// As the service does it, with a line for every session and link, but to nowhere: as the rivals do.
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = null.Close() }()
	cfg := signaling.Config{
		ICEServers: iceServers,
		Limits:     limits(),
		Timing:     signaling.Timing{Heartbeat: heartbeat},
		Logger:     slog.New(slog.NewTextHandler(null, nil)),
	}
	if redis != "" {
		rooms, err := redisstore.Open(ctx, redisstore.Config{URL: redis, Logger: cfg.Logger})
		if err != nil {
			return err
		}
		defer func() { _ = rooms.Close() }()
		cfg.Store = rooms
	}
	signals, err := signaling.New(cfg)
	if err != nil {
		return err
	}
	defer func() { _ = signals.Close() }()
	mux := http.NewServeMux()
	mux.Handle("/v1/", signals)
	return run(ctx, address, mux)
}

// iceServers answers with as many as the service itself hands out, already made.
func iceServers(context.Context, signaling.ICERequest) (signaling.ICE, error) {
	return signaling.ICE{
		Servers: []signaling.ICEServer{
			{URLs: []string{"stun:203.0.113.7:3478"}},
			{
				URLs:       []string{"turn:203.0.113.7:3478?transport=udp", "turn:203.0.113.7:3478?transport=tcp"},
				Username:   "1795350000:alice",
				Credential: "mIHAkF0y8l2qCk0Xn1mT4yq3d8k=",
			},
		},
		TTL: 12 * time.Hour,
	}, nil
}
