// Command echo joins a room and says what it hears back to whom it hears it from, over the channel "text".
//
//	go run ./examples/echo -server https://rtc.example -room lobby
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/client/peers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("echo", flag.ContinueOnError)
	server := flags.String("server", "http://127.0.0.1:8080", "where the service is")
	name := flags.String("room", "lobby", "the room")
	key := flags.String("key", "", "the room's key, where it has one")
	loopback := flags.Bool("loopback", false, "connect over the loopback interface, too, for tests")
	if err := flags.Parse(args); err != nil {
		return err
	}
	settings := peers.NewSettingEngine(nil)
	settings.SetIncludeLoopbackCandidate(*loopback)
	room, err := peers.Join(ctx, *server, *name, peers.Config{
		Client:   client.Options{Name: "Echo"},
		Channels: map[string]peers.ChannelOptions{"text": {}},
		Key:      *key,
		API:      peers.NewAPI(settings),
	})
	if err != nil {
		return err
	}
	defer func() { _ = room.Leave(context.WithoutCancel(ctx)) }()
	fmt.Fprintln(out, "joined as", room.ID())
	for {
		channel, err := room.Accept(ctx)
		if err != nil {
			return err
		}
		go func() {
			for {
				message, err := channel.ReadMessage(ctx)
				if err == nil {
					err = channel.WriteMessage(ctx, message)
				}
				if err != nil {
					fmt.Fprintln(out, channel.Peer(), err)
					return
				}
			}
		}()
	}
}
