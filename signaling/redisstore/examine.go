package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// oldest is the first version of Redis with shard channels.
const oldest = 7

// examine refuses servers that cannot keep rooms.
func examine(ctx context.Context, client rueidis.Client) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	for address, node := range client.Nodes() {
		text, err := node.Do(ctx, node.B().Info().Section("server", "memory", "replication").Build()).ToString()
		if err != nil {
			return fmt.Errorf("cannot ask Redis at %s what it is (INFO): %w", address, plainly(err))
		}
		if err := fit(text, client.Mode() == rueidis.ClientModeCluster); err != nil {
			return fmt.Errorf("this Redis, at %s, cannot keep rooms: %w", address, err)
		}
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
		return fmt.Errorf("its maxmemory-policy is %s, with which it drops rooms when its memory is full; it must be noeviction", policy)
	}
	return nil
}

// plainly says an error of Redis's or the network's so that it can be acted on.
func plainly(err error) error {
	if timeout, is := errors.AsType[net.Error](err); is && timeout.Timeout() {
		return fmt.Errorf("no answer in time; is the port right, and does it speak TLS (rediss) or not (redis)? %w", err)
	}
	reply, is := rueidis.IsRedisErr(err)
	if !is {
		return err
	}
	switch text := reply.Error(); {
	case strings.HasPrefix(text, "NOAUTH"):
		return fmt.Errorf("it wants a password, as in redis://user:password@host: %w", err)
	case strings.HasPrefix(text, "WRONGPASS"):
		return fmt.Errorf("the user or the password is wrong: %w", err)
	case strings.HasPrefix(text, "NOPERM"):
		return fmt.Errorf("the user may not do what is needed: %w", err)
	case strings.Contains(text, "unknown command") && strings.Contains(text, "HELLO"):
		return fmt.Errorf("it is too old; it must be %d.0 or newer (or Valkey): %w", oldest, err)
	}
	return err
}
