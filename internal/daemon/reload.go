package daemon

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Reloads returns a channel that gets something whenever SIGHUP asks to read files again, until ctx ends; signals that come while one waits
// there count as one. From then on SIGHUP does not end the process. On Windows nothing ever comes.
func Reloads(ctx context.Context) <-chan os.Signal {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGHUP)
	context.AfterFunc(ctx, func() { signal.Stop(asked) })
	return asked
}
