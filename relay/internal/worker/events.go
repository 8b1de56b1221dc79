package worker

import (
	"fmt"
	"time"

	"github.com/parley-rtc/parley/relay/internal/turn"
)

// began logs an allocation, when the lock is let go.
func (w *Worker) began(i turn.Info) {
	if i.User == w.cfg.Quiet && i.User != "" {
		return
	}
	w.later(func() {
		w.cfg.Logger.Info("allocation made", "client", i.Client.Addr, "transport", i.Client.Transport.String(),
			"user", i.User, "relayed", relayedOf(i))
	})
}

// ended logs the end of one, and tells those who wait for the last.
func (w *Worker) ended(i turn.Info) {
	w.crew.settle()
	if i.User == w.cfg.Quiet && i.User != "" {
		return
	}
	w.later(func() {
		w.cfg.Logger.Info("allocation ended", "client", i.Client.Addr, "transport", i.Client.Transport.String(),
			"user", i.User, "relayed", relayedOf(i), "reason", i.End.String(), "age", time.Since(i.Began).Round(time.Millisecond),
			"bytes_to_peers", i.ToPeers.Bytes, "bytes_from_peers", i.FromPeers.Bytes)
		if w.cfg.Ended != nil {
			w.cfg.Ended(i)
		}
	})
}

// relayedOf returns the relayed addresses of an allocation, for a log line.
func relayedOf(i turn.Info) string {
	switch four, six := i.Relayed[0], i.Relayed[1]; {
	case !six.IsValid():
		return four.String()
	case !four.IsValid():
		return six.String()
	default:
		return fmt.Sprintf("%v, %v", four, six)
	}
}
