package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"

	"github.com/parley-rtc/parley/internal/wire"
)

// caller is a peer that signals through a program and has one data channel.
type caller struct {
	*testing.T
	wire.JoinReply
	ws       *websocket.Conn
	pc       *webrtc.PeerConnection
	outbox   chan wire.Downlink // To and Data of what is to be signaled
	channel  *webrtc.DataChannel
	open     chan struct{}
	messages chan string
	done     chan struct{} // closed when the reader has ended
}

// call joins a room and opens a link.
func call(t *testing.T, p *program, room string, policy webrtc.ICETransportPolicy) *caller {
	t.Helper()
	c := &caller{
		T: t, JoinReply: join(t, p.url, room),
		open: make(chan struct{}), messages: make(chan string, 100),
		done: make(chan struct{}), outbox: make(chan wire.Downlink, 100),
	}
	url := fmt.Sprintf("ws%s/v1/rooms/%s/sessions/%s/ws", strings.TrimPrefix(p.url, "http"), room, c.Session)
	ws, _, err := websocket.DefaultDialer.Dial(url, http.Header{"Authorization": {"Bearer " + c.Secret}})
	if err != nil {
		t.Fatal(err)
	}
	c.ws = ws
	settings := webrtc.SettingEngine{LoggerFactory: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	settings.SetRelayAcceptanceMinWait(0)
	config := webrtc.Configuration{ICETransportPolicy: policy}
	for _, s := range c.ICEServers {
		config.ICEServers = append(config.ICEServers, webrtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	if c.pc, err = webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(config); err != nil {
		t.Fatal(err)
	}
	negotiated, id := true, uint16(1)
	if c.channel, err = c.pc.CreateDataChannel("text", &webrtc.DataChannelInit{Negotiated: &negotiated, ID: &id}); err != nil {
		t.Fatal(err)
	}
	c.channel.OnOpen(func() { close(c.open) })
	c.channel.OnMessage(func(m webrtc.DataChannelMessage) { c.messages <- string(m.Data) })
	go c.write()
	go c.read()
	t.Cleanup(func() {
		if err := c.pc.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		_ = ws.Close()
		<-c.done
		close(c.outbox)
	})
	return c
}

func (c *caller) write() {
	n := 0
	for out := range c.outbox {
		n++
		if c.ws.WriteJSON(map[string]any{"kind": wire.KindSignal, "n": n, "to": out.To, "data": out.Data}) != nil {
			return // the test is over, or its reader says what is wrong
		}
	}
}

func (c *caller) send(to string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		c.Error(err)
		return
	}
	c.outbox <- wire.Downlink{To: to, Data: data}
}

// read takes what comes. The one who was there first is offered to by who comes later.
func (c *caller) read() {
	defer close(c.done)
	for {
		var d wire.Downlink
		if c.ws.ReadJSON(&d) != nil {
			return
		}
		switch d.Kind {
		case wire.KindSignal:
			if err := c.receive(d); err != nil {
				c.Errorf("%s: %v", c.Peer, err)
			}
		case wire.KindRefused:
			c.Errorf("%s was refused: %+v", c.Peer, d)
		}
	}
}

func (c *caller) receive(d wire.Downlink) error {
	var description webrtc.SessionDescription
	if err := json.Unmarshal(d.Data, &description); err != nil {
		return err
	}
	if err := c.pc.SetRemoteDescription(description); err != nil {
		return err
	}
	if description.Type != webrtc.SDPTypeOffer {
		return nil
	}
	answer, err := c.pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	return c.describe(d.From, answer)
}

// describe sends a description with all its candidates.
func (c *caller) describe(to string, description webrtc.SessionDescription) error {
	gathered := webrtc.GatheringCompletePromise(c.pc)
	if err := c.pc.SetLocalDescription(description); err != nil {
		return err
	}
	select {
	case <-gathered:
	case <-time.After(10 * time.Second):
		return errors.New("gathering does not end")
	}
	c.send(to, c.pc.LocalDescription())
	return nil
}

func TestPeersReachEachOther(t *testing.T) {
	p := start(t, nil)
	for name, policy := range map[string]webrtc.ICETransportPolicy{
		"directly":          webrtc.ICETransportPolicyAll,
		"through the relay": webrtc.ICETransportPolicyRelay,
	} {
		t.Run(name, func(t *testing.T) {
			room := strings.ReplaceAll(name, " ", "-")
			alice := call(t, p, room, policy)
			bob := call(t, p, room, policy)
			offer, err := bob.pc.CreateOffer(nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := bob.describe(bob.Peers[0].Peer, offer); err != nil {
				t.Fatal(err)
			}
			for _, c := range []*caller{alice, bob} {
				select {
				case <-c.open:
				case <-time.After(15 * time.Second):
					t.Fatalf("the channel does not open; %s is %v", c.Peer, c.pc.ICEConnectionState())
				}
			}
			const messages = 50
			for i := range messages {
				for _, c := range []*caller{alice, bob} {
					if err := c.channel.SendText(fmt.Sprint(c.Peer, i)); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, pair := range [][2]*caller{{alice, bob}, {bob, alice}} {
				for i := range messages {
					select {
					case got := <-pair[0].messages:
						if want := fmt.Sprint(pair[1].Peer, i); got != want {
							t.Fatalf("got %q, want %q", got, want)
						}
					case <-time.After(10 * time.Second):
						t.Fatalf("message %d does not come", i)
					}
				}
			}
			pair, err := bob.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
			if err != nil || pair == nil {
				t.Fatalf("no selected pair: %v", err)
			}
			relayed := pair.Local.Typ == webrtc.ICECandidateTypeRelay
			if relayed != (policy == webrtc.ICETransportPolicyRelay) {
				t.Errorf("the pair is %v", pair)
			}
		})
	}
}

func TestSIGTERMTellsClientsAndStopsInTime(t *testing.T) {
	p := start(t, nil)
	alice := call(t, p, "room", webrtc.ICETransportPolicyRelay)
	gathered := webrtc.GatheringCompletePromise(alice.pc)
	offer, err := alice.pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := alice.pc.SetLocalDescription(offer); err != nil { // makes an allocation
		t.Fatal(err)
	}
	<-gathered
	// A request that never ends must not hold it up, nor make it fail.
	slow, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := slow.Write([]byte("POST /v1/rooms/room/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	p.stop()
	select {
	case <-alice.done: // the server closed the link
	case <-time.After(5 * time.Second):
		t.Error("the link is not closed")
	}
	select {
	case err := <-p.done:
		if err != nil {
			t.Errorf("run: %v", err)
		}
		p.done <- nil
	case <-time.After(10 * time.Second):
		t.Fatal("it does not stop in 10 s")
	}
	t.Logf("stopped after %v", time.Since(began))
}
