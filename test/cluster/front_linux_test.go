package cluster

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// front is a balancer, a process of haproxy or nginx with a file of deploy/. It ends with its test.
type front struct {
	address string
	roots   *x509.CertPool // of the certificate in front of or on the nodes
}

// certified are a certificate for this host and its key, in files.
type certified struct {
	dir, cert, key, both string
	roots                *x509.CertPool
}

func certify(t testing.TB) certified {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler()) // it has one
	defer server.Close()
	der, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	c := certified{dir: t.TempDir(), roots: x509.NewCertPool()}
	c.roots.AddCert(server.Certificate())
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for name, file := range map[string]struct {
		path *string
		text []byte
	}{
		"cert.pem": {&c.cert, cert}, "key.pem": {&c.key, key}, "both.pem": {&c.both, append(cert[:len(cert):len(cert)], key...)},
	} {
		*file.path = filepath.Join(c.dir, name)
		if err := os.WriteFile(*file.path, file.text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// startFront starts the balancer of a file of deploy/, with what it has of addresses and files replaced.
func startFront(t testing.TB, file string, with certified, replace ...string) *front {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy", file))
	if err != nil {
		t.Fatal(err)
	}
	// The listener is made here and handed down: so the port is free, and who comes early only waits.
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	f := &front{address: listener.Addr().String(), roots: with.roots}
	replace = append(replace,
		"bind :80\n", "\n",
		"bind :8080\n", "bind fd@3\n",
		"bind :443", "bind fd@3",
		"listen 443", "listen "+f.address,
		"/etc/haproxy/rtc.example.pem", with.both,
		"/etc/ssl/rtc.example.pem", with.cert,
		"/etc/ssl/rtc.example.key", with.key,
	)
	config := strings.NewReplacer(replace...).Replace(string(text))
	program, args := "haproxy", []string{"-db", "-f"}
	if strings.HasPrefix(file, "nginx/") {
		config = nginxFrame(t, config, strings.HasSuffix(file, "tcp.conf"))
		program, args = "nginx", []string{"-e", "stderr", "-p", filepath.Dir(with.cert), "-c"}
	}
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	process := exec.Command(installed(t, program), append(args, path)...)
	process.Env = append(os.Environ(), "NGINX=3;") // what nginx inherits its listeners by
	process.ExtraFiles = []*os.File{socket}
	var said output
	process.Stdout, process.Stderr = &said, &said
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // nginx has workers, which it ends
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		watchdog := time.AfterFunc(10*time.Second, func() { _ = process.Process.Kill() })
		defer watchdog.Stop()
		_ = process.Wait() // haproxy ends by the signal
		if t.Failed() {
			t.Logf("%s said\n%s", file, said.text())
		}
	})
	return f
}

// installed returns the path of a program; Debian keeps some where only root looks.
func installed(t testing.TB, program string) string {
	t.Helper()
	for _, path := range []string{program, "/usr/sbin/" + program} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Fatalf("%s is not installed; `make test` installs it", program)
	return ""
}

// nginxFrame is what is around a configuration of nginx.
func nginxFrame(t testing.TB, config string, stream bool) string {
	t.Helper()
	dir := t.TempDir()
	user := ""
	if os.Getuid() == 0 {
		user = "user root;" // another could not write below dir
	}
	frame := fmt.Sprintf("%s\ndaemon off;\nworker_processes 1;\npid %s/pid;\nerror_log stderr error;\nevents { worker_connections 768; }\n", user, dir)
	if !stream {
		for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			config = fmt.Sprintf("%s_temp_path %s/%[1]s;\n%[3]s", kind, dir, config)
		}
		return frame + "http {\naccess_log off;\n" + config + "}\n"
	}
	const module = "/usr/lib/nginx/modules/ngx_stream_module.so" // of Debian; elsewhere it is built in
	if _, err := os.Stat(module); err == nil {
		frame = "load_module " + module + ";\n" + frame
	}
	return frame + "stream {\n" + config + "}\n"
}

// output keeps what a process says.
type output struct {
	mu    sync.Mutex
	bytes bytes.Buffer // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes.Write(p)
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes.String()
}

// client makes requests from an address of this host, which stands for one of many.
func (f *front) client(t testing.TB, from string) *http.Client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	transport := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: f.roots}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
