//go:build linux

package contender

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/parley-rtc/parley/bench/relay/internal/lab"
)

// Kind is a server that is compared.
type Kind string

// The servers.
const (
	Coturn   Kind = "coturn"
	Parley   Kind = "parley"
	Unmerged Kind = "parley, no GSO" // with --udp-mode=batch
	Pion     Kind = "pion/turn"
	None     Kind = "no relay" // clients and the peer talk to each other; it is not started
)

// Kinds are those that are compared everywhere; the first is what others are compared with.
var Kinds = []Kind{Coturn, Parley, Pion}

// All of them know this user.
const (
	User     = "alice"
	Password = "secret"
	Realm    = "lab"
)

// MinPort and MaxPort are those of relayed addresses.
const (
	MinPort = 49152
	MaxPort = 65535
)

// Field says where the servers are, and how they are started.
type Field struct {
	Turn    string       // cmd/turn's binary
	Flags   []string     // and more of its flags
	Net     *lab.Net     // where they run; nil: on loopback
	CPUs    *unix.CPUSet // those they keep to; nil: any
	Streams *Identity    // with which they serve TCP and TLS, too; nil: UDP alone
}

// Start starts a server on ports that are free. Stop must follow.
func (f Field) Start(kind Kind, more ...string) (*Process, error) {
	if f.Net == nil {
		f.Net = lab.Loopback()
	}
	var p *Process
	err := f.Net.AtServer(func() error {
		port, err := freePort(f.Net.Server)
		if err != nil {
			return err
		}
		p = newProcess(kind, f.Net, netip.AddrPortFrom(f.Net.Server, port))
		cmd, err := f.command(kind, p)
		if err != nil {
			return err
		}
		if kind == Parley || kind == Unmerged {
			cmd.Args = append(append(cmd.Args, f.Flags...), more...)
		}
		return lab.Confine(f.CPUs, func() error { return p.start(cmd) })
	})
	if err != nil {
		return nil, err
	}
	return p, p.ready()
}

func (f Field) command(kind Kind, p *Process) (*exec.Cmd, error) {
	switch kind {
	case Coturn:
		return f.coturn(p)
	case Parley:
		return f.parley(p), nil
	case Unmerged:
		cmd := f.parley(p)
		cmd.Args = append(cmd.Args, "--udp-mode=batch")
		return cmd, nil
	case Pion:
		return f.pion(p)
	}
	return nil, fmt.Errorf("there is no server %q, only %v", kind, Kinds)
}

func (f Field) coturn(p *Process) (*exec.Cmd, error) {
	path, err := exec.LookPath("turnserver")
	if err != nil {
		if path = "/usr/bin/turnserver"; !exists(path) {
			return nil, fmt.Errorf("coturn: %w", err)
		}
	}
	cmd := exec.Command(path, "-n", "--no-cli", "--no-dtls", "--lt-cred-mech", "--user="+User+":"+Password,
		"--realm="+Realm, "-L", f.Net.Server.String(), "-E", f.Net.Relay.String(), fmt.Sprintf("--listening-port=%d", p.UDP.Port()),
		"--allow-loopback-peers", fmt.Sprintf("--min-port=%d", MinPort), fmt.Sprintf("--max-port=%d", MaxPort),
		"--userdb=/dev/null", "--pidfile=/dev/null", "--log-file=/dev/null", "--simple-log")
	if f.Streams == nil {
		cmd.Args = append(cmd.Args, "--no-tls")
	} else {
		cmd.Args = append(cmd.Args, fmt.Sprintf("--tls-listening-port=%d", p.TLS.Port()), "--cert="+f.Streams.Certificate, "--pkey="+f.Streams.Key)
	}
	return cmd, nil
}

func (f Field) parley(p *Process) *exec.Cmd {
	cmd := exec.Command(f.Turn, "--listen="+p.UDP.String(), "--public-ip="+f.Net.Relay.String(), "--relay-bind="+f.Net.Relay.String(),
		fmt.Sprintf("--ports=%d-%d", MinPort, MaxPort), "--user="+User+":"+Password, "--realm="+Realm, "--log-level=error",
		"--max-allocations-per-user=100000", "--max-allocations-per-source=100000")
	if f.Net.Peer.IsLoopback() {
		cmd.Args = append(cmd.Args, "--allow-loopback")
	} else {
		cmd.Args = append(cmd.Args, "--allow-peer="+f.Net.Peer.String()+"/32")
	}
	if f.Streams == nil {
		cmd.Args = append(cmd.Args, "--listen-tcp=off")
	} else {
		cmd.Args = append(cmd.Args, "--listen-tls="+p.TLS.String(), "--tls-cert="+f.Streams.Certificate, "--tls-key="+f.Streams.Key)
	}
	return cmd
}

// pion is this program itself.
func (f Field) pion(p *Process) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-serve", p.UDP.String(), "-serve-relay", f.Net.Relay.String())
	if f.Streams != nil {
		cmd.Args = append(cmd.Args, "-serve-tls", p.TLS.String(), "-serve-identity", f.Streams.Certificate+","+f.Streams.Key)
	}
	return cmd, nil
}

// Parse reads names of servers, separated by commas.
func Parse(names string) ([]Kind, error) {
	var kinds []Kind
	for name := range strings.SplitSeq(names, ",") {
		if !slices.Contains(Kinds, Kind(name)) {
			return nil, fmt.Errorf("there is no %q, only %v", name, Kinds)
		}
		kinds = append(kinds, Kind(name))
	}
	return kinds, nil
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }
