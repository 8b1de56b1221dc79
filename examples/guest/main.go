// Command guest joins a room of the editor. It is among the people there, asks each of them for the text, and says what it gets: how many
// messages about the document, and who is who. It does not read the text, which needs an implementation of Yjs.
//
//	go run ./examples/guest -server https://rtc.example -room garden
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/client/peers"
)

// The editor's channels, which web/editor/provider.ts declares.
const (
	document  = "document"
	awareness = "awareness"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("guest", flag.ContinueOnError)
	server := flags.String("server", "http://127.0.0.1:8080", "where the service is")
	name := flags.String("room", "lobby", "the room")
	called := flags.String("name", "Gopher", "who the others see")
	key := flags.String("key", "", "the room's key, where it has one")
	loopback := flags.Bool("loopback", false, "connect over the loopback interface, too, for tests")
	if err := flags.Parse(args); err != nil {
		return err
	}
	settings := peers.NewSettingEngine(nil)
	settings.SetIncludeLoopbackCandidate(*loopback)
	never := uint16(0)
	room, err := peers.Join(ctx, *server, *name, peers.Config{
		Client: client.Options{Name: *called},
		Channels: map[string]peers.ChannelOptions{
			document:  {},
			awareness: {Unordered: true, MaxRetransmits: &never, LatestOnly: true},
		},
		Key: *key,
		API: peers.NewAPI(settings),
	})
	if err != nil {
		return err
	}
	defer func() { _ = room.Leave(context.WithoutCancel(ctx)) }()
	g := &guest{name: *called, out: out}
	for {
		channel, err := room.Accept(ctx)
		if err != nil {
			return err
		}
		switch channel.Name() {
		case document:
			go g.follow(ctx, channel)
		case awareness:
			go g.introduce(ctx, channel)
			go g.meet(ctx, channel)
		}
	}
}

type guest struct {
	name string

	mu  sync.Mutex
	out io.Writer // guarded by mu
}

func (g *guest) say(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fmt.Fprintf(g.out, format+"\n", args...)
}

// The kinds of messages about the document: the first three are those of y-protocols/sync.
var kinds = []string{"asks for what it lacks", "answers", "has changed the text", "compares", "has changed the text", "answers"}

// follow asks for everything, and counts what comes.
func (g *guest) follow(ctx context.Context, channel *peers.Channel) {
	nothing := []byte{0} // the state vector of somebody who has nothing
	if err := channel.WriteMessage(ctx, encode(uint64(0), nothing)); err != nil {
		return
	}
	for count := 1; ; count++ {
		message, err := channel.ReadMessage(ctx)
		if err != nil {
			return
		}
		d := decoder{rest: message}
		if kind := d.number(); d.err == nil && kind < uint64(len(kinds)) {
			g.say("%s %s: %d bytes, message %d", channel.Peer().Name(), kinds[kind], len(message), count)
		}
	}
}

// introduce tells who this is, and again before the others take it for gone, which they do after 30 s.
func (g *guest) introduce(ctx context.Context, channel *peers.Channel) {
	state, err := json.Marshal(map[string]any{"user": map[string]any{"name": g.name, "colour": "teal"}})
	if err != nil {
		return
	}
	id := uint64(time.Now().UnixNano()) & 0xffffffff // a client of the document, which has a number of 32 bits
	for clock := uint64(1); ; clock++ {
		if err := channel.WriteMessage(ctx, encode(uint64(1), id, clock, state)); err != nil {
			return
		}
		select {
		case <-time.After(10 * time.Second):
		case <-channel.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// meet reads who the others are.
func (g *guest) meet(ctx context.Context, channel *peers.Channel) {
	last := ""
	for {
		message, err := channel.ReadMessage(ctx)
		if err != nil {
			return
		}
		d := decoder{rest: message}
		for range min(d.number(), 10) {
			d.number() // the client's number
			d.number() // and its clock
			var state struct{ User struct{ Name string } }
			if text := d.bytes(); d.err == nil && json.Unmarshal(text, &state) == nil && state.User.Name != "" && state.User.Name != last {
				last = state.User.Name
				g.say("%s is here", last)
			}
		}
	}
}
