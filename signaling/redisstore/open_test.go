package redisstore

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/internal/redistest"
)

func TestURLs(t *testing.T) {
	for text, want := range map[string]string{
		"redis://h":                     "h:6379",
		"redis://h:7/2":                 "h:7 database 2",
		"redis://h/":                    "h:6379",
		"redis://u:p@h1:1,h2,[::1]:3":   "h1:1 h2:6379 [::1]:3 user u password p",
		"redis://:p%40@h":               "h:6379 password p@",
		"rediss://h":                    "h:6379 TLS",
		"redis+sentinel://h1,h2:5/main": "h1:26379 h2:5 master main",
		"redis+sentinel://:p@h/main/3":  "h:26379 database 3 password p master main asks p",
		"rediss+sentinel://u:p@h/main":  "h:26379 user u password p TLS master main asks p",
		"redis+sentinel://:p@h/main?sentinel_user=a&sentinel_password=b": "h:26379 password p master main asks b",
	} {
		a, err := ParseURL(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		o := a.option
		got := strings.Join(o.InitAddress, " ")
		for _, part := range []struct {
			name, value string
		}{{" user ", o.Username}, {" password ", o.Password}} {
			if part.value != "" && part.name == " user " {
				got += part.name + part.value
			}
		}
		if o.SelectDB != 0 {
			got += " database " + strconv.Itoa(o.SelectDB)
		}
		if o.Password != "" {
			got += " password " + o.Password
		}
		if o.TLSConfig != nil {
			got += " TLS"
		}
		if o.Sentinel.MasterSet != "" {
			got += " master " + o.Sentinel.MasterSet
		}
		if o.Sentinel.Password != "" {
			got += " asks " + o.Sentinel.Password
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestBadURLsAreRefusedWithoutShowingPasswords(t *testing.T) {
	for text, want := range map[string]string{
		"localhost:6379":                  "not a URL like redis://",
		"http://:hidden@h":                `scheme is "http"`,
		"redis://":                        "host",
		"redis://:hidden@":                "host",
		"redis://:hidden@h:port":          "port",
		"redis://:hidden@h:0":             "port",
		"redis://:hidden@h:70000":         "port",
		"redis://::1":                     "host",
		"redis://h,":                      "host",
		"redis://:hidden@h/x":             `database "x"`,
		"redis://h/-1":                    "database",
		"redis://h/1/2":                   "too many parts",
		"redis://:hidden%zz@h":            "%25",
		"redis://:hidden/x@h":             "%2F",
		"redis://:x/hidden@h":             "%2F",
		"redis://:1/hidden@h":             "%2F",
		"redis://:x@y/hidden@h":           "%2F",
		"redis://:hidden?x@h":             "%3F",
		"redis://:1?hidden@h":             "%3F",
		"redis+sentinel://:1/hidden@h/m":  "%2F",
		"redis://:hidden@h#x":             "%23",
		"redis://h?timeout=3":             `"timeout"`,
		"redis://h?ca=x":                  "rediss",
		"rediss://h?ca=/no/such/file":     "/no/such/file",
		"rediss://h?ca=/dev/null":         "no certificate",
		"rediss://h?cert=x":               "need each other",
		"redis://h?sentinel_user=x":       "sentinels",
		"redis+sentinel://:hidden@h":      "master",
		"redis+sentinel://:hidden@h/":     "master",
		"redis+sentinel://:hidden@h/m/db": "database",
	} {
		_, err := ParseURL(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: got error %v, want one that says %q", text, err, want)
		}
	}
}

func TestServersThatCannotKeepRooms(t *testing.T) {
	for name, c := range map[string]struct {
		info    string
		cluster bool
		want    string
	}{
		"the least":                      {info: "redis_version:7.0.0\r\nmaxmemory_policy:noeviction\r\nrole:master\r\n"},
		"a newer one":                    {info: "redis_version:8.2.1\r\n"},
		"a replica of a cluster":         {info: "redis_version:7.0.0\r\nrole:slave\r\n", cluster: true},
		"too old":                        {info: "redis_version:6.2.19\r\n", want: `"6.2.19"; it must be 7.0 or newer`},
		"something else":                 {info: "", want: "7.0 or newer"},
		"a replica":                      {info: "redis_version:7.0.0\r\nrole:slave\r\n", want: "replica"},
		"one that evicts keys":           {info: "redis_version:7.0.0\r\nmaxmemory_policy:allkeys-lru\r\n", want: "allkeys-lru"},
		"one that evicts those with TTL": {info: "redis_version:7.0.0\r\nmaxmemory_policy:volatile-ttl\r\n", want: "volatile-ttl"},
	} {
		err := fit(c.info, c.cluster)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want %q", name, err, c.want)
		}
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	locked := redistest.Start(t, "--requirepass", "hidden")
	evicts, evictsSome := redistest.Start(t, "--maxmemory-policy", "allkeys-lru"), redistest.Start(t, "--maxmemory-policy", "volatile-ttl")
	slow := redistest.Start(t)
	slow.Do("CLIENT PAUSE 60000 ALL")
	master := redistest.Start(t)
	replica := redistest.Start(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(master.Port))
	silent, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() }) // after the parallel cases below, so that nobody else gets the port meanwhile
	web, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { web.Close() })
	go func() {
		for {
			conn, err := web.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			conn.Close()
		}
	}()
	shut, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut.Close() })
	go func() { // as one in protected mode does with clients of other hosts
		for {
			conn, err := shut.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user.\r\n"))
			conn.Close()
		}
	}()
	six, five := release(t, "6.2.19", true), release(t, "5.0.14", false)
	for name, c := range map[string]struct{ url, want string }{
		"Redis 6":                    {"redis://" + six, `its version is "6.2.19"; it must be 7.0 or newer`},
		"Redis 5":                    {"redis://" + five, "it must be 7.0 or newer"},
		"a server that is slow":      {slow.URL(), "is it overloaded?"},
		"one that evicts some":       {evictsSome.URL(), "maxmemory-policy is volatile-ttl"},
		"nobody listens":             {"redis://127.0.0.1:1", "127.0.0.1:1"},
		"nobody has the name":        {"redis://no-such-host.invalid", "no-such-host.invalid"},
		"a server that says nothing": {"redis://" + silent.Addr().String(), silent.Addr().String()},
		"a web server":               {"redis://" + web.Addr().String(), web.Addr().String()},
		"no password":                {locked.URL(), "wants a password"},
		"a wrong password":           {"redis://:wrong@" + locked.Address(), "password is wrong"},
		"a wrong user":               {"redis://nobody:hidden@" + locked.Address(), "user or the password"},
		"no TLS there":               {"rediss://" + locked.Address(), "speak TLS"},
		"one that evicts":            {evicts.URL(), "it must be noeviction (CONFIG SET maxmemory-policy noeviction)"},
		"a replica":                  {replica.URL(), "replica"},
		"a database too many":        {master.URL() + "/99", "DB index"},
		"one that closes at once":    {"redis://" + shut.Addr().String(), "is it in protected mode"},
		"no sentinel":                {"redis+sentinel://" + master.Address() + "/main", master.Address()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			s, err := Open(ctx, Config{URL: c.url})
			if err == nil {
				_ = s.Close()
				t.Fatal("it opens")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "\n") {
				t.Errorf("got error %q, want one that says %q", err, c.want)
			}
			if ctx.Err() != nil {
				t.Errorf("it waited until it was told to stop: %v", err)
			}
		})
	}
	t.Run("a prefix that is none", func(t *testing.T) {
		if _, err := Open(context.Background(), Config{URL: master.URL(), Prefix: "a{b"}); err == nil || !strings.Contains(err.Error(), `"a{b"`) {
			t.Errorf("got error %v", err)
		}
	})
}

// Nodes have to be able to start while a server of the cluster is down: nobody knows for how long.
func TestANodeStartsWhileAServerOfTheClusterIsDown(t *testing.T) {
	t.Parallel()
	nodes := redistest.Cluster(t, 3, 0)
	var log lines
	open := func(prefix string) *Store {
		s, err := Open(context.Background(), Config{URL: redistest.ClusterURL(nodes), Prefix: prefix, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	for _, node := range nodes {
		node.Do("CONFIG SET cluster-require-full-coverage no")
	}
	nodes[2].Kill()
	s := open("one")
	if log.count("a server of the Redis Cluster does not answer") != 1 || log.count(nodes[2].Address()) == 0 {
		t.Errorf("the log is %q", log.text())
	}
	served := 0
	for i := range 20 {
		if _, err := s.Join(context.Background(), strconv.Itoa(i), request("alice", rules())); err == nil {
			served++
		}
	}
	if served == 0 {
		t.Error("the others serve no room")
	}
	nodes[1].Do("CONFIG SET maxmemory-policy allkeys-lru")
	if _, err := Open(context.Background(), Config{URL: redistest.ClusterURL(nodes)}); err == nil || !strings.Contains(err.Error(), "allkeys-lru") {
		t.Errorf("with one that is unfit: got error %v", err)
	}
}

func TestUserPasswordAndTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	plain := redistest.New(t)
	port := strconv.Itoa(plain.Port)
	server := redistest.New(t, "--port", "0", "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no",
		"--user", "default", "off", "--user", "parley", "on", ">pass word", "~deployment:*", "&deployment:*", "+@all")
	server.Port = plain.Port
	server.Start()
	address := "rediss://parley:pass%20word@localhost:" + port + "?ca=" + cert
	s := openAs(t, address, "deployment")
	alice := s.enter(t, "room", "alice", rules())
	alice.watched()
	if _, err := Open(context.Background(), Config{URL: "rediss://parley:pass%20word@localhost:" + port}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("with an authority that is not known: got error %v", err)
	}
}

// certificate makes one for localhost, which is its own authority.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
