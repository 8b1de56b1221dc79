package redisstore

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/parley-rtc/parley/signaling/internal/msgpack"
	"github.com/parley-rtc/parley/signaling/store"
)

// partitions is how many parts the rooms are spread over. All nodes have to agree on it.
const partitions = 1024

// errSilent says that Redis was not asked, because it does not answer.
var errSilent = errors.New("redisstore: Redis does not answer")

// partitionOf goes by a hash that balancers know, too: one that sends all of a partition to one node spares the others its wakes.
func (s *Store) partitionOf(room string) *partition {
	return &s.partitions[crc32.ChecksumIEEE([]byte(room))%partitions]
}

func (p *partition) state(room string) string { return p.tag + "r:" + room }
func (p *partition) index() string            { return p.tag + "i" }
func (p *partition) pause() string            { return p.tag + "g" }
func (p *partition) channel() string          { return p.tag + "w" }

// refusals are the codes of scripts.
var refusals = map[string]error{
	"no_session":     store.ErrNoSession,
	"wrong_secret":   store.ErrWrongSecret,
	"room_full":      store.ErrRoomFull,
	"too_many":       store.ErrTooMany,
	"peer_taken":     store.ErrPeerTaken,
	"attempt_reused": store.ErrAttemptReused,
	"resume_used":    store.ErrResumeUsed,
	"history_lost":   store.ErrHistoryLost,
	"superseded":     store.ErrSuperseded,
	"no_peer":        store.ErrNoPeer,
	"busy":           store.ErrBusy,
}

// step runs a script on a room; its reply is read from behind the head on. A refusal may come with something due.
func (s *Store) step(ctx context.Context, script *rueidis.Lua, room string, ask []byte) (*msgpack.Reader, store.Due, error) {
	p := s.partitionOf(room)
	if !p.pulse.answers() {
		return nil, 0, s.counts.failed(errSilent)
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	asked, told := s.asked(p)
	keys := []string{p.state(room), p.tag + "l:" + room, p.index(), p.pause()}
	args := []string{strconv.FormatInt(asked, 10), p.channel(), room, rueidis.BinaryString(ask)}
	began := clock()
	text, err := script.Exec(ctx, s.client, keys, args).AsBytes()
	s.counts.took(clock() - began)
	if err != nil {
		return nil, 0, fmt.Errorf("redisstore: step on room %s: %w", room, s.counts.failed(err))
	}
	reply := msgpack.NewReader(text)
	reply.Array()
	code := reply.Text()
	p.heard(time.Duration(reply.Int())*time.Microsecond, told, s)
	due := readSpan(reply)
	switch {
	case code == "" || reply.Err() != nil:
		return reply, due, faulty(reply)
	case code == "ended":
		return nil, due, &store.EndedError{Code: reply.Text()}
	}
	if err := refusals[code]; err != nil {
		return nil, due, err
	}
	return nil, due, fmt.Errorf("redisstore: step on room %s: a script returned %q", room, code)
}

// faulty returns why a reply could not be read, if it could not.
func faulty(reply *msgpack.Reader) error {
	if err := reply.Err(); err != nil {
		return fmt.Errorf("redisstore: the reply of a script: %w", err)
	}
	return nil
}
