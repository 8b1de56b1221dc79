package proxies

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// front is nginx or haproxy on a loopback port, in the foreground, with nothing of the system's
// configuration. It ends with the test.
type front struct {
	t       *testing.T
	program string
	config  string
	addr    string // where it listens
	process *exec.Cmd
	output  output
}

// start runs a program, with LISTEN, BACKEND and OTHER in its configuration replaced by addresses.
func start(t *testing.T, to *service, program, config string) *front {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		// Debian keeps nginx where only root looks.
		if _, err := os.Stat("/usr/sbin/" + program); err != nil {
			t.Fatalf("%s is not installed; `make test` installs it", program)
		}
		program = "/usr/sbin/" + program
	}
	// The listener is made here and handed down: so the port is free, and who connects before the
	// program is up only waits.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{t: t, program: program, addr: listener.Addr().String()}
	frame := haproxyFrame
	listen := "fd@3"
	if filepath.Base(program) == "nginx" {
		frame, listen = nginxFrame(), f.addr
	}
	dir := t.TempDir()
	to.certify(t, dir)
	text := strings.NewReplacer("LISTEN", listen, "BACKEND", to.addrs[0], "OTHER", to.addrs[1], "DIR", dir).
		Replace(strings.ReplaceAll(frame, "CONFIG", config))
	f.config = filepath.Join(dir, "config")
	if err := os.WriteFile(f.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f.run(listener)
	t.Cleanup(func() {
		f.stop()
		if t.Failed() {
			t.Logf("%s, with\n%s\nsaid last\n%s", program, text, f.output.last(4<<10))
		}
	})
	return f
}

// run starts the process, which takes the listener over.
func (f *front) run(listener net.Listener) {
	f.t.Helper()
	defer listener.Close()
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		f.t.Fatal(err)
	}
	defer socket.Close()
	args := []string{"-db", "-f", f.config}
	if filepath.Base(f.program) == "nginx" {
		args = []string{"-p", filepath.Dir(f.config), "-c", f.config, "-e", "stderr"}
	}
	f.process = exec.Command(f.program, args...)
	f.process.Env = append(os.Environ(), "NGINX=3;") // what nginx inherits its listeners by
	f.process.ExtraFiles = []*os.File{socket}
	f.process.Stdout, f.process.Stderr = &f.output, &f.output
	endsWithParent(f.process)
	if err := f.process.Start(); err != nil {
		f.t.Fatal(err)
	}
}

// stop ends the process, and with it every connection through it.
func (f *front) stop() {
	f.t.Helper()
	_ = f.process.Process.Signal(syscall.SIGTERM)
	watchdog := time.AfterFunc(10*time.Second, func() { _ = f.process.Process.Kill() })
	defer watchdog.Stop()
	err := f.process.Wait()
	exit, failed := errors.AsType[*exec.ExitError](err)
	if err == nil || failed && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
		return
	}
	f.t.Errorf("%s ended with %v", f.program, err)
}

// restart ends the process, leaves nobody on its port for a while, and starts it again.
func (f *front) restart(gap time.Duration) {
	f.t.Helper()
	f.stop()
	time.Sleep(gap)
	listener, err := net.Listen("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.run(listener)
}

// nginxFrame is what Debian's nginx.conf has around a site, and paths of the test's own.
func nginxFrame() string {
	user := ""
	if os.Getuid() == 0 {
		user = "user root;" // another could not write below DIR
	}
	return fmt.Sprintf(`daemon off;
%s
worker_processes 1;
pid DIR/nginx.pid;
error_log stderr warn;
events { worker_connections 768; }
http {
	sendfile on;
	tcp_nopush on;
	gzip on;
	access_log off;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
CONFIG
}
`, user)
}

const haproxyFrame = "CONFIG\n"

// output keeps what a process says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) last(bytes int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text.Bytes()[max(0, o.text.Len()-bytes):])
}
