package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/signaling"
)

// relays hands out numbered servers that last ttl: at joins, and to whom the server pushes them, or only to who asks.
func relays(ttl time.Duration, asked bool) func(context.Context, signaling.ICERequest) (signaling.ICE, error) {
	var calls atomic.Int64
	return func(_ context.Context, r signaling.ICERequest) (signaling.ICE, error) {
		asks := r.HTTP != nil && strings.HasSuffix(r.HTTP.URL.Path, "/ice")
		joins := r.HTTP != nil && strings.HasSuffix(r.HTTP.URL.Path, "/sessions")
		if !joins && asks != asked {
			return signaling.ICE{}, errors.New("not this way")
		}
		server := signaling.ICEServer{URLs: []string{"turn:relay.example"}, Username: fmt.Sprint(calls.Add(1))}
		return signaling.ICE{Servers: []signaling.ICEServer{server}, TTL: ttl}, nil
	}
}

func TestFreshServersReachTheApp(t *testing.T) {
	for name, asked := range map[string]bool{"those that the server sends": false, "else those that are asked for": true} {
		for _, kind := range []Link{WebSocket, Events, LongPoll, ShortPoll} {
			t.Run(name+" over "+kind.String(), func(t *testing.T) {
				t.Parallel()
				timing := signaling.Timing{Heartbeat: 400 * time.Millisecond, Lease: 2 * time.Second}
				s := serve(t, signaling.Config{ICEServers: relays(time.Second, asked), Timing: timing})
				pace := brisk
				pace.renew = 50 * time.Millisecond
				m := join(t, s.url, Options{Link: kind, pace: pace})
				if ice := m.ICE(); ice.TTL != time.Second || ice.Servers[0].Username != "1" {
					t.Errorf("the join's are %+v", ice)
				}
				for before := 1; before < 3; { // one may be lost with a link
					e := await[ICEChanged](m, nil)
					now, err := strconv.Atoi(e.ICE.Servers[0].Username)
					if err != nil || now <= before || e.ICE.TTL != time.Second {
						t.Fatalf("after number %d came %+v", before, e.ICE)
					}
					before = now
				}
			})
		}
	}
}

func TestARefreshBringsServers(t *testing.T) {
	for _, kind := range []Link{WebSocket, Events, LongPoll} {
		t.Run(kind.String(), func(t *testing.T) {
			s := serve(t, signaling.Config{ICEServers: relays(12*time.Hour, false)})
			m := join(t, s.url, Options{Link: kind})
			m.awaitLink(kind)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := m.Refresh(ctx, "token"); err != nil {
				t.Fatal(err)
			}
			await(m, func(e ICEChanged) bool { return e.ICE.Servers[0].Username == "2" })
			if got := m.ICE().Servers[0].Username; got != "2" {
				t.Errorf("ICE() has number %s", got)
			}
		})
	}
}
