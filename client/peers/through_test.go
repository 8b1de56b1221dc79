package peers

import (
	"errors"
	"testing"
)

// TestWhatOthersPassedOnAndNobodyReadsEndsTheChannel fills a channel as others would, without anybody who reads.
func TestWhatOthersPassedOnAndNobodyReadsEndsTheChannel(t *testing.T) {
	for says, c := range map[string]struct {
		options ChannelOptions
		lost    bool
	}{
		"of a reliable channel what is missing is told": {ChannelOptions{}, true},
		"of a lossy one the oldest are dropped":         {ChannelOptions{LatestOnly: true}, false},
	} {
		t.Run(says, func(t *testing.T) {
			room := &Room{cfg: settled{Config: Config{Channels: map[string]ChannelOptions{"chat": c.options}}}}
			room.lobby.arrived = make(chan struct{}, 1)
			p := &Peer{room: room, id: "far", open: map[string]*pipe{}, change: make(chan struct{})}
			far := newPipe(p, "chat", c.options, 1<<20)
			far.mesh()
			p.opened(far)
			first, err := p.Open(t.Context(), "chat")
			if err != nil {
				t.Fatal(err)
			}
			const size, count = 32 << 10, 100
			for i := range count {
				message := make([]byte, size)
				message[0] = byte(i)
				p.arrived("chat", message)
			}
			read := func(channel *Channel) (messages []byte, err error) {
				for {
					if !channel.holds() && !isClosed(channel.missed) {
						return messages, nil
					}
					message, err := channel.ReadMessage(t.Context())
					if err != nil {
						return messages, err
					}
					messages = append(messages, message[0])
				}
			}
			messages, err := read(first)
			held := offerHigh / (size + messageCost)
			switch {
			case c.lost && (len(messages) != held || messages[0] != 0 || !errors.Is(err, ErrLost)):
				t.Errorf("read %v, %v; want the first %d and ErrLost", messages, err, held)
			case !c.lost && (len(messages) != held || messages[held-1] != count-1 || err != nil):
				t.Errorf("read %v, %v; want the last %d", messages, err, held)
			}
			if !c.lost {
				return
			}
			next := room.lobby.next()
			if next == nil || next == first || room.lobby.next() != nil {
				t.Fatalf("the next channel is %v", next)
			}
			messages, err = read(next)
			if len(messages) == 0 || len(messages) > held || messages[len(messages)-1] != count-1 || err != nil {
				t.Errorf("then read %v, %v", messages, err)
			}
		})
	}
}

func TestAChannelThatTheAppClosedStaysClosedWhenMessagesAreMissing(t *testing.T) {
	room := &Room{cfg: settled{Config: Config{Channels: map[string]ChannelOptions{"chat": {}}}}}
	room.lobby.arrived = make(chan struct{}, 1)
	p := &Peer{room: room, id: "far", open: map[string]*pipe{}, change: make(chan struct{})}
	far := newPipe(p, "chat", ChannelOptions{}, 1<<20)
	far.mesh()
	p.opened(far)
	closed, err := p.Open(t.Context(), "chat")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	p.missed("chat")
	if next := room.lobby.next(); next != nil {
		t.Errorf("%v is accepted", next)
	}
	if next, err := p.Open(t.Context(), "chat"); err != nil || next == closed {
		t.Errorf("it opens as %v, %v", next, err)
	}
}
