package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/parley-rtc/parley/internal/redistest"
	"github.com/parley-rtc/parley/internal/wire"
)

var crowd = flag.Int("crowd", 0, "links to a node that drains in 20 s, whose moves are counted; 0: none")

// A node with many links ends: they come to the other one evenly, in the time that the server gives them.
func testCrowdMoves(t *testing.T) {
	if *crowd == 0 {
		t.Skip("it takes half a minute; -crowd says how many links")
	}
	c := start(t, redistest.Start(t).URL(), 2, "--drain-delay", "1s")
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	var mu sync.Mutex
	var moved []time.Duration
	var began time.Time
	var work sync.WaitGroup
	defer work.Wait()
	open := make(chan struct{}, 16) // at once
	var opened sync.WaitGroup
	for i := range *crowd {
		opened.Add(1)
		work.Go(func() {
			open <- struct{}{}
			err := func() error {
				body := fmt.Sprintf(`{"attempt":"%s","instance":"i"}`, rand.Text())
				res, err := http.Post(fmt.Sprintf("http://%s/v1/rooms/room%d/sessions", c.nodes[0].address, i/2), "application/json", strings.NewReader(body))
				if err != nil {
					return err
				}
				defer res.Body.Close()
				var reply wire.JoinReply
				if err := json.NewDecoder(res.Body).Decode(&reply); err != nil {
					return err
				}
				dial := func(n *node) (*websocket.Conn, error) {
					ws, _, err := websocket.DefaultDialer.DialContext(ctx, fmt.Sprintf("ws://%s/v1/rooms/room%d/sessions/%s/ws", n.address, i/2, reply.Session),
						http.Header{"Authorization": {"Bearer " + reply.Secret}})
					return ws, err
				}
				ws, err := dial(c.nodes[0])
				<-open
				opened.Done()
				if err != nil {
					return err
				}
				defer ws.Close()
				for {
					var f wire.Downlink
					if err := ws.ReadJSON(&f); err != nil {
						return err
					}
					if f.Kind == wire.KindDrain {
						break
					}
				}
				next, err := dial(c.nodes[1])
				if err != nil {
					return err
				}
				defer next.Close()
				var hello wire.Downlink
				if err := next.ReadJSON(&hello); err != nil || hello.Kind != wire.KindHello {
					return fmt.Errorf("%+v: %w", hello, err)
				}
				mu.Lock()
				defer mu.Unlock()
				moved = append(moved, time.Since(began))
				return nil
			}()
			if err != nil {
				t.Error(err)
			}
		})
	}
	opened.Wait()
	mu.Lock()
	began = time.Now()
	mu.Unlock()
	took, err := c.nodes[0].term()
	work.Wait()
	if err != nil || len(moved) != *crowd {
		t.Fatalf("%d moved, it ended with %v", len(moved), err)
	}
	slices.Sort(moved)
	const window = 15 // seconds in which they are asked, from the end of the delay
	from := moved[0]
	bins := make([]int, window)
	for _, at := range moved {
		bins[min(int((at-from)/time.Second), window-1)]++
	}
	fullest := float64(slices.Max(bins)) * window / float64(*crowd)
	t.Logf("it ended after %v; links moved from %v to %v, by second: %v; the fullest is %.2f of the mean", took, from, moved[len(moved)-1], bins, fullest)
	if fullest > 1.3 {
		t.Errorf("the fullest second has %.2f of the mean, want at most 1.3", fullest)
	}
}
