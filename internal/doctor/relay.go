package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/parley-rtc/parley/internal/probe"
)

// shortLife is a time for which credentials are too short: clients ask for new ones all the time.
const shortLife = 5 * time.Minute

// relayPath is a TURN URL that works, and the channel through it.
type relayPath struct {
	over string
	chn  *channel
}

func (x *examination) noTURN(_ context.Context, row *Row) {
	if !x.found.joined {
		row.skip(unjoined(x))
		return
	}
	row.warn("the server names no TURN server", "peers for whom there is no direct path have only the server to pass their messages on", "leave --no-relay away, or name a relay by --turn-url")
}

// expiry looks at how long the credentials are good.
func (x *examination) expiry(_ context.Context, row *Row) {
	if !x.found.joined {
		row.skip(unjoined(x))
		return
	}
	if len(x.found.offered) == 0 {
		row.skip("there is no TURN server, so there are none")
		return
	}
	ttl := time.Duration(x.found.first.reply.TTL * float64(time.Second))
	until, timed := expiryOf(x.found.offered[0].username)
	left := until.Sub(x.serverTime())
	switch {
	case timed && left <= 0:
		row.fail(fmt.Sprintf("the credentials that the server gives out expired %s ago, by its own clock", (-left).Round(time.Second)), "the clock of what makes them is wrong, or they come from a cache: answers have Cache-Control: no-store")
	case timed && ttl > 0 && (left-ttl).Abs() > badSkew:
		row.warn(fmt.Sprintf("good for %s by the server's word", ttl), fmt.Sprintf("by the server's clock they are good for %s: two clocks differ", left.Round(time.Second)), "set the clocks of the server and of what makes credentials by NTP")
	case ttl == 0 && !timed:
		row.pass("they do not expire")
	case ttl > 0 && ttl < shortLife:
		row.warn(fmt.Sprintf("good for %s", ttl), "that is short: a page that was asleep comes back with credentials that have expired", "give tokens that are good for longer: credentials live no longer than the session's token")
	case ttl > 0:
		row.pass(fmt.Sprintf("good for %s; clients get new ones before", ttl))
	default:
		row.pass(fmt.Sprintf("good for %s", left.Round(time.Second)))
	}
}

// serverTime is the server's clock, as far as its answers tell.
func (x *examination) serverTime() time.Time { return time.Now().Add(x.found.skew) }

// expiryOf reads when a time-limited user name expires; false: it does not say.
func expiryOf(username string) (time.Time, bool) {
	seconds, _, _ := strings.Cut(username, ":")
	at, err := strconv.ParseInt(seconds, 10, 64)
	return time.Unix(at, 0), err == nil && at > 1e9
}

// turn tests one TURN URL step by step, and then by a real data channel that may take no other path.
func (x *examination) turn(ctx context.Context, row *Row, u relayURL) {
	tripped := sync.OnceFunc(x.tripping.Done)
	defer tripped()
	if u.err != nil {
		row.fail(fmt.Sprintf("the server names %q, which is no URL: %v", u.text, u.err), "correct --turn-url of the server")
		return
	}
	target := probe.Target{
		URI: u.uri, Insecure: x.Insecure, Timeout: x.Timeout, Inside: true,
		Credentials: func(time.Duration) (string, string, error) { return u.username, u.credential, nil },
	}
	var odd []string
	failed := probe.Check(ctx, target, func(s probe.Step) {
		if s.Warning != "" && s.Name != "relayed address" { // where the relay is private so is the server
			odd = append(odd, s.Warning)
		}
	})
	if failed != nil {
		row.fail(failed.Name+": "+plain(failed.Err), x.turnCure(u, failed))
		return
	}
	connecting, cancel := context.WithTimeout(ctx, 2*x.Timeout)
	defer cancel()
	begun := time.Now()
	chn, err := x.newChannel(connecting, &u)
	if err != nil {
		row.fail("the relay answers, and a data channel through it does not open: "+plain(err),
			"are the relay's ports (--relay-ports) closed by a firewall on its own host, or does it deny its own public address as a peer?")
		return
	}
	opened := time.Since(begun)
	x.found.mu.Lock()
	x.found.relays[u.text] = &relayPath{over: u.over(), chn: chn}
	x.found.mu.Unlock()
	took := chn.trips(ctx)
	if len(took) == 0 {
		row.fail("a data channel opens through the relay, and nothing arrives on it", "does something on the way, or the relay (--relay-bits-per-address), cap the bandwidth?")
		return
	}
	tripped()
	bits, err := x.throughput(ctx, chn)
	if err != nil {
		row.fail("the data channel breaks while data goes over it: "+plain(err), "does something on the way cut long connections?")
		return
	}
	lost := tripCount - len(took)
	found := fmt.Sprintf("channel open after %s, round trip %s, %s, %d of %d packets lost", round(opened), round(took[len(took)/2]), rate(bits), lost, tripCount)
	switch {
	case len(odd) > 0:
		row.warn(found, strings.Join(odd, "; "), "see the relay's certificate and addresses")
	case lost > tripCount/20:
		row.warn(found, "packets are lost on the way to the relay and back", "the network is overloaded, or bandwidth is capped (--relay-bits-per-address)")
	default:
		row.pass(found)
	}
}

// throughput is measured of one channel at a time, and only when the small packets of all others are through: they share the way, and what the
// relay lets one address have.
func (x *examination) throughput(ctx context.Context, chn *channel) (bits float64, err error) {
	x.tripping.Wait()
	x.turns.Lock()
	defer x.turns.Unlock()
	return chn.throughput(ctx)
}

// turnCure says what helps, with what the doctor knows beside what the step does.
func (x *examination) turnCure(u relayURL, failed *probe.Step) string {
	until, timed := expiryOf(u.username)
	switch code := probe.CodeOf(failed.Err); {
	case (code == 401 || failed.Name == "allocate" && failed.Err == probe.ErrUnsigned) && timed && !until.After(x.serverTime()): //nolint:errorlint // it is not wrapped
		return fmt.Sprintf("the credentials have expired, at %s: set the clock of the server that made them, and see that its answers are not cached", until.UTC().Format(time.DateTime))
	case code == 401 && timed:
		return fmt.Sprintf("the relay does not take the credentials, though they are good until %s: its secret differs from the server's (--turn-secret), or its clock is ahead", until.UTC().Format(time.DateTime))
	case code == 401:
		return "the relay does not take the credentials: do server and relay have the same secret (--turn-secret)?"
	case u.over() == "UDP" && failed.Name == "STUN binding":
		return failed.Cure + "; clients get through over TCP or TLS if those work"
	case failed.Name == "TCP connect" && x.proxyFor() != nil:
		return failed.Cure + "; browsers would go through the HTTP proxy, which this command does not for TURN"
	}
	return failed.Cure
}

// restart has a channel restart ICE, and looks whether it carries on.
func (x *examination) restart(ctx context.Context, row *Row) {
	ctx, cancel := context.WithTimeout(ctx, 2*x.Timeout)
	defer cancel()
	if !x.found.joined {
		row.skip(unjoined(x))
		return
	}
	chn, over := x.anyChannel()
	if chn == nil {
		var err error
		if chn, err = x.newChannel(ctx, nil); err != nil {
			row.fail("two peers in this process do not connect even directly: "+plain(err), "does a firewall on this host drop UDP between its own addresses?")
			return
		}
		defer chn.close()
		over = "a channel within this host"
	}
	before := fragment(chn.left)
	begun := time.Now()
	if err := chn.negotiate(ctx, &webrtc.OfferOptions{ICERestart: true}); err != nil {
		row.fail("the restart is not negotiated: "+plain(err), "see the rows of the relay")
		return
	}
	took := chn.trips(ctx)
	switch after := fragment(chn.left); {
	case before == after:
		row.fail("nothing was restarted", "this is a fault of the doctor: please report it")
	case len(took) == 0:
		row.fail("after a restart nothing arrives on the channel any more", "see the rows of the relay: does it let one user have two allocations?")
	default:
		row.pass(fmt.Sprintf("done over %s, and the channel carried on after %s", over, round(time.Since(begun)-tripCount*tripEvery)))
	}
}

// anyChannel returns a channel through the relay, by the best of its URLs.
func (x *examination) anyChannel() (*channel, string) {
	for _, u := range x.found.offered {
		if path := x.found.relays[u.text]; path != nil {
			return path.chn, u.title()
		}
	}
	return nil, ""
}

func fragment(pc *webrtc.PeerConnection) string {
	d := pc.CurrentLocalDescription()
	if d == nil {
		return ""
	}
	_, rest, _ := strings.Cut(d.SDP, "a=ice-ufrag:")
	found, _, _ := strings.Cut(rest, "\r\n")
	return found
}

func (x *examination) closeRelays() {
	for _, path := range x.found.relays {
		path.chn.close()
	}
}

// rate is bits in a second for people.
func rate(bits float64) string {
	if bits >= 10e6 {
		return fmt.Sprintf("%.0f Mbit/s", bits/1e6)
	}
	return fmt.Sprintf("%.1f Mbit/s", bits/1e6)
}
