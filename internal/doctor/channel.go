package doctor

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"
)

const (
	tripCount = 50
	tripEvery = 10 * time.Millisecond
	bulkBytes = 1 << 20                 // what is sent to measure throughput,
	bulkTime  = 1500 * time.Millisecond // or as much of it as goes in this time
	bulkChunk = 16 << 10
	highWater = 256 << 10
)

// channel is a pair of peers in this process, and two data channels between them: one that loses nothing, and one that sends nothing twice.
type channel struct {
	left, right *webrtc.PeerConnection
	sure, quick *webrtc.DataChannel // the left end of both

	opened   chan struct{} // closed when all ends are open
	failed   chan struct{} // closed when a connection has failed
	answered chan []byte   // what the right end sent back on quick
	received atomic.Int64  // bytes at the right end of sure
	drained  chan struct{} // capacity 1; the left end of sure has room again
}

// newChannel makes the pair and has it connect; by nothing but the URL if there is one, else directly within this host.
func (x *examination) newChannel(ctx context.Context, by *relayURL) (*channel, error) {
	settings := webrtc.SettingEngine{LoggerFactory: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetRelayAcceptanceMinWait(0)
	settings.SetICEProxyDialer(turnDialer{ctx: context.WithoutCancel(ctx), x: x, by: by})
	config := webrtc.Configuration{}
	if by != nil {
		config.ICETransportPolicy = webrtc.ICETransportPolicyRelay
		config.ICEServers = []webrtc.ICEServer{{URLs: []string{by.uri.String()}, Username: by.username, Credential: by.credential}}
	}
	c := &channel{opened: make(chan struct{}), failed: make(chan struct{}), answered: make(chan []byte, tripCount), drained: make(chan struct{}, 1)}
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings))
	var err error
	if c.left, err = api.NewPeerConnection(config); err != nil {
		return nil, err
	}
	if c.right, err = api.NewPeerConnection(config); err != nil {
		_ = c.left.Close()
		return nil, err
	}
	if err := c.open(); err != nil {
		c.close()
		return nil, err
	}
	if err := c.negotiate(ctx, nil); err != nil {
		c.close()
		return nil, err
	}
	select {
	case <-c.opened:
		return c, nil
	case <-c.failed:
		err = errors.New("the connection fails")
	case <-ctx.Done():
		err = errors.New("no connection in time")
	}
	c.close()
	return nil, err
}

// open makes the data channels.
func (c *channel) open() error {
	var open atomic.Int32
	ready := func() {
		if open.Add(1) == 4 {
			close(c.opened)
		}
	}
	var failed atomic.Bool
	for _, pc := range []*webrtc.PeerConnection{c.left, c.right} {
		pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
			if state == webrtc.PeerConnectionStateFailed && failed.CompareAndSwap(false, true) {
				close(c.failed)
			}
		})
		agreed, never := true, uint16(0)
		for id, ordered := range []bool{true, false} {
			number := uint16(id)
			init := &webrtc.DataChannelInit{Negotiated: &agreed, ID: &number, Ordered: &ordered}
			if !ordered {
				init.MaxRetransmits = &never
			}
			dc, err := pc.CreateDataChannel("doctor", init)
			if err != nil {
				return err
			}
			dc.OnOpen(ready)
			c.wire(dc, pc == c.left, ordered)
		}
	}
	return nil
}

// wire says what an end does with what it gets.
func (c *channel) wire(dc *webrtc.DataChannel, left, ordered bool) {
	switch {
	case left && ordered:
		c.sure = dc
		dc.SetBufferedAmountLowThreshold(highWater / 4)
		dc.OnBufferedAmountLow(func() {
			select {
			case c.drained <- struct{}{}:
			default:
			}
		})
	case left:
		c.quick = dc
		dc.OnMessage(func(m webrtc.DataChannelMessage) {
			select {
			case c.answered <- m.Data:
			default:
			}
		})
	case ordered:
		dc.OnMessage(func(m webrtc.DataChannelMessage) { c.received.Add(int64(len(m.Data))) })
	default:
		dc.OnMessage(func(m webrtc.DataChannelMessage) { _ = dc.Send(m.Data) }) // lost if it cannot be sent, which is what is measured
	}
}

// negotiate passes the descriptions between the two, with all their candidates.
func (c *channel) negotiate(ctx context.Context, options *webrtc.OfferOptions) error {
	offer, err := c.left.CreateOffer(options)
	if err != nil {
		return err
	}
	if offer, err = described(ctx, c.left, offer); err != nil {
		return err
	}
	if err := c.right.SetRemoteDescription(offer); err != nil {
		return err
	}
	answer, err := c.right.CreateAnswer(nil)
	if err != nil {
		return err
	}
	if answer, err = described(ctx, c.right, answer); err != nil {
		return err
	}
	return c.left.SetRemoteDescription(answer)
}

// described sets a description and returns it with the candidates.
func described(ctx context.Context, pc *webrtc.PeerConnection, d webrtc.SessionDescription) (webrtc.SessionDescription, error) {
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(d); err != nil {
		return d, err
	}
	select {
	case <-gathered:
		return *pc.LocalDescription(), nil
	case <-ctx.Done():
		return d, errors.New("no candidates in time")
	}
}

// trips sends small messages there and back. It returns how long each took that came back.
func (c *channel) trips(ctx context.Context) (took []time.Duration) {
	begun := time.Now()
	ticker := time.NewTicker(tripEvery)
	defer ticker.Stop()
	sent, end := 0, time.Time{}
	for len(took) < tripCount && ctx.Err() == nil && (end.IsZero() || time.Now().Before(end)) {
		select {
		case <-ticker.C:
			if sent == tripCount {
				continue
			}
			_ = c.quick.Send(binary.BigEndian.AppendUint64(make([]byte, 0, 200), uint64(time.Since(begun)))) // a loss if not
			if sent++; sent == tripCount {
				end = time.Now().Add(time.Second)
			}
		case m := <-c.answered:
			if len(m) >= 8 {
				took = append(took, time.Since(begun)-time.Duration(binary.BigEndian.Uint64(m)))
			}
		}
	}
	slices.Sort(took)
	return took
}

// throughput returns how many bits a second went from left to right.
func (c *channel) throughput(ctx context.Context) (bits float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, bulkTime)
	defer cancel()
	chunk := make([]byte, bulkChunk)
	before, begun := c.received.Load(), time.Now()
	for sent := 0; sent < bulkBytes && ctx.Err() == nil; sent += len(chunk) {
		for c.sure.BufferedAmount() > highWater && ctx.Err() == nil {
			select {
			case <-c.drained:
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		if err := c.sure.Send(chunk); err != nil {
			return 0, err
		}
	}
	for ctx.Err() == nil && c.received.Load()-before < bulkBytes {
		time.Sleep(time.Millisecond)
	}
	return float64((c.received.Load()-before)*8) / time.Since(begun).Seconds(), nil
}

// close ends both.
func (c *channel) close() {
	for _, pc := range []*webrtc.PeerConnection{c.left, c.right} {
		_ = pc.GracefulClose() // they are of no more use
	}
}

// turnDialer connects to a relay over TCP or TLS, with the certificates that the examination takes.
type turnDialer struct {
	ctx context.Context // does not end: a restart dials again
	x   *examination
	by  *relayURL
}

// Dial implements proxy.Dialer.
func (d turnDialer) Dial(network, addr string) (net.Conn, error) {
	if d.by == nil {
		return nil, errors.New("no relay is to be used")
	}
	ctx, cancel := context.WithTimeout(d.ctx, d.x.Timeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil || !d.by.uri.IsSecure() {
		return conn, err
	}
	secured := tls.Client(conn, &tls.Config{ServerName: d.by.uri.Host, InsecureSkipVerify: d.x.Insecure, NextProtos: []string{"stun.turn"}})
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return secured, nil
}
