//go:build linux

package flow

import (
	"github.com/parley-rtc/parley/bench/internal/contender"
	"github.com/parley-rtc/parley/bench/internal/dialect"
)

// Pairs connects clients, two for each pair, where place says, that send to each other, both ways.
func Pairs(kind contender.Kind, count, size int, place func(i int) dialect.Place) (*Flow, error) {
	f := new(Flow)
	for i := range 2 * count {
		at := place(i)
		at.Buffer, at.Relays = 0, true
		c, err := dialect.Connect(kind, at)
		if err != nil {
			f.Stop()
			return nil, err
		}
		f.Clients = append(f.Clients, c)
	}
	for i, c := range f.Clients {
		to := f.Clients[i^1].ID()
		f.Add(i^1, size, func(data []byte) error { return c.Signal(to, data) })
	}
	return f, nil
}
