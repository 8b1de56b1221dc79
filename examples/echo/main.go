// Command echo joins a room and says what it hears back to whom it hears it from, over the channel "text".
//
//	go run ./examples/echo -server https://rtc.example -room lobby
//
// With -say it says to everybody what it reads, line by line, and writes what it hears; an empty line asks it who is there.
package main

import (
	"bufio"
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
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("echo", flag.ContinueOnError)
	server := flags.String("server", "http://127.0.0.1:8080", "where the service is")
	name := flags.String("room", "lobby", "the room")
	key := flags.String("key", "", "the room's key, where it has one")
	loopback := flags.Bool("loopback", false, "connect over the loopback interface, too, for tests")
	say := flags.Bool("say", false, "say each line of the standard input to everybody, and write what others say")
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
	if *say {
		go speak(ctx, room, in, out)
	}
	for {
		channel, err := room.Accept(ctx)
		if err != nil {
			return err
		}
		go func() {
			for {
				message, err := channel.ReadMessage(ctx)
				if err == nil && *say {
					fmt.Fprintf(out, "%s says %s\n", channel.Peer(), message)
				} else if err == nil {
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

// speak says each line to everybody.
func speak(ctx context.Context, room *peers.Room, in io.Reader, out io.Writer) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if len(lines.Bytes()) == 0 {
			paths := map[peers.PathKind]int{}
			for _, peer := range room.Peers() {
				if peer.State() == peers.Connected {
					paths[peer.Path().Kind]++
				}
			}
			fmt.Fprintf(out, "there are %d direct, %d mesh\n", paths[peers.Direct], paths[peers.Mesh])
		} else if err := room.Broadcast(ctx, "text", lines.Bytes()); err != nil {
			fmt.Fprintln(out, err)
		}
	}
}
