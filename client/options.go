package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

// Options are what a client asks for when it joins. The zero value works.
type Options struct {
	// Peer is the wanted peer id, 1–64 unreserved URL characters. "": the server makes one.
	Peer string

	// Name and Meta are shown to the others: up to 64 bytes of text, and any JSON value up to
	// 1,024 bytes, unless the server has other limits.
	Name string
	Meta json.RawMessage

	// Token returns the app's token for a join. It is called for each, and again when the
	// session's has expired. Nil: the server wants none.
	Token func(ctx context.Context) (string, error)

	// Resume is the [Session.Secret] of an earlier session, whose peer id is taken over.
	Resume string

	// Instance is the same for all sessions of a process, 1–64 unreserved URL characters. "": random.
	Instance string

	// Link forces a kind of link. Auto, the zero value, chooses the best that works.
	Link Link

	// Queue is how many frames may wait for the server, at most 1 MiB of them. Default 256.
	Queue int

	// Buffer is about how many events may wait for the app. Default 64.
	Buffer int

	// HTTPClient makes the requests; its Timeout is not used. WebSockets use the dialer, proxy and TLS
	// configuration of its Transport, if that is an [http.Transport]. Nil: one of the session's own.
	HTTPClient *http.Client

	// Logger takes a line for each session and link that begins or ends. Nil: slog.Default.
	Logger *slog.Logger

	pace pace // tests shorten it
}

// pace holds the times that the protocol leaves to the client. Zero fields mean the defaults.
type pace struct {
	eventsAfter time.Duration // events are probed so long after the start
	prove       time.Duration // for a link to open, and to prove itself
	life        time.Duration // that a stream of events has to live to be proved
	steady      time.Duration // a link that lived as long is tried again at once
	again       time.Duration // until a link that failed is tried again; doubled each time
	againMax    time.Duration
	retry       time.Duration // upper end of the first delay of what is simply repeated; doubled each time
	retryMax    time.Duration
	ack         time.Duration // until a downlink frame is acknowledged
	pong        time.Duration // for a ping of our own to be answered
	renew       time.Duration // between two requests for fresh ICE servers, at least
}

func (p pace) resolved() pace {
	return pace{
		eventsAfter: cmp.Or(p.eventsAfter, 700*time.Millisecond),
		prove:       cmp.Or(p.prove, 8*time.Second),
		life:        cmp.Or(p.life, time.Second),
		steady:      cmp.Or(p.steady, 10*time.Second),
		again:       cmp.Or(p.again, 30*time.Second),
		againMax:    cmp.Or(p.againMax, 10*time.Minute),
		retry:       cmp.Or(p.retry, 300*time.Millisecond),
		retryMax:    cmp.Or(p.retryMax, 15*time.Second),
		ack:         cmp.Or(p.ack, 5*time.Second),
		pong:        cmp.Or(p.pong, 2*time.Second),
		renew:       cmp.Or(p.renew, 5*time.Second),
	}
}

func (o Options) resolved(server, room string) (Options, error) {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf("client: "+format, args...))
		}
	}
	at, err := url.Parse(server)
	fault(err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https",
		"the server is not an http or https URL")
	fault(err == nil && (at.RawQuery != "" || at.Fragment != ""), "the server's URL has a query or a fragment")
	fault(!wire.ValidRoom(room), "the room is not 1 to %d unreserved URL characters", wire.MaxRoom)
	fault(o.Peer != "" && !wire.ValidName(o.Peer, wire.MaxPeer), "Peer is not 1 to %d unreserved URL characters", wire.MaxPeer)
	fault(o.Instance != "" && !wire.ValidName(o.Instance, wire.MaxInstance),
		"Instance is not 1 to %d unreserved URL characters", wire.MaxInstance)
	fault(len(o.Resume) > wire.MaxResume, "Resume is over %d bytes", wire.MaxResume)
	fault(o.Meta != nil && !json.Valid(o.Meta), "Meta is not valid JSON")
	fault(o.Link < Auto || o.Link > ShortPoll, "there is no such Link")
	fault(o.Queue < 0, "Queue is negative")
	fault(o.Buffer < 0, "Buffer is negative")

	o.Instance = cmp.Or(o.Instance, strings.ToLower(rand.Text()))
	o.Queue = cmp.Or(o.Queue, 256)
	o.Buffer = cmp.Or(o.Buffer, 64)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	o.pace = o.pace.resolved()
	return o, errors.Join(faults...)
}
