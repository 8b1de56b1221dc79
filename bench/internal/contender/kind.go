//go:build linux

package contender

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

// Kind is a server that takes part.
type Kind string

// The servers.
const (
	Parley   Kind = "parley"
	Bare     Kind = "bare" // net/http and gorilla/websocket, doing nothing
	YWebRTC  Kind = "y-webrtc"
	PeerJS   Kind = "peerjs"
	SocketIO Kind = "socket.io"
)

// Kinds are all servers.
var Kinds = []Kind{Parley, Bare, YWebRTC, PeerJS, SocketIO}

// Rival says whether it is somebody else's signaling server.
func (k Kind) Rival() bool { return !k.Go() }

// Go says whether it is written in Go, and is this program with other arguments.
func (k Kind) Go() bool { return k == Parley || k == Bare }

// Field is where servers run.
type Field struct {
	Rivals string // the folder with package.json
	GOGC   string // for those written in Go
	Core   int    // the servers', if Pinned
	Pinned bool   // servers and generator have different cores

	Profiled bool // servers written in Go note where memory was taken more often than usual
}

// Redis starts a redis-server that keeps nothing on disk, on the cores of the generator.
func (f Field) Redis(ctx context.Context) (*Process, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, "redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--loglevel", "warning")
	return Launch(ctx, "redis-server", "127.0.0.1:"+port, command)
}

// Pin gives this process all cores but the one of the servers, if there is a core to spare and taskset.
func (f *Field) Pin() error {
	if _, err := exec.LookPath("taskset"); err != nil || runtime.NumCPU() < 2 {
		return nil
	}
	others := fmt.Sprintf("%d-%d", f.Core+1, runtime.NumCPU()-1)
	if out, err := exec.Command("taskset", "-a", "-c", "-p", others, strconv.Itoa(os.Getpid())).CombinedOutput(); err != nil {
		return fmt.Errorf("taskset: %w: %s", err, out)
	}
	runtime.GOMAXPROCS(runtime.NumCPU() - 1)
	f.Pinned = true
	return nil
}

// Start starts a server. Heartbeat is Parley's; 0: the default. More are arguments of one that is written in Go.
func (f Field) Start(ctx context.Context, kind Kind, heartbeat time.Duration, more ...string) (*Process, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + port
	var command []string
	env := environ("PORT="+port, "NODE_ENV=production")
	if kind.Go() {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		command = []string{self, "-serve", string(kind), "-listen", address, "-heartbeat", heartbeat.String()}
		command = append(command, more...)
		env = environ("GOGC=" + f.GOGC)
		if f.Profiled {
			env = append(env, "GODEBUG=memprofilerate=8192")
		}
	} else if command, err = f.node(kind, port); err != nil {
		return nil, err
	}
	if f.Pinned {
		command = append([]string{"taskset", "-c", strconv.Itoa(f.Core)}, command...)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = env
	return Launch(ctx, kind, address, cmd)
}

// node returns the command of a rival.
func (f Field) node(kind Kind, port string) ([]string, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, errors.New("the rivals need node: install it, or leave them out by -servers parley,bare")
	}
	modules := filepath.Join(f.Rivals, "node_modules")
	if _, err := os.Stat(modules); err != nil {
		return nil, fmt.Errorf("the rivals are not installed: run npm ci in %s, or make bench-signaling", f.Rivals)
	}
	collect, err := filepath.Abs(filepath.Join(f.Rivals, "collect.cjs"))
	if err != nil {
		return nil, err
	}
	command := []string{node, "--expose-gc", "--require", collect}
	switch kind {
	case YWebRTC:
		return append(command, filepath.Join(modules, "y-webrtc", "bin", "server.js")), nil
	case PeerJS:
		return append(command, filepath.Join(modules, "peer", "dist", "bin", "peerjs.js"),
			"--host", "127.0.0.1", "--port", port, "--concurrent_limit", "1000000", "--alive_timeout", "3600000"), nil
	case SocketIO:
		return append(command, filepath.Join(f.Rivals, "socketio.mjs")), nil
	}
	return nil, fmt.Errorf("there is no server %q", kind)
}

// Version returns the version of a rival that is installed; "": unknown.
func (f Field) Version(kind Kind) string {
	packages := map[Kind]string{YWebRTC: "y-webrtc", PeerJS: "peer", SocketIO: "socket.io"}
	text, err := os.ReadFile(filepath.Join(f.Rivals, "node_modules", packages[kind], "package.json"))
	if err != nil {
		return ""
	}
	var p struct{ Version string }
	if json.Unmarshal(text, &p) != nil {
		return ""
	}
	return p.Version
}
