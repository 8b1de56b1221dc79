package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// oldest is the first version of Redis with shard channels.
const oldest = 7

// examineTime is between two looks at the servers, which may be set otherwise or replaced while nodes run.
const examineTime = 30 * time.Second

// unfit says what keeps a server from keeping rooms.
type unfit struct{ error }

// examine says which server cannot keep rooms, or else which one did not say what it is; answered: another one did.
func examine(ctx context.Context, client rueidis.Client) (answered bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	nodes := client.Nodes()
	faults := make(chan error, len(nodes))
	for address, node := range nodes { // all at once: one that hangs takes all the time
		go func() { faults <- examineOne(ctx, address, node, client.Mode() == rueidis.ClientModeCluster) }()
	}
	var bad, silent error
	for range nodes {
		fault := <-faults
		if _, is := errors.AsType[unfit](fault); is {
			bad = fault
		} else if fault != nil {
			silent = fault
		} else {
			answered = true
		}
	}
	if bad != nil {
		return answered, bad
	}
	return answered, silent
}

func examineOne(ctx context.Context, address string, node rueidis.Client, cluster bool) error {
	text, err := node.Do(ctx, node.B().Info().Section("server", "memory", "replication").Build()).ToString()
	if err != nil {
		return fmt.Errorf("cannot ask Redis at %s what it is (INFO): %w", address, plainly(err))
	}
	if err := fit(text, cluster); err != nil {
		return unfit{fmt.Errorf("this Redis, at %s, cannot keep rooms: %w", address, err)}
	}
	return nil
}

// fit says what keeps a server that says this of itself from keeping rooms.
func fit(info string, cluster bool) error {
	fields := make(map[string]string)
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields[name] = value
	}
	version := fields["redis_version"]
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldest {
		return fmt.Errorf("its version is %q; it must be %d.0 or newer (or Valkey)", version, oldest)
	}
	if fields["role"] == "slave" && !cluster {
		return errors.New("it is a replica, which takes no writes; name the master, or the sentinels (redis+sentinel://)")
	}
	if policy := fields["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		return fmt.Errorf("its maxmemory-policy is %s, with which it drops rooms when its memory is full (all their keys have a time to live); it must be noeviction (CONFIG SET maxmemory-policy noeviction)", policy)
	}
	return nil
}

// lookAt examines the servers once more; said is what the log says of them already.
func (s *Store) lookAt(said string) string {
	_, err := examine(s.ctx, s.client)
	fault, is := errors.AsType[unfit](err)
	switch {
	case is && fault.Error() != said:
		s.log.Error("Redis has become unfit", "error", err)
		return fault.Error()
	case err == nil && said != "":
		s.log.Info("Redis is fit again")
		return ""
	}
	return said
}
