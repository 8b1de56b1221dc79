package peers

import (
	"slices"
	"sync"
)

// parcels are envelopes that wait for one channel of a neighbour. What may wait is bounded by who adds them.
type parcels struct {
	mu      sync.Mutex
	waiting []parcel // guarded by mu
	bytes   int      // guarded by mu; of those that wait, and of the one that is being sent
	isSent  bool     // guarded by mu; a goroutine sends them
}

type parcel struct {
	envelope []byte
	key      string
}

// add adds an envelope; latest drops those that wait of the same key. It returns whether somebody has to begin to send them.
func (ps *parcels) add(p parcel, latest, send bool) (begin bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if latest {
		ps.waiting = slices.DeleteFunc(ps.waiting, func(o parcel) bool {
			if o.key == p.key {
				ps.bytes -= len(o.envelope)
			}
			return o.key == p.key
		})
	}
	ps.waiting = append(ps.waiting, p)
	ps.bytes += len(p.envelope)
	return ps.beginning(send)
}

// begin returns whether somebody has to begin to send them.
func (ps *parcels) begin() bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.beginning(true)
}

func (ps *parcels) beginning(send bool) bool {
	begin := send && !ps.isSent && len(ps.waiting) > 0
	ps.isSent = ps.isSent || begin
	return begin
}

// take takes the next envelope away; nil: there is none.
func (ps *parcels) take() []byte {
	envelope := ps.next()
	ps.sent(len(envelope))
	return envelope
}

// next takes the next envelope, which counts until it is said to be sent; nil: there is none, and nobody sends any more.
func (ps *parcels) next() []byte {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if len(ps.waiting) == 0 {
		ps.isSent = false
		return nil
	}
	envelope := ps.waiting[0].envelope
	ps.waiting[0] = parcel{}
	ps.waiting = ps.waiting[1:]
	return envelope
}

func (ps *parcels) sent(size int) {
	ps.mu.Lock()
	ps.bytes -= size
	ps.mu.Unlock()
}

// back takes an envelope back that did not go wholly.
func (ps *parcels) back(envelope []byte) {
	ps.mu.Lock()
	ps.waiting = append([]parcel{{envelope: envelope}}, ps.waiting...)
	ps.bytes += len(envelope)
	ps.mu.Unlock()
}

// stop drops all, and takes note that nobody sends any more.
func (ps *parcels) stop() {
	ps.mu.Lock()
	ps.waiting, ps.bytes, ps.isSent = nil, 0, false
	ps.mu.Unlock()
}

func (ps *parcels) size() int {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.bytes
}
