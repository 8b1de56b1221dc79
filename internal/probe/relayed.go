package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// channel is the number that both clients use, each for the other.
const channel = 0x4000

const (
	packets     = 50                    // of the round trip
	packetEvery = 10 * time.Millisecond // 100 a second, as a call's audio and some more
	packetSize  = 200                   // bytes
)

// forEver is longer than two clocks differ.
const forEver = 10 * 365 * 24 * time.Hour

func (c *check) allocate(s *Step) {
	s.Name = "allocate"
	ctx, cancel := c.bounded()
	defer cancel()
	err := c.allocateWith(ctx, c.first, 0, c.TTL)
	if CodeOf(err) == 440 {
		c.six = true
		err = c.allocateWith(ctx, c.first, 0, c.TTL)
	}
	if err != nil {
		s.fail(err, c.allocateCure(ctx, err))
		return
	}
	s.Found = "relayed " + c.relayed[0].String()
}

// allocateWith makes the allocation of one of the clients.
func (c *check) allocateWith(ctx context.Context, client *Client, n int, ttl time.Duration) error {
	username, password, err := c.Credentials(ttl)
	if err != nil {
		return err
	}
	client.As(username, password)
	relayed, err := client.Allocate(ctx, c.six)
	if err == nil {
		c.relayed[n] = relayed
	}
	return err
}

// allocateCure says what is probably wrong.
func (c *check) allocateCure(ctx context.Context, err error) string {
	switch CodeOf(err) {
	case 401:
		if !c.Minted {
			return "the relay does not know this user, or with another password"
		}
		// Credentials that are good nearly for ever tell a wrong clock from a wrong secret.
		if c.allocateWith(ctx, c.first, 0, forEver) == nil {
			return fmt.Sprintf("the secret is right, but the clocks of this host and the relay differ by more than %v: it takes our credentials for expired", c.TTL)
		}
		return "the secret differs from the relay's, or its clock is wrong by years"
	case 486:
		return "this user or this address has as many allocations as it may"
	case 508:
		return "the relay has no more room: are its ports (--ports) used up, or does it shut down?"
	case 300:
		return "the relay is shutting down and sends clients elsewhere"
	case 442:
		return "the server does not relay UDP"
	case 403:
		return "the server forbids this client to allocate"
	}
	switch {
	case errors.Is(err, ErrNonces):
		return "several servers share the address without sharing their nonces, or this host's address changes from packet to packet"
	case errors.Is(err, ErrUnsigned):
		return "something between here and the relay changes messages, or the password is wrong"
	case errors.Is(err, ErrSilent):
		return "short packets pass and longer ones do not (a firewall that reads STUN?), or the answer is lost"
	}
	return "the server does not do TURN as it should (RFC 8656)"
}

func (c *check) allocateSecond(s *Step) {
	s.Name = "second allocation"
	ctx, cancel := c.bounded()
	defer cancel()
	client, err := c.another()
	if err == nil {
		c.second = client
		if err = client.Challenge(ctx); err == nil {
			err = c.allocateWith(ctx, client, 1, c.TTL)
		}
	}
	if err != nil {
		s.fail(err, c.allocateCure(ctx, err))
		return
	}
	s.Found = "relayed " + c.relayed[1].String()
}

// both does something with each of the two clients, and the other one's relayed address.
func (c *check) both(s *Step, cure string, f func(ctx context.Context, client *Client, peer netip.AddrPort) error) {
	ctx, cancel := c.bounded()
	defer cancel()
	for n, client := range []*Client{c.first, c.second} {
		if err := f(ctx, client, c.relayed[1-n]); err != nil {
			switch CodeOf(err) {
			case 403:
				cure = fmt.Sprintf("the relay denies %v as a peer, which is its own relayed address: look for a rule that does (--deny-peer, --peers-file), or "+
					"its public address is not what it takes for it (--public-ip)", c.relayed[1-n].Addr())
			case 437:
				cure = "the relay does not know the allocation any more: is there a NAT on the way that changes ports, or are there several servers behind the address?"
			}
			s.fail(err, cure)
			return
		}
	}
}

func (c *check) permit(s *Step) {
	s.Name = "permission"
	c.both(s, "the server does not do permissions as it should (RFC 8656 section 10)", func(ctx context.Context, client *Client, peer netip.AddrPort) error {
		return client.Permit(ctx, peer)
	})
}

func (c *check) bind(s *Step) {
	s.Name = "channel"
	c.both(s, "the server does not do channels as it should (RFC 8656 section 12)", func(ctx context.Context, client *Client, peer netip.AddrPort) error {
		return client.Bind(ctx, channel, peer)
	})
}

// exchange sends packets from one client by way of both relayed addresses to the other, and back.
func (c *check) exchange(s *Step) {
	s.Name = "relay to relay"
	echoed := make(chan struct{})
	go func() {
		defer close(echoed)
		for {
			p, err := c.second.ReadData(channel, time.Now().Add(time.Minute))
			if err != nil || c.second.SendData(channel, p, time.Now().Add(c.Timeout)) != nil {
				return
			}
		}
	}()
	begun := time.Now()
	sent := make(chan error, 1)
	go func() { sent <- c.sendAll(begun) }()
	times, err := c.receiveAll(begun, sent)
	c.endEcho(echoed)
	lost := packets - len(times)
	switch {
	case err != nil:
		s.fail(err, "the connection to the relay ended while data went over it")
		return
	case len(times) == 0:
		s.fail(fmt.Errorf("all %d packets are lost", packets), "requests are answered, but data is not relayed: is bandwidth capped (--bits…), or do the relay's ports lead elsewhere?")
		return
	}
	slices.Sort(times)
	s.Found = fmt.Sprintf("%d of %d packets lost, round trip %v, at most %v", lost, packets,
		times[len(times)/2].Round(10*time.Microsecond), times[len(times)-1].Round(10*time.Microsecond))
	switch {
	case lost > packets/10:
		s.fail(fmt.Errorf("%d of %d packets are lost", lost, packets), "the network to the relay, or the relay, is overloaded, or bandwidth is capped (--bits…)")
	case lost > 0:
		s.Warning = "packets are lost"
	}
}

// sendAll sends the packets, each with its number and when it was sent.
func (c *check) sendAll(begun time.Time) error {
	ticker := time.NewTicker(packetEvery)
	defer ticker.Stop()
	for n := range packets {
		payload := make([]byte, packetSize)
		binary.BigEndian.PutUint32(payload, uint32(n))
		binary.BigEndian.PutUint64(payload[4:], uint64(time.Since(begun)))
		if err := c.first.SendData(channel, payload, time.Now().Add(c.Timeout)); err != nil {
			return err
		}
		<-ticker.C
	}
	return nil
}

// receiveAll waits for the packets to come back, as long as a step may take after the last was sent. It returns how long each took.
func (c *check) receiveAll(begun time.Time, sent <-chan error) (times []time.Duration, failure error) {
	const slice = 50 * time.Millisecond // after so long it looks whether all are sent
	seen := make(map[uint32]bool)
	var end time.Time // zero: not all are sent
	for {
		if len(times) == packets || !end.IsZero() && !time.Now().Before(end) || c.ctx.Err() != nil {
			if end.IsZero() {
				failure = <-sent
			}
			return times, failure
		}
		if end.IsZero() {
			select {
			case failure = <-sent:
				end = time.Now().Add(c.Timeout)
			default:
			}
		}
		p, err := c.first.ReadData(channel, time.Now().Add(slice))
		switch {
		case err == nil:
		case isTimeout(err):
			continue
		default:
			if end.IsZero() {
				failure = <-sent
			}
			return times, errors.Join(failure, err)
		}
		if len(p) != packetSize {
			continue
		}
		if n := binary.BigEndian.Uint32(p); n < packets && !seen[n] {
			seen[n] = true
			times = append(times, time.Since(begun)-time.Duration(binary.BigEndian.Uint64(p[4:])))
		}
	}
}

// endEcho has the reader of the second client's data give up, whatever deadline it sets.
func (c *check) endEcho(echoed <-chan struct{}) {
	for {
		_ = c.second.conn.SetReadDeadline(time.Now()) // a closed connection has ended it already
		select {
		case <-echoed:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func (c *check) refresh(s *Step) {
	s.Name = "refresh"
	c.both(s, "the server does not do refreshes as it should (RFC 8656 section 8)", func(ctx context.Context, client *Client, _ netip.AddrPort) error {
		return client.Refresh(ctx, 600)
	})
}

func (c *check) deallocate(s *Step) {
	s.Name = "deallocate"
	c.both(s, "the server keeps what is given back until it expires", func(ctx context.Context, client *Client, peer netip.AddrPort) error {
		if err := client.Refresh(ctx, 0); err != nil {
			return err
		}
		if err := client.Permit(ctx, peer); CodeOf(err) != 437 {
			return fmt.Errorf("there is an allocation still: a permission is answered with %w", orSuccess(err))
		}
		return nil
	})
	c.done = s.Err == nil
}

func orSuccess(err error) error {
	if err == nil {
		return errors.New("success")
	}
	return err
}
