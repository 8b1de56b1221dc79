package doctor

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

const (
	// oddSkew is how far clocks may differ before it is worth a word, and badSkew before it breaks things: tokens, credentials and certificates.
	oddSkew = 30 * time.Second
	badSkew = 5 * time.Minute
	// soon is how near the end of a certificate is a reason to warn.
	soon = 14 * 24 * time.Hour
)

// reach asks the server for its health.
func (x *examination) reach(ctx context.Context, row *Row) {
	ctx, cancel := context.WithTimeout(ctx, x.Timeout)
	defer cancel()
	began := time.Now()
	body, _, err := x.ask(ctx, http.MethodGet, "/healthz", "", nil)
	took := time.Since(began)
	by := ""
	if proxy := x.proxyFor(); proxy != nil {
		by = ", through the HTTP proxy " + proxy.Host
	}
	var no *refused
	switch {
	case errors.As(err, &no) && no.status == http.StatusProxyAuthRequired:
		row.fail("the HTTP proxy asks for a password (407)", "write it into the proxy's URL: HTTP_PROXY=http://NAME:PASSWORD@HOST:PORT")
		return
	case errors.As(err, &no) && no.status >= 500:
		row.fail(fmt.Sprintf("what is in front of the server, or the server, answers with status %d", no.status),
			"is the server running behind its proxy, and on the port that the proxy knows?")
		return
	case errors.As(err, &no) && no.status == http.StatusNotFound:
		x.found.server = true // an embedded one need not have it; the join will tell
		if !x.speaks(ctx) {
			row.warn(fmt.Sprintf("answers after %s%s", round(took), by), "something that is not a Parley server answers (status 404)", "is the URL the server's, with its path if it has one?")
			return
		}
		row.pass(fmt.Sprintf("answers after %s, and has no /healthz%s", round(took), by))
		return
	case errors.As(err, &no):
		row.fail(fmt.Sprintf("status %d instead of the server's health", no.status), "something in front of the server, such as a login page or a firewall, answers in its place")
		return
	case err != nil:
		row.fail(x.why(err))
		return
	}
	x.found.server = true
	var health struct{ Status, Version string }
	if json.Unmarshal(body, &health) != nil || health.Status == "" {
		row.warn(fmt.Sprintf("answers after %s%s", round(took), by), fmt.Sprintf("something that is not a Parley server answers (%.40q)", strings.TrimSpace(string(body))),
			"is the URL the server's, or does a login page answer for the network?")
		return
	}
	version := ""
	if health.Version != "" {
		version = ", version " + clip(health.Version)
	}
	row.pass(fmt.Sprintf("health %s after %s%s%s", clip(health.Status), round(took), version, by))
	if _, _, err := x.ask(ctx, http.MethodGet, "/readyz", "", nil); errors.As(err, &no) && no.status == http.StatusServiceUnavailable {
		row.warn(row.Found, "the server is shutting down or starting: it takes no new peers", "wait until it is ready (/readyz)")
	}
}

// speaks says whether the server refuses in the protocol's words what no Parley server has.
func (x *examination) speaks(ctx context.Context) bool {
	_, _, err := x.ask(ctx, http.MethodGet, x.rooms(), "", nil)
	var no *refused
	return errors.As(err, &no) && no.code != ""
}

// encryption looks at how the server is spoken to.
func (x *examination) encryption(ctx context.Context, row *Row) {
	if !x.found.server {
		row.skip(unreached)
		return
	}
	if x.base.Scheme == "http" && hereabouts(x.base.Hostname()) {
		row.pass("none, and what is said stays on this machine")
		return
	}
	if x.base.Scheme == "http" {
		row.warn("none: the URL is http", "signaling and its secrets are readable on the way, and browsers give pages at other than localhost no cryptography, clipboard or Web Locks",
			"serve HTTPS: --acme-domain, or --tls-cert and --tls-key")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, x.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, x.base.String()+"/healthz", nil)
	if err != nil {
		row.fail(plain(err), "is the URL right?")
		return
	}
	res, err := x.http.Do(req)
	if err != nil {
		row.fail(x.why(err))
		return
	}
	defer res.Body.Close()
	if res.TLS == nil || len(res.TLS.PeerCertificates) == 0 {
		row.warn("none in the end", "the server sends on from https to http", "serve HTTPS itself")
		return
	}
	leaf := res.TLS.PeerCertificates[0]
	found := fmt.Sprintf("%s, certificate good until %s", tls.VersionName(res.TLS.Version), leaf.NotAfter.UTC().Format(time.DateOnly))
	switch left := time.Until(leaf.NotAfter); {
	case x.Insecure && leaf.VerifyHostname(x.base.Hostname()) != nil:
		row.warn(found, "the certificate is not for "+x.base.Hostname()+", and was taken because of --insecure", "have one made for this name")
	case x.Insecure:
		row.warn(found, "whether anybody signed the certificate was not looked at, because of --insecure", "leave --insecure away to check it")
	case left < soon:
		row.warn(found, fmt.Sprintf("the certificate expires in %.1f days", left.Hours()/24), "renew it")
	default:
		row.pass(found)
	}
}

// hereabouts says that a host is this machine.
func hereabouts(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// checkJoin joins the room.
func (x *examination) checkJoin(ctx context.Context, row *Row) {
	if !x.found.server {
		row.skip(unreached)
		return
	}
	s, err := x.join(ctx, "")
	if err != nil {
		row.fail(x.whyNoJoin(err))
		return
	}
	x.found.joined, x.found.first = true, s
	x.found.skew = s.skew()
	row.pass(fmt.Sprintf("let in after %s", round(s.took)))
}

// whyNoJoin says why the server did not let us in.
func (x *examination) whyNoJoin(err error) (cause, cure string) {
	var no *refused
	switch {
	case errors.Is(err, errNotParley):
		return err.Error(), "is the URL the server's, with its path if it has one?"
	case !errors.As(err, &no):
		return x.why(err)
	}
	switch no.code {
	case wire.Unauthorized:
		if x.Token == "" {
			return "the server asks for an app token", "give one: --token, or PARLEY_TOKEN"
		}
		return "the server does not take the token: " + no.text, "is it signed with the server's key, not expired, and for this issuer and audience? A clock that is wrong makes it expire, too"
	case wire.Forbidden:
		return "the token does not let anybody into this room: " + no.text, "give a room that the token is for: --room"
	case wire.OriginDenied:
		return no.text, "have the operator allow the page's origin: --public-url or --allow-origin"
	case wire.RateLimited, wire.TooManySessions:
		return no.text, "too many clients share this address, or come too fast; wait, or have the operator raise the limit (--trusted-proxy if they are behind one proxy)"
	case wire.RoomFull:
		return no.text, "choose another room"
	case wire.Draining, wire.Unavailable:
		return no.text, "the server is restarting, or its store is away: try again soon"
	case "":
		return fmt.Sprintf("the join is answered with status %d, and not by a Parley server", no.status), "does the proxy in front pass /v1/ on, and POST with it?"
	}
	return no.Error(), "see the protocol's table of codes"
}

// skew is how far the server's clock is ahead of this one. The header has whole seconds.
func (s *session) skew() time.Duration {
	date, err := http.ParseTime(s.date.Get("Date"))
	if err != nil {
		return 0
	}
	return date.Add(500 * time.Millisecond).Sub(s.at.Add(-s.took / 2))
}

func (x *examination) clock(_ context.Context, row *Row) {
	switch skew := x.found.skew.Round(time.Second); {
	case !x.found.joined:
		row.skip(unjoined(x))
	case x.found.first.date.Get("Date") == "":
		row.skip("the answer has no Date")
	case skew.Abs() <= 1*time.Second:
		row.pass("the same as the server's, to the second")
	case skew.Abs() < oddSkew:
		row.pass(fmt.Sprintf("%s the server's", offset(skew)))
	default:
		fault := row.fail
		if skew.Abs() < badSkew {
			fault = func(cause, cure string) { row.warn(fmt.Sprintf("%s the server's", offset(skew)), cause, cure) }
		}
		fault(fmt.Sprintf("this host's clock is %s the server's: tokens, credentials of the relay and certificates seem expired, or not yet good", offset(skew)),
			"set both clocks by NTP; which of them is wrong a third one tells")
	}
}

// offset says which way a clock is off, seen from here.
func offset(ahead time.Duration) string {
	if ahead > 0 {
		return ahead.String() + " behind"
	}
	return (-ahead).String() + " ahead of"
}

// origin asks for what browsers ask for pages of an origin.
func (x *examination) origin(ctx context.Context, row *Row) {
	if !x.found.joined {
		row.skip(unjoined(x))
		return
	}
	origin, whose := x.Origin, "pages of "+x.Origin
	if origin == "" {
		origin, whose = x.base.Scheme+"://"+x.base.Host, "the server's own pages"
	}
	s, err := x.join(ctx, "", "Origin", origin)
	var no *refused
	switch {
	case errors.As(err, &no) && no.code == wire.OriginDenied:
		cause := fmt.Sprintf("%s (%s) may not use the server: it answers origin_denied", whose, origin)
		cure := "start the server with --public-url, or --allow-origin " + origin + "; behind a proxy, have that pass the header Host on"
		if x.Origin == "" { // there may be none
			row.warn("", cause, cure+"; --origin checks another origin")
			return
		}
		row.fail(cause, cure)
		return
	case err != nil:
		row.fail(x.whyNoJoin(err))
		return
	}
	defer s.leave(ctx)
	if allowed := s.date.Get("Access-Control-Allow-Origin"); allowed != origin && allowed != "*" && x.Origin != "" {
		row.fail(fmt.Sprintf("the answer to %s lacks Access-Control-Allow-Origin: something on the way takes it out", whose), "have the proxy pass the server's headers on")
		return
	}
	row.pass("allowed for " + whose)
}

const unreached = "the server cannot be reached"

// unjoined says why there is no session.
func unjoined(x *examination) string {
	if !x.found.server {
		return unreached
	}
	return "the server does not let us in"
}

// leaveAll ends the session of the join; the checks end theirs.
func (x *examination) leaveAll(ctx context.Context) {
	if x.found.first != nil {
		x.found.first.leave(ctx)
	}
}

// round is a duration for people.
func round(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// clip bounds what others wrote.
func clip(text string) string { return wire.ClipText(text, 64) }
