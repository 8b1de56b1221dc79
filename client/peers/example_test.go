package peers_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"

	"github.com/pion/webrtc/v4"

	"github.com/parley-rtc/parley/client"
	"github.com/parley-rtc/parley/client/peers"
	"github.com/parley-rtc/parley/signaling"
)

func Example() {
	quiet := slog.New(slog.DiscardHandler)
	server, err := signaling.New(signaling.Config{Logger: quiet})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	rtc := httptest.NewServer(server) // https://rtc.example
	defer rtc.Close()

	join := func(name string) *peers.Room {
		settings := peers.NewSettingEngine(quiet) // this and API are for the test, whose network is loopback
		settings.SetIncludeLoopbackCandidate(true)
		settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
		settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
		room, err := peers.Join(context.Background(), rtc.URL, "lobby", peers.Config{
			Client:   client.Options{Name: name, Logger: quiet},
			Channels: map[string]peers.ChannelOptions{"chat": {}},
			API:      peers.NewAPI(settings),
		})
		if err != nil {
			panic(err)
		}
		return room
	}
	ctx := context.Background()
	ada, bob := join("Ada"), join("Bob")
	defer bob.Close()

	go func() { // Ada
		channel, err := ada.Accept(ctx)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(channel, "hello %s", channel.Peer().Name())
		ada.Leave(ctx)
	}()

	channel, err := bob.Accept(ctx) // a net.Conn
	if err != nil {
		panic(err)
	}
	text, err := io.ReadAll(channel) // until the peer leaves
	fmt.Printf("%s says %q, %v\n", channel.Peer().Name(), text, err)
	// Output:
	// Ada says "hello Bob", <nil>
}
