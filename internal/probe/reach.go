package probe

import (
	"context"
	"time"
)

// Reach makes an allocation at a TURN server by its URL and gives it back; of a STUN server it wants the answer to a binding
// request. These are the first steps of [Check]. It returns the one that failed, or nil.
func Reach(ctx context.Context, t Target) *Step {
	c := &check{Target: t, ctx: ctx, report: func(Step) {}}
	defer c.close()
	steps := c.opening()
	if t.relays() {
		steps = append(steps, c.challenge, c.allocate, c.giveBack)
	}
	failed := c.run(steps)
	if failed != nil && failed.Name == "allocate" && CodeOf(failed.Err) == 0 && !c.stream() {
		c.abandon()
	}
	return failed
}

func (c *check) giveBack(s *Step) {
	s.Name = "deallocate"
	ctx, cancel := c.bounded()
	defer cancel()
	if err := c.first.Refresh(ctx, 0); err != nil {
		s.fail(err, "the server keeps what is given back until it expires")
		return
	}
	c.done = true
}

// abandon gives back an allocation that there may be though no answer said so in time, or ctx ended before. That of a stream ends with it.
func (c *check) abandon() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), time.Second)
	defer cancel()
	_ = c.first.Refresh(ctx, 0) // it was worth a try
}
