//go:build linux

package main

import (
	"context"

	"github.com/parley-rtc/parley/bench/internal/dialect"
)

// memory measures what Redis holds of sessions that wait: two in a room, empty mailboxes, no name and no meta.
func (b *bench) memory(ctx context.Context) {
	b.once(ctx, "memory", oneNode, 0, func(s *site, in setup) error {
		const warm = 200
		if err := s.idle(ctx, 0, warm); err != nil {
			return err
		}
		bytes, keys, err := memoryUsed(s.redis.Address)
		if err != nil {
			return err
		}
		if err := s.idle(ctx, warm, b.sizes.sessions); err != nil {
			return err
		}
		bytesAfter, keysAfter, err := memoryUsed(s.redis.Address)
		if err != nil {
			return err
		}
		n := float64(b.sizes.sessions)
		b.book.add("memory/bytes of an idle session", in, float64(bytesAfter-bytes)/n)
		b.book.add("memory/keys of an idle session", in, float64(keysAfter-keys)/n)
		return nil
	})
}

// idle has sessions first … join, so many, two in each room, take and acknowledge what they hear.
func (s *site) idle(ctx context.Context, first, count int) error {
	sessions := make([]dialect.Session, count)
	if err := paceOut(ctx, 0, count, func(i int) (err error) {
		sessions[i], err = dialect.Join(s.place(first + i))
		return err
	}); err != nil {
		return err
	}
	return paceOut(ctx, 0, count, func(i int) error {
		poll, err := sessions[i].Poller()
		if err != nil {
			return err
		}
		err = poll.Poll(0) // acknowledges what came with the first
		_ = poll.Close()
		return err
	})
}
