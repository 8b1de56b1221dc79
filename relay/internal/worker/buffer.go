package worker

import (
	"sync"

	"github.com/parley-rtc/parley/relay/internal/packet"
)

// Buffers of sockets, as far as the system grants them.
const (
	listenerBuffer = 4 << 20   // shared by all clients
	relayBuffer    = 256 << 10 // of one allocation
)

// buffers are the kinds of sockets whose room has been looked at.
type buffers struct {
	listeners, relays sync.Once
}

// checkBuffer warns if the system gives a socket less room for what is not read yet than was asked for.
func (w *Worker) checkBuffer(socket *packet.Socket, wanted int, kind string) {
	granted, ok := socket.Buffer()
	if !ok || granted >= wanted {
		return
	}
	w.cfg.Logger.Warn("small receive buffer: packets may be lost under load; see net.core.rmem_max", "socket", kind,
		"granted_bytes", granted, "wanted_bytes", wanted)
}
