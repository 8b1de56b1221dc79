package peers

import (
	"sync/atomic"
	"testing"

	"github.com/parley-rtc/parley/signaling"
)

// TestWhoHasNoPathTakesPartInAMeshThroughTheServer has one in a room of many whose neighbours are reached through the server alone.
func TestWhoHasNoPathTakesPartInAMeshThroughTheServer(t *testing.T) {
	t.Parallel() // it waits most of the time
	limits := generous.Limits
	limits.PerAddress, limits.Peers, limits.JoinRate, limits.JoinBurst = 1000, 1000, 1000, 1000
	s := serve(t, signaling.Config{Limits: limits})
	cfg := Config{Key: NewKey(), haste: 2, Channels: map[string]ChannelOptions{"chat": {}, "pipe": {}}}
	c := gather(t, s, 13, cfg)
	cfg.API = noPath()
	lone := s.join("lone", cfg)
	c.members, c.cuts, c.ears = append(c.members, lone), append(c.cuts, new(atomic.Bool)), append(c.ears, &ears{texts: map[string][]string{}})
	go c.listen(len(c.members) - 1)
	c.settled(c.members)
	lone.until("its neighbours are reached through the server", func() bool {
		kinds := map[PathKind]int{}
		for _, p := range lone.Peers() {
			kinds[p.Path().Kind]++
		}
		return kinds[Server] >= 4 && kinds[Server] <= 8 && kinds[Server]+kinds[Mesh] == 13
	})
	for _, p := range lone.Peers() {
		if !p.Verified() {
			t.Errorf("%s is not verified: %+v", p, p.Path())
		}
	}
	c.broadcast(append([]*member{lone}, c.members[:13]...), "through the server", 50)
	for _, m := range c.members[:13] {
		if lone.Peer(m.ID()).Path().Kind == Mesh {
			c.stream(lone, m)
			return
		}
	}
	t.Error("nobody is far")
}
