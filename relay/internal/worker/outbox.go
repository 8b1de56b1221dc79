package worker

import (
	"errors"
	"syscall"

	"github.com/parley-rtc/parley/relay/internal/packet"
	"github.com/parley-rtc/parley/relay/internal/turn"
)

// largeQueue is how much room is kept for what comes next.
const largeQueue = 64 << 10

// later puts off something that may take a while, until the lock is let go. w.mu is held.
func (w *Worker) later(f func()) { w.rest = append(w.rest, f) }

// lost counts datagrams that could not be sent.
func (w *Worker) lost(s *packet.Socket, n int, err error) {
	_, client := s.Tag().(*listener)
	full := errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOBUFS)
	reason := "relay-write-error"
	switch {
	case client && full:
		reason = "client-send-buffer-full"
	case client:
		reason = "client-write-error"
	case full:
		reason = "relay-send-buffer-full"
	}
	w.drops.add(reason, uint64(n))
}

// ToClient implements [turn.Sink].
func (w *Worker) ToClient(c turn.Client, p turn.Packet) {
	if c.Transport != turn.UDP {
		client := w.clients[c.Conn]
		if client == nil {
			return
		}
		switch first, ok := client.queue.push(p); {
		case !ok:
			w.drop("client-queue-full")
		case first: // it is woken when all that comes in this turn is there
			w.stirred = append(w.stirred, client)
		}
		return
	}
	if l := w.listeners[c.Listener]; l != nil {
		w.out.Add(l.socket, packet.Message{To: c.Addr, From: c.Local, Head: p.Head, Body: p.Body, Pad: p.Pad})
	}
}
