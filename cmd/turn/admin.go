package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
	"github.com/parley-rtc/parley/relay"
	"github.com/parley-rtc/parley/relay/credentials"
)

// adminAPI is what operators ask of the relay over HTTP; docs/operations.md has its calls.
type adminAPI struct {
	server *relay.Server
}

// adminRoot is where its calls are.
const adminRoot = "/v1/admin/relay/"

// ServeHTTP implements http.Handler.
func (a adminAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method, call, refusal := a.call(r)
	if refusal == nil && r.Method != method {
		w.Header().Set("Allow", method)
		refusal = wire.Refusef(wire.BadMethod, "the method is %s, not %s", method, wire.ClipText(r.Method, 32))
	}
	var body any
	if refusal == nil {
		body, refusal = call(r.Context(), r.URL.Query())
	}
	status := http.StatusOK
	if refusal != nil {
		status, body = refusal.Code.Row().Status, wire.ErrorReply{Error: refusal}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// call finds what a path names.
func (a adminAPI) call(r *http.Request) (string, func(context.Context, url.Values) (any, *wire.Error), *wire.Error) {
	path, below := strings.CutPrefix(r.URL.EscapedPath(), adminRoot)
	user, isUser := strings.CutPrefix(path, "users/")
	switch {
	case below && path == "stats":
		return http.MethodGet, func(context.Context, url.Values) (any, *wire.Error) { return a.server.Stats(), nil }, nil
	case below && path == "allocations":
		return http.MethodGet, a.allocations, nil
	case below && isUser && user != "" && !strings.Contains(user, "/"):
		name, err := url.PathUnescape(user)
		if err != nil || name == "" || len(name) > credentials.MaxUsername {
			return "", nil, wire.Refusef(wire.BadField, "user is not a name of 1 to %d bytes", credentials.MaxUsername).In("user").Over(credentials.MaxUsername)
		}
		return http.MethodDelete, func(context.Context, url.Values) (any, *wire.Error) {
			return map[string]int{"ended": a.server.Revoke(name)}, nil
		}, nil
	}
	return "", nil, wire.Refuse(wire.NotFound)
}

// pageSize is how many allocations are listed at once.
const pageSize = 500

// allocationsReply answers GET /v1/admin/relay/allocations.
type allocationsReply struct {
	Allocations []allocationReply `json:"allocations"`
	Next        string            `json:"next"` // cursor of the next page; "": this is the last
}

type allocationReply struct {
	ID        uint64           `json:"id"`
	User      string           `json:"user"`
	Client    netip.AddrPort   `json:"client"`
	Transport string           `json:"transport"`
	Relayed   []netip.AddrPort `json:"relayed"`
	TCP       bool             `json:"tcp"`
	Began     time.Time        `json:"began"`
	Expires   time.Time        `json:"expires"`
	ToPeers   relay.Traffic    `json:"toPeers"`
	FromPeers relay.Traffic    `json:"fromPeers"`
}

func (a adminAPI) allocations(_ context.Context, query url.Values) (any, *wire.Error) {
	after := uint64(0)
	if cursor := query.Get("cursor"); cursor != "" {
		var err error
		if after, err = strconv.ParseUint(cursor, 10, 64); err != nil {
			return nil, wire.Refusef(wire.BadField, "cursor is not what the page before had as next").In("cursor")
		}
	}
	found := a.server.Allocations(after, pageSize+1)
	reply := allocationsReply{Allocations: []allocationReply{}}
	if len(found) > pageSize {
		found = found[:pageSize]
		reply.Next = strconv.FormatUint(found[pageSize-1].ID, 10)
	}
	for _, one := range found {
		reply.Allocations = append(reply.Allocations, allocationReply{
			ID: one.ID, User: one.User, Client: one.Client.Addr, Transport: one.Client.Transport, Relayed: one.Relayed, TCP: one.TCP,
			Began: one.Began.UTC(), Expires: one.Expires.UTC(), ToPeers: one.ToPeers, FromPeers: one.FromPeers,
		})
	}
	return reply, nil
}
