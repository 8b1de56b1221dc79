package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/internal/acmetest"
	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/relay/credentials"
	"github.com/parley-rtc/parley/signaling"
)

func TestOnePortForEverything(t *testing.T) {
	files := newCertFiles(t, "rtc.example")
	p := start(t, nil, "--tls-cert", files.cert, "--tls-key", files.key, "--admin-listen", ":0")
	if want := "https://rtc.example:" + p.port(t); p.url != want {
		t.Fatalf("it says to open %s, want %s:\n%s", p.url, want, p.stdout)
	}
	web := client(t, files.roots)
	reply := joinBy(t, web, p.url, "room", "")
	server := signaling.ICEServer(reply.ICEServers[1])
	urls := server.URLs
	if len(urls) != 3 || !strings.HasPrefix(urls[0], "turn:127.0.0.1:") || !strings.HasSuffix(urls[0], "?transport=udp") ||
		urls[1] != "turn:127.0.0.1:"+p.port(t)+"?transport=tcp" || urls[2] != "turns:rtc.example:"+p.port(t)+"?transport=tcp" {
		t.Fatalf("the relay is at %v", urls)
	}
	for _, u := range urls {
		if !strings.Contains(p.stdout.String(), u) {
			t.Errorf("it does not print %s:\n%s", u, p.stdout)
		}
	}

	// A WebSocket, a stream of events and requests go on over the port while it relays.
	session := fmt.Sprintf("%s/v1/rooms/room/sessions/", p.url)
	dialer := websocket.Dialer{NetDialContext: toLoopback, TLSClientConfig: &tls.Config{RootCAs: files.roots}}
	ws, _, err := dialer.Dial("wss"+strings.TrimPrefix(session+reply.Session, "https")+"/ws", http.Header{"Authorization": {"Bearer " + reply.Secret}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	second := joinBy(t, web, p.url, "room", "")
	req, err := http.NewRequest("GET", session+second.Session+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+second.Secret)
	events, err := web.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	stream := bufio.NewReader(events.Body)
	signal := func(n int) { // from the WebSocket to the stream
		t.Helper()
		frame := fmt.Sprintf(`{"kind":"signal","n":%d,"to":%q,"data":"number %d"}`, n, second.Peer, n)
		if err := ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			t.Fatal(err)
		}
		for {
			line, err := stream.ReadString('\n')
			if err != nil {
				t.Fatalf("number %d does not arrive: %v", n, err)
			}
			if strings.Contains(line, fmt.Sprintf(`"number %d"`, n)) {
				return
			}
		}
	}
	var relays []net.PacketConn
	overDTLS := strings.NewReplacer("turn:127.0.0.1", "turns:rtc.example").Replace(urls[0]) // is not told, but there
	for _, u := range append(urls, overDTLS) {
		relayed, err := relayOver(t, u, server, files.roots)
		if err != nil {
			t.Fatalf("%s: %v", u, err)
		}
		relays = append(relays, relayed)
	}
	stop := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			res, err := web.Get(p.url + "/")
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
	})
	everything := func(n int) {
		t.Helper()
		signal(n)
		for i, from := range relays {
			for j, to := range relays {
				if i != j {
					pass(t, from, to, fmt.Sprintf("from %d to %d, number %d", i, j, n))
				}
			}
		}
	}
	for n := range 5 {
		everything(n + 1)
	}
	close(stop)
	asking.Wait()

	// Another certificate comes under all that: what is open stays open, and what is new has the new one.
	files.write(t, "new.example")
	for deadline := time.Now().Add(longEnough); ; time.Sleep(50 * time.Millisecond) {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+p.port(t), &tls.Config{RootCAs: files.roots, ServerName: "new.example"})
		if err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the certificate is not replaced: %v", err)
		}
	}
	everything(6)
	renamed := strings.Replace(urls[2], "rtc.example", "new.example", 1)
	if _, err := relayOver(t, renamed, server, files.roots); err != nil {
		t.Errorf("with the new certificate: %v", err)
	}
	byIP := &http.Transport{DialContext: toLoopback, TLSClientConfig: &tls.Config{RootCAs: files.roots, ServerName: "new.example"}}
	defer byIP.CloseIdleConnections()
	if got := joinBy(t, &http.Client{Transport: byIP}, p.url, "room", "").ICEServers[1].URLs[2]; got != renamed {
		t.Errorf("clients are told of %s, want %s", got, renamed)
	}

	check := []string{"--check-health", "--listen", "127.0.0.1:" + p.port(t)}
	if err := run(t.Context(), check, func(string) string { return "" }, io.Discard); err != nil {
		t.Errorf("--check-health: %v", err)
	}
	_, text := get(t, p.adminURL(t)+"/metrics")
	for _, want := range []string{`parley_port_connections_total{protocol="turns"} 2`, `parley_port_connections_total{protocol="turn"} 1`, `protocol="https"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

func TestOnePortByACME(t *testing.T) {
	var addr string
	authority := acmetest.New(t, func(string) string { return addr })
	l, err := net.Listen("tcp", "127.0.0.1:0") // for a port, which the authority has to know
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	l.Close()
	p := start(t, nil, "--listen", addr, "--acme-domain", "rtc.example", "--acme-cache", t.TempDir(), "--acme-directory", authority.Directory())
	web := client(t, authority.Roots())
	for deadline := time.Now().Add(longEnough); ; time.Sleep(20 * time.Millisecond) {
		res, err := web.Get(p.url + "/healthz")
		if err == nil {
			res.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v; the authority: %v", err, authority.Faults())
		}
	}
	server := signaling.ICEServer(joinBy(t, web, p.url, "room", "").ICEServers[1])
	if want := "turns:rtc.example:" + p.port(t) + "?transport=tcp"; server.URLs[2] != want {
		t.Fatalf("the relay is at %v, want %s", server.URLs, want)
	}
	if _, err := relayOver(t, server.URLs[2], server, authority.Roots()); err != nil {
		t.Error(err)
	}
}

func TestAKickEndsWhatIsRelayed(t *testing.T) {
	p := start(t, nil, "--admin-listen", ":0", "--relay-bits-per-address", "0")
	admin := p.adminURL(t)
	join := func(more string) (wire.JoinReply, signaling.ICEServer) {
		reply := joinBy(t, http.DefaultClient, p.url, "room", more)
		return reply, signaling.ICEServer(reply.ICEServers[1])
	}
	alice, aliceServer := join(`,"peer":"alice"`)
	_, bobServer := join("")
	var kicked []net.PacketConn
	bob, err := relayOver(t, bobServer.URLs[0], bobServer, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range aliceServer.URLs {
		relayed, err := relayOver(t, u, aliceServer, nil)
		if err != nil {
			t.Fatal(err)
		}
		pass(t, relayed, bob, "before by "+u)
		pass(t, bob, relayed, "before by "+u)
		kicked = append(kicked, relayed)
	}
	if status, text := request(t, "DELETE", admin+"/v1/admin/rooms/room/peers/"+alice.Peer, "", ""); status != 204 {
		t.Fatalf("kick: %d %s", status, text)
	}
	for at := time.Now(); ; {
		asked := time.Since(at)
		_, text := get(t, admin+"/metrics")
		if live := regexp.MustCompile(`(?m)^parley_relay_allocations\{.*\} [1-9].*$`).FindAllString(text, -1); len(live) == 1 && strings.HasSuffix(live[0], " 1") { // bob's
			break
		}
		if asked > time.Second {
			t.Fatalf("the allocations of who was kicked still live after %v, want an end within 1 s", asked)
		}
	}
	for _, relayed := range kicked {
		_, _ = relayed.WriteTo([]byte("I am still here"), bob.LocalAddr())
	}
	_ = bob.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	buf := make([]byte, 100)
	for {
		n, _, err := bob.ReadFrom(buf)
		if err != nil {
			break
		}
		if bytes.Equal(buf[:n], []byte("I am still here")) {
			t.Error("who was kicked is relayed")
		}
	}
	if _, err := relayOver(t, aliceServer.URLs[0], aliceServer, nil); err == nil {
		t.Error("the credentials of who was kicked are still good")
	}

	// It may come back, by the same name.
	again, server := join(`,"peer":"alice"`)
	if again.Peer != alice.Peer || server.Username == aliceServer.Username {
		t.Errorf("%s is back as %s, user %s", alice.Peer, again.Peer, server.Username)
	}
	relayed, err := relayOver(t, server.URLs[1], server, nil)
	if err != nil {
		t.Fatalf("after joining again: %v", err)
	}
	pass(t, relayed, bob, "after joining again")
}

func TestAKickGivesAnotherName(t *testing.T) {
	now := time.Unix(1_795_000_000, 0)
	k := &kicks{now: func() time.Time { return now }}
	first := k.user("room", "alice")
	if got := k.kick("room", "alice"); got != first {
		t.Errorf("%s is revoked, want %s", got, first)
	}
	second := k.user("room", "alice")
	if got := k.kick("room", "alice"); got != second {
		t.Errorf("%s is revoked, want %s", got, second)
	}
	names := []string{first, second, k.user("room", "alice"), k.user("room", "bob"), k.user("other", "alice"), k.user("room", "1.alice")}
	slices.Sort(names)
	if got := slices.Compact(slices.Clone(names)); len(got) != 6 {
		t.Errorf("the names are %v, want six", names)
	}
	now = now.Add(remembered + time.Second)
	k.kick("room", "bob")
	if len(k.peers) != 1 || k.user("room", "alice") != first {
		t.Errorf("kicks of long ago are not forgotten: %v", k.peers)
	}
}

func TestWhereTheRelayIsAnnounced(t *testing.T) {
	files := newCertFiles(t, "cert.example")
	secure := []string{"--tls-cert", files.cert, "--tls-key", files.key}
	keyring, err := credentials.New("a secret")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		listening string
		args      []string
		want      string
	}{
		"on every interface":                {"[::]:8080", nil, "turn:198.51.100.7:8080?transport=tcp"},
		"on every interface of IPv4":        {"0.0.0.0:8080", nil, "turn:198.51.100.7:8080?transport=tcp"},
		"on the public address":             {"198.51.100.7:8080", nil, "turn:198.51.100.7:8080?transport=tcp"},
		"on an address behind a NAT":        {"10.0.0.5:8080", nil, "turn:198.51.100.7:8080?transport=tcp"},
		"on loopback":                       {"127.0.0.1:8080", nil, ""},
		"on loopback of IPv6":               {"[::1]:8080", nil, ""},
		"on IPv6 alone":                     {"[2001:db8::1]:8080", nil, ""},
		"on loopback, insisting":            {"127.0.0.1:8080", []string{"--turn-on-listen", "yes"}, "turn:198.51.100.7:8080?transport=tcp"},
		"not wanted":                        {"[::]:8080", []string{"--turn-on-listen", "no"}, ""},
		"with a certificate":                {"[::]:443", secure, "turn:198.51.100.7:443?transport=tcp turns:cert.example:443?transport=tcp"},
		"with a public URL":                 {"[::]:80", []string{"--public-url", "http://rtc.example"}, "turn:198.51.100.7:80?transport=tcp"},
		"with both":                         {"[::]:443", slices.Concat(secure, []string{"--public-url", "https://rtc.example/x"}), "turn:198.51.100.7:443?transport=tcp turns:rtc.example:443?transport=tcp"},
		"a public URL of an address":        {"[::]:443", slices.Concat(secure, []string{"--public-url", "https://198.51.100.7"}), "turn:198.51.100.7:443?transport=tcp turns:cert.example:443?transport=tcp"},
		"a public URL of another port":      {"[::]:8080", []string{"--public-url", "http://rtc.example"}, ""},
		"TLS that ends elsewhere":           {"[::]:443", []string{"--public-url", "https://rtc.example"}, ""},
		"a certificate for nobody":          {"[::]:80", slices.Concat(secure, []string{"--public-url", "http://rtc.example"}), ""},
		"behind a proxy":                    {"[::]:8080", []string{"--trusted-proxy", "10.0.0.1"}, ""},
		"behind a proxy that passes TCP on": {"[::]:8080", []string{"--trusted-proxy", "10.0.0.1", "--proxy-protocol"}, "turn:198.51.100.7:8080?transport=tcp"},
		"TLS that ends at a balancer, insisting": {
			"[::]:8080", []string{"--turn-on-listen", "yes", "--public-url", "https://rtc.example"}, "turns:rtc.example:443?transport=tcp",
		},
		"a balancer's other port, insisting": {
			"[::]:8443", slices.Concat(secure, []string{"--turn-on-listen", "yes", "--public-url", "https://rtc.example"}),
			"turn:rtc.example:443?transport=tcp turns:rtc.example:443?transport=tcp",
		},
	} {
		args := append([]string{"--public-ip", "198.51.100.7"}, c.args...)
		f, err := parseFlags(args, func(string) string { return "" }, io.Discard)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		certificates, err := f.Certificates(f.Logger(io.Discard))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f.RelayListen = "127.0.0.1:0"
		own, err := startRelay(f, keyring, certificates, f.Logger(io.Discard))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(f.urlsOnListen(own, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.listening)), certificates), " ")
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		_ = own.Close()
		if got := f.urlsOnListen(relayService{}, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.listening)), certificates); got != nil {
			t.Errorf("%s, without a relay: got %q", name, got)
		}
	}
}

func TestACertificateThatNobodyTakesIsNotAnnounced(t *testing.T) {
	keyring, err := credentials.New("a secret")
	if err != nil {
		t.Fatal(err)
	}
	const inClear = "turn:198.51.100.7:443?transport=tcp"
	for name, c := range map[string]struct {
		names     []string
		publicURL string
		secured   string // the URL of TLS; "": none
		warning   string
	}{
		"a name":                       {[]string{"rtc.example"}, "", "turns:rtc.example:443?transport=tcp", ""},
		"a wildcard before a name":     {[]string{"*.example", "rtc.example"}, "", "turns:rtc.example:443?transport=tcp", ""},
		"only a wildcard":              {[]string{"*.rtc.example"}, "", "", "198.51.100.7"},
		"a wildcard with a public URL": {[]string{"*.rtc.example"}, "https://a.rtc.example", "turns:a.rtc.example:443?transport=tcp", ""},
		"only a common name":           {[]string{"CN=rtc.example"}, "", "", "198.51.100.7"},
		"the address":                  {[]string{"198.51.100.7"}, "", "turns:198.51.100.7:443?transport=tcp", ""},
		"another address":              {[]string{"198.51.100.8"}, "", "", "198.51.100.7"},
		"a public URL of another name": {[]string{"rtc.example"}, "https://two.example", "turns:two.example:443?transport=tcp", "two.example"},
	} {
		files := newCertFiles(t, c.names...)
		args := []string{"--public-ip", "198.51.100.7", "--relay-listen", "127.0.0.1:0", "--tls-cert", files.cert, "--tls-key", files.key}
		if c.publicURL != "" {
			args = append(args, "--public-url", c.publicURL)
		}
		f, err := parseFlags(args, func(string) string { return "" }, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		certificates, err := f.Certificates(f.Logger(&log))
		if err != nil {
			t.Fatal(err)
		}
		own, err := startRelay(f, keyring, certificates, f.Logger(io.Discard))
		if err != nil {
			t.Fatal(err)
		}
		got := f.urlsOnListen(own, &net.TCPAddr{IP: net.IPv6unspecified, Port: 443}, certificates)
		if want := strings.TrimSpace(inClear + " " + c.secured); strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", name, got, want)
		}
		_ = own.Close()
		f.warnOfName(certificates, f.Logger(&log))
		if said := log.String(); (said != "") != (c.warning != "") || !strings.Contains(said, c.warning) {
			t.Errorf("%s: the log says %q, want %q", name, said, c.warning)
		}
	}
}
