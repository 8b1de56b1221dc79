package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/internal/wire"
)

func TestEveryLimitIsAFlagAndAVariableAndIsTold(t *testing.T) {
	want := wire.Limits{
		Frame: 5000, Broadcast: 4000, Name: 30, Meta: 200, Peers: 10, PerAddress: 9, MailboxFrames: 100, MailboxBytes: 100_000,
		Rate: 20_000, Burst: 60_000, JoinRate: 7, JoinBurst: 70,
	}
	values := map[string]int{
		"max-frame": want.Frame, "max-broadcast": want.Broadcast, "max-name": want.Name, "max-meta": want.Meta, "max-peers": want.Peers,
		"max-per-address": want.PerAddress, "max-mailbox-frames": want.MailboxFrames, "max-mailbox-bytes": want.MailboxBytes,
		"rate": want.Rate, "rate-burst": want.Burst, "join-rate": want.JoinRate, "join-burst": want.JoinBurst,
	}
	args, env := []string{"--no-relay"}, map[string]string{}
	for name, value := range values {
		args = append(args, fmt.Sprintf("--%s=%d", name, value))
		env["PARLEY_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = fmt.Sprint(value)
	}
	if got := join(t, start(t, nil, args...).url, "room").Limits; got != want {
		t.Errorf("by flags: got %+v, want %+v", got, want)
	}
	if got := join(t, start(t, env, "--no-relay").url, "room").Limits; got != want {
		t.Errorf("by variables: got %+v, want %+v", got, want)
	}
}

// try joins a room, and returns the status and the code of a refusal.
func try(t *testing.T, client *http.Client, url, room, forwarded string) (int, wire.Code) {
	t.Helper()
	body := fmt.Sprintf(`{"attempt":"attempt-%022d","instance":"i"}`, time.Now().UnixNano())
	req, err := http.NewRequest("POST", url+"/v1/rooms/"+room+"/sessions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if forwarded != "" {
		req.Header.Set("X-Forwarded-For", forwarded)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var reply wire.ErrorReply
	if json.NewDecoder(res.Body).Decode(&reply); reply.Error == nil {
		reply.Error = &wire.Error{}
	}
	return res.StatusCode, reply.Error.Code
}

func TestAddressesBehindAProxy(t *testing.T) {
	trusting := start(t, nil, "--no-relay", "--max-per-address", "1", "--trusted-proxy", "127.0.0.1")
	plain := start(t, nil, "--no-relay", "--max-per-address", "1")
	for _, c := range []struct {
		p         *program
		forwarded string
		want      int
	}{
		{trusting, "203.0.113.1", 201},
		{trusting, "203.0.113.2", 201},
		{trusting, "203.0.113.1", 429},
		{trusting, "203.0.113.3, 203.0.113.1", 429},
		{trusting, "2001:db8::1", 201},
		{trusting, "2001:db8::2", 429},
		{plain, "203.0.113.1", 201},
		{plain, "203.0.113.2", 429}, // forged: nobody said that it is a proxy's
	} {
		if got, code := try(t, http.DefaultClient, c.p.url, "room", c.forwarded); got != c.want {
			t.Errorf("as %s: got %d %s, want %d", c.forwarded, got, code, c.want)
		}
	}
}

// Links go on through the PROXY protocol, and addresses are those that it says.
func TestTheProxyProtocol(t *testing.T) {
	p := start(t, nil, "--no-relay", "--max-per-address", "1", "--trusted-proxy", "127.0.0.0/8", "--proxy-protocol")
	type dial = func(ctx context.Context, network, addr string) (net.Conn, error)
	from := func(address string) dial {
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil {
				_, err = fmt.Fprintf(conn, "PROXY TCP4 %s 192.0.2.1 4711 80\r\n", address)
			}
			return conn, err
		}
	}
	as := func(address string) *http.Client {
		return &http.Client{Transport: &http.Transport{DialContext: from(address), DisableKeepAlives: true}}
	}
	if got, _ := try(t, as("203.0.113.2"), p.url, "room", ""); got != 201 {
		t.Fatalf("got %d", got)
	}
	if got, code := try(t, as("203.0.113.2"), p.url, "room", ""); code != wire.TooManySessions {
		t.Errorf("of the same address: got %d %s", got, code)
	}
	reply := join(t, p.url, "room") // the proxy's own
	url := fmt.Sprintf("%s/v1/rooms/room/sessions/%s", p.url, reply.Session)
	header := http.Header{"Authorization": {"Bearer " + reply.Secret}}

	dialer := websocket.Dialer{NetDialContext: from("203.0.113.3")}
	ws, _, err := dialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/ws", header)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	var hello wire.Downlink
	if err := ws.ReadJSON(&hello); err != nil || hello.Kind != wire.KindHello {
		t.Errorf("got %+v, %v", hello, err)
	}
	req, err := http.NewRequest("GET", url+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	res, err := as("203.0.113.4").Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	first := make([]byte, 16)
	if _, err := io.ReadFull(res.Body, first); err != nil || !strings.HasPrefix(string(first), "data: {") {
		t.Errorf("events begin with %q, %v", first, err)
	}
}

func TestConnectionsOfOneAddress(t *testing.T) {
	p := start(t, nil, "--no-relay", "--max-connections", "3")
	var refused error
	for range 10 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			refused = err
			break
		}
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		var timeout net.Error
		if _, err = conn.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
			refused = err
			break
		}
	}
	if refused == nil {
		t.Error("ten connections are open, want three")
	}
}
