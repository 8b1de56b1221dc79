//go:build linux

package contender

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// Kind is a server that is compared.
type Kind string

// The servers.
const (
	Coturn Kind = "coturn"
	Parley Kind = "parley"
	Pion   Kind = "pion/turn"
)

// Kinds are all of them; the first is what others are compared with.
var Kinds = []Kind{Coturn, Parley, Pion}

// All of them know this user.
const (
	User     = "alice"
	Password = "secret"
	Realm    = "lab"
)

// Ports of relayed addresses.
const (
	minPort = 49152
	maxPort = 65535
)

// Field says where the servers are.
type Field struct {
	Turn string // cmd/turn's binary
}

// Start starts a server on a port of 127.0.0.1 that is free. Stop must follow.
func (f Field) Start(ctx context.Context, kind Kind) (*Process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	ports := fmt.Sprintf("%d-%d", minPort, maxPort)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	var cmd *exec.Cmd
	switch kind {
	case Coturn:
		path, err := exec.LookPath("turnserver")
		if err != nil {
			if path = "/usr/bin/turnserver"; !exists(path) {
				return nil, fmt.Errorf("coturn: %w", err)
			}
		}
		cmd = exec.CommandContext(ctx, path, "-n", "--no-cli", "--no-tls", "--no-dtls", "--lt-cred-mech", "--user="+User+":"+Password,
			"--realm="+Realm, "-L", "127.0.0.1", "-E", "127.0.0.1", fmt.Sprintf("--listening-port=%d", port), "--allow-loopback-peers",
			fmt.Sprintf("--min-port=%d", minPort), fmt.Sprintf("--max-port=%d", maxPort),
			"--userdb=/dev/null", "--pidfile=/dev/null", "--log-file=/dev/null", "--simple-log")
	case Parley:
		cmd = exec.CommandContext(ctx, f.Turn, "--listen="+address, "--listen-tcp=off", "--public-ip=127.0.0.1", "--relay-bind=127.0.0.1", "--ports="+ports,
			"--user="+User+":"+Password, "--realm="+Realm, "--allow-loopback", "--log-level=error",
			"--max-allocations-per-user=100000", "--max-allocations-per-source=100000")
	case Pion:
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		cmd = exec.CommandContext(ctx, self, "-serve", address)
	default:
		return nil, fmt.Errorf("there is no server %q, only %v", kind, Kinds)
	}
	return start(kind, address, cmd)
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }
