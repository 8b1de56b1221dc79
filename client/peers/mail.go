package peers

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/parley-rtc/parley/client"
)

const (
	mailMost  = 1024         // notes that wait for the server. More are dropped: recovery tries again
	piecesOut = mailMost / 2 // from then on pieces of messages are dropped, which are sent again: they keep no other note out
)

// mail hands notes to the session, which may make it wait.
type mail struct {
	session *client.Session
	failed  func(to *Peer, err error)

	mu      sync.Mutex
	letters []letter      // guarded by mu
	wake    chan struct{} // capacity 1
}

type letter struct {
	to    *Peer
	epoch int64
	note  *note
}

func newMail(session *client.Session, failed func(*Peer, error)) *mail {
	return &mail{session: session, failed: failed, wake: make(chan struct{}, 1)}
}

// send sends a note to one session of a peer.
func (m *mail) send(to *Peer, epoch int64, n *note) {
	m.mu.Lock()
	if len(m.letters) < piecesOut || len(m.letters) < mailMost && n.kind != kindRelayed {
		m.letters = append(m.letters, letter{to, epoch, n})
	}
	m.mu.Unlock()
	nudge(m.wake)
}

// run sends until ctx or the session ends.
func (m *mail) run(ctx context.Context) {
	for {
		select {
		case <-m.wake:
		case <-ctx.Done():
			return
		}
		m.mu.Lock()
		letters := m.letters
		m.letters = nil
		m.mu.Unlock()
		for _, l := range letters {
			err := m.session.Send(ctx, l.to.id, l.epoch, l.note)
			if ctx.Err() != nil {
				return
			}
			if err != nil && m.session.Err() == nil {
				m.failed(l.to, err)
			}
		}
	}
}

// retryAfter returns how long the server wants to be left alone.
func retryAfter(err error) time.Duration {
	var refused *client.Error
	if errors.As(err, &refused) {
		return refused.RetryAfter
	}
	return 0
}
