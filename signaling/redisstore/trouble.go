package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/redis/rueidis"
)

// The reasons for which Redis does not do what it is asked, as Stats.Errors counts them.
const (
	reasonSilent     = "silent"     // it was not asked, since it does not answer
	reasonTimeout    = "timeout"    // no answer in time
	reasonConnection = "connection" // there is none, or it broke
	reasonFull       = "full"       // its memory is
	reasonReadOnly   = "read_only"  // it takes no writes
	reasonLoading    = "loading"    // it starts, or its cluster is not whole, or moves a slot
	reasonDenied     = "denied"     // user, password or ACL
	reasonForeign    = "foreign"    // a key is another application's
	reasonOther      = "other"
)

var reasons = []string{
	reasonSilent, reasonTimeout, reasonConnection, reasonFull, reasonReadOnly, reasonLoading, reasonDenied, reasonForeign, reasonOther,
}

// troubles are what Redis refuses with, by how its errors begin, and what that means.
var troubles = []struct{ begins, reason, plain string }{
	{"OOM ", reasonFull, "its memory is full: raise its maxmemory"},
	{"READONLY ", reasonReadOnly, "it is a replica, which takes no writes"},
	{"MISCONF ", reasonReadOnly, "it takes no writes, since it cannot save them to its disk"},
	{"NOREPLICAS ", reasonReadOnly, "it takes no writes while it has fewer replicas than its min-replicas-to-write"},
	{"MASTERDOWN ", reasonReadOnly, "it is a replica, whose master is gone"},
	{"LOADING ", reasonLoading, "it still reads its data from its disk"},
	{"CLUSTERDOWN ", reasonLoading, "its cluster is not whole"},
	{"TRYAGAIN ", reasonLoading, "a slot of its cluster is being moved"},
	{"MOVED ", reasonLoading, notFollowed},
	{"ASK ", reasonLoading, notFollowed},
	{"BUSY ", reasonTimeout, "a script of another application keeps it busy"},
	{"NOAUTH ", reasonDenied, "it wants a password, as in redis://user:password@host"},
	{"WRONGPASS ", reasonDenied, "the user or the password is wrong"},
	{"NOPERM ", reasonDenied, "the user may not do what is needed"},
	{"WRONGTYPE ", reasonForeign, "a key under this prefix is another application's: choose another prefix"},
}

// notFollowed is why a step was sent to and fro in a cluster.
const notFollowed = "the servers of its cluster do not agree who has a slot, or one is being moved where the user may not follow it (+asking)"

// told is an error with what it means put before it. The deepest text is Redis's own.
func told(plain string, err error) error { return fmt.Errorf("%s: %w", plain, err) }

// explain says an error of Redis's or the network's so that it can be acted on, and for what reason it counts.
func explain(err error) (reason string, plain error) {
	if reply, is := rueidis.IsRedisErr(err); is {
		text := reply.Error()
		for _, t := range troubles {
			if strings.HasPrefix(text, t.begins) {
				return t.reason, told(t.plain, err)
			}
		}
		if strings.Contains(text, "unknown command") && (strings.Contains(text, "HELLO") || strings.Contains(text, "SSUBSCRIBE")) {
			return reasonOther, told(fmt.Sprintf("it is too old; it must be %d.0 or newer (or Valkey)", oldest), err)
		}
		return reasonOther, err
	}
	timeout, is := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, errSilent):
		return reasonSilent, err
	case is && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return reasonTimeout, told("no answer in time", err)
	}
	return reasonConnection, err
}

// plainly says an error of the attempt to connect.
func plainly(err error) error {
	reason, plain := explain(err)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return told("it closed the connection at once; does it speak TLS (rediss), is it in protected mode (without a password it serves only its own host then), or has it as many clients as it may have?", err)
	case reason == reasonTimeout:
		return told("no answer in time; is the port right, does it speak TLS (rediss) or not (redis), and is it overloaded?", err)
	}
	return plain
}
