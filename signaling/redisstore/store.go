package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/parley-rtc/parley/signaling/store"
)

// Store implements [store.Store]. Its methods may be called concurrently.
type Store struct {
	client rueidis.Client
	ears   rueidis.Client // listens: Redis closes a connection that does as soon as some megabytes wait on it, which replies may
	prefix string         // of this deployment
	schema int            // of this release
	base   string         // of all keys, made of both
	log    *slog.Logger
	spread bool // over several servers: a Redis Cluster

	partitions [partitions]partition
	pulses     pulses
	counts     counts

	ctx    context.Context // ends with the store
	cancel context.CancelFunc
	work   sync.WaitGroup
}

var _ store.Store = (*Store)(nil)

// Open connects to a Redis, and refuses one that cannot keep rooms: too old, a replica, or one that evicts keys. Ctx bounds
// the attempt. Close the store when the server that uses it is closed.
func Open(ctx context.Context, cfg Config) (*Store, error) { return openSchema(ctx, cfg, schema) }

func openSchema(ctx context.Context, cfg Config, schema int) (*Store, error) {
	cfg, err := cfg.resolved()
	if err != nil {
		return nil, err
	}
	address, err := ParseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("the URL: %w", err)
	}
	client, err := connect(ctx, address)
	if err != nil {
		return nil, err
	}
	if answered, err := examine(ctx, client); err != nil {
		if _, is := errors.AsType[unfit](err); is || !answered {
			client.Close()
			return nil, err
		}
		cfg.Logger.Warn("a server of the Redis Cluster does not answer", "error", err) // a node must be able to start while one is down
	}
	ears, err := connect(ctx, address)
	if err != nil {
		client.Close()
		return nil, err
	}
	s := &Store{
		client: client, ears: ears, prefix: cfg.Prefix, schema: schema, base: cfg.Prefix + ":" + strconv.Itoa(schema) + ":",
		log: cfg.Logger, spread: client.Mode() == rueidis.ClientModeCluster, counts: newCounts(),
	}
	for i := range s.partitions {
		p := &s.partitions[i]
		p.tag = s.base + "{p" + strconv.Itoa(i) + "}:"
		p.watchers = make(map[string][]*watcher)
		p.pulse = &s.pulses.one
		if s.spread {
			p.pulse = new(pulse)
		}
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.work.Go(s.beat)
	s.work.Go(func() { s.look(examineTime) })
	return s, nil
}

// Close frees what the store holds. Steps fail from then on.
func (s *Store) Close() error {
	s.cancel()
	s.client.Close()
	s.ears.Close()
	s.work.Wait()
	return nil
}

// Join implements [store.Store].
func (s *Store) Join(ctx context.Context, room string, r store.JoinRequest) (store.Joined, error) {
	reply, due, err := s.step(ctx, joinScript, room, appendJoin(nil, r))
	if err != nil {
		return store.Joined{Due: due}, err
	}
	j := store.Joined{Session: reply.Text(), Salt: []byte(reply.Text()), Peer: reply.Text(), Epoch: reply.Int(), Resumed: reply.Bool(), At: reply.Int(), Due: due}
	j.Peers = readRoster(reply)
	return j, faulty(reply)
}

// Attach implements [store.Store].
func (s *Store) Attach(ctx context.Context, ref store.Ref, l store.Link) (store.Attached, error) {
	reply, due, err := s.step(ctx, attachScript, ref.Room, appendLink(appendRef(nil, ref, 6), l))
	if err != nil {
		return store.Attached{Due: due}, err
	}
	a := store.Attached{
		Owner: readOwner(reply), Fence: reply.Int(), Took: reply.Bool(), Before: reply.Text(), Turn: reply.Int(),
		Received: reply.Int(), After: reply.Int(), Tail: reply.Int(), Due: due,
	}
	a.Peers = readRoster(reply)
	a.Quiet = readSpan(reply)
	return a, faulty(reply)
}

// Owner implements [store.Store].
func (s *Store) Owner(ctx context.Context, ref store.Ref) (store.Owner, error) {
	reply, _, err := s.step(ctx, ownerScript, ref.Room, appendRef(nil, ref, 0))
	if err != nil {
		return store.Owner{}, err
	}
	return readOwner(reply), faulty(reply)
}

// Exchange implements [store.Store].
func (s *Store) Exchange(ctx context.Context, ref store.Ref, x store.Exchange) (store.Result, error) {
	reply, due, err := s.step(ctx, exchangeScript, ref.Room, appendExchange(appendRef(make([]byte, 0, sizeOf(ref, x)), ref, 7), x))
	if err != nil {
		return store.Result{Due: due}, err
	}
	r := store.Result{Received: reply.Int(), Gap: reply.Bool(), Wait: readSpan(reply), Refused: readRefusals(reply), Due: due}
	r.Frames = readFrames(reply)
	r.Acked, r.Tail, r.Superseded, r.Probing = reply.Int(), reply.Int(), reply.Bool(), reply.Bool()
	r.Quiet, r.Idle = readSpan(reply), readSpan(reply)
	return r, faulty(reply)
}

// Detach implements [store.Store].
func (s *Store) Detach(ctx context.Context, ref store.Ref, fence int64) (store.Due, error) {
	_, due, err := s.step(ctx, detachScript, ref.Room, appendInt(appendRef(nil, ref, 1), fence))
	return due, err
}

// Leave implements [store.Store].
func (s *Store) Leave(ctx context.Context, ref store.Ref, soft bool) (peer string, due store.Due, err error) {
	reply, due, err := s.step(ctx, leaveScript, ref.Room, appendBool(appendRef(nil, ref, 1), soft))
	if err != nil {
		return "", due, err
	}
	return reply.Text(), due, faulty(reply)
}

// End implements [store.Store].
func (s *Store) End(ctx context.Context, room, session, code string) (store.Due, error) {
	_, due, err := s.step(ctx, endScript, room, appendTexts(nil, session, code))
	return due, err
}

// Post implements [store.Store].
func (s *Store) Post(ctx context.Context, room, key, to string, data []byte) (store.Due, error) {
	_, due, err := s.step(ctx, postScript, room, appendTexts(nil, key, to, string(data)))
	return due, err
}

// Roster implements [store.Store].
func (s *Store) Roster(ctx context.Context, room string) (store.Roster, error) {
	reply, due, err := s.step(ctx, rosterScript, room, appendTexts(nil))
	if err != nil {
		return store.Roster{Due: due}, err
	}
	return store.Roster{Peers: readRoster(reply), Due: due}, faulty(reply)
}

// pageSize is how many rooms a page of Rooms has at least, if there are more.
const pageSize = 1000

// Rooms implements [store.Store]. A page has all rooms of some partitions; the cursor is the first partition of the next one.
func (s *Store) Rooms(ctx context.Context, cursor string) (rooms []string, next string, err error) {
	const atOnce = 64
	first := 0
	if cursor != "" {
		if first, err = strconv.Atoi(cursor); err != nil || first < 0 || first >= partitions {
			return nil, "", errors.New("redisstore: the cursor is none that Rooms returned")
		}
	}
	for ; first < partitions && len(rooms) < pageSize; first += atOnce {
		some, err := s.roomsOf(ctx, first, min(first+atOnce, partitions))
		if err != nil {
			return nil, "", err
		}
		rooms = append(rooms, some...)
	}
	slices.Sort(rooms)
	if first < partitions {
		next = strconv.Itoa(first)
	}
	return rooms, next, nil
}

// roomsOf lists the rooms of partitions from … to - 1.
func (s *Store) roomsOf(ctx context.Context, from, to int) (rooms []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	lists := make([]rueidis.RedisResult, to-from)
	var group sync.WaitGroup
	for i := range lists {
		group.Go(func() {
			lists[i] = roomsScript.Exec(ctx, s.client, []string{s.partitions[from+i].index()}, nil)
		})
	}
	group.Wait()
	for _, list := range lists {
		names, err := list.AsStrSlice()
		if err != nil {
			return nil, fmt.Errorf("redisstore: rooms: %w", s.counts.failed(err))
		}
		rooms = append(rooms, names...)
	}
	return rooms, nil
}

// Share returns what is kept under a name for all nodes that share the store's keys, and keeps value under it if nothing is. Redis may lose it; who needs
// it to last calls again now and then.
func (s *Store) Share(ctx context.Context, name string, value []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	key := s.base + "shared:" + name
	kept, err := s.client.Do(ctx, s.client.B().Get().Key(key).Build()).AsBytes()
	if !rueidis.IsRedisNil(err) { // mostly: and it can be read when nothing can be written
		return kept, s.notShared(name, err)
	}
	kept, err = s.client.Do(ctx, s.client.B().Set().Key(key).Value(rueidis.BinaryString(value)).Nx().Get().Build()).AsBytes()
	if rueidis.IsRedisNil(err) {
		return value, nil
	}
	return kept, s.notShared(name, err)
}

func (s *Store) notShared(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("redisstore: share %s: %w", name, s.counts.failed(err))
}

// connect makes the client, which connects at once.
func connect(ctx context.Context, address Address) (rueidis.Client, error) {
	type outcome struct {
		client rueidis.Client
		err    error
	}
	made := make(chan outcome, 1)
	go func() { // it has time-outs of its own, and no context
		client, err := rueidis.NewClient(address.option)
		made <- outcome{client, err}
	}()
	select {
	case o := <-made:
		if o.err != nil {
			return nil, fmt.Errorf("cannot connect to Redis at %v: %w", address.option.InitAddress, plainly(o.err))
		}
		return o.client, nil
	case <-ctx.Done():
		go func() {
			if o := <-made; o.err == nil {
				o.client.Close()
			}
		}()
		return nil, fmt.Errorf("cannot connect to Redis at %v: %w", address.option.InitAddress, ctx.Err())
	}
}

const (
	stepTime = 2 * time.Second // for one step
	connTime = 3 * time.Second // for a server to answer anything, before its connection is given up
)
