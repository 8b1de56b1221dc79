package proxies

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/leaktest"
	"github.com/parley-rtc/parley/signaling"
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "40") // they wait for the proxies most of the time
	leaktest.Main(m)
}

// service is a signaling server that can be reached at two addresses, as two backends.
type service struct {
	server *signaling.Server
	addrs  [2]string
	pair   tls.Certificate // for 127.0.0.1
	roots  *x509.CertPool
}

// serve starts a service that ends with the test, and then has no links left.
func serve(t *testing.T) *service {
	t.Helper()
	server, err := signaling.New(signaling.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	s := &service{server: server, roots: x509.NewCertPool()}
	var ends []func()
	for i := range s.addrs {
		backend := httptest.NewServer(server)
		s.addrs[i] = backend.Listener.Addr().String()
		ends = append(ends, backend.CloseClientConnections, backend.Close)
	}
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	s.pair = certified.TLS.Certificates[0]
	s.roots.AddCert(certified.Certificate())
	certified.Close()
	t.Cleanup(func() {
		for deadline := time.Now().Add(patience); server.Stats().Links > 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("the clients have gone, and %d links are left", server.Stats().Links)
				break
			}
		}
		_ = server.Close()
		for _, end := range ends {
			end()
		}
	})
	return s
}

// certify writes the certificate and its key into a folder, as nginx and as haproxy want them.
func (s *service) certify(t *testing.T, dir string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(s.pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.pair.Certificate[0]})
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for name, text := range map[string][]byte{"cert.pem": cert, "key.pem": key, "both.pem": append(cert[:len(cert):len(cert)], key...)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// client makes requests of one client, which trusts the certificate.
func (s *service) client(t *testing.T) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func quiet() *slog.Logger {
	if os.Getenv("PARLEY_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.DiscardHandler)
}
