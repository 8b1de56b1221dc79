package worker

import (
	"sync"
)

// Buffers of sockets, as far as the system grants them.
const (
	listenerBuffer = 4 << 20   // shared by all clients
	relayBuffer    = 256 << 10 // of one allocation
)

// buffers warns, once for each kind of socket, that the system grants less.
type buffers struct {
	listeners, relays sync.Once
}

// setBuffer gives a socket room for so much that is not read yet. What the system grants must do.
func (w *Worker) setBuffer(socket any, size int, once *sync.Once, kind string) {
	sized, ok := socket.(interface{ SetReadBuffer(int) error })
	if !ok {
		return
	}
	_ = sized.SetReadBuffer(size) // what it has shows
	granted, ok := readBuffer(socket)
	if !ok || granted >= size {
		return
	}
	once.Do(func() {
		w.cfg.Logger.Warn("small receive buffer: packets may be lost under load; see net.core.rmem_max", "socket", kind,
			"granted_bytes", granted, "wanted_bytes", size)
	})
}
