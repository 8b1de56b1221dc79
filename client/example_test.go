package client_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"

	"github.com/parley-rtc/parley/client"
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

	ctx := context.Background()
	bob, err := client.Join(ctx, rtc.URL, "lobby", client.Options{Peer: "bob", Logger: quiet})
	if err != nil {
		panic(err)
	}
	defer bob.Close()
	alice, err := client.Join(ctx, rtc.URL, "lobby", client.Options{Peer: "alice", Logger: quiet})
	if err != nil {
		panic(err)
	}
	for _, peer := range alice.Peers() {
		if err := alice.Send(ctx, peer.ID, peer.Epoch, "hello"); err != nil {
			panic(err)
		}
	}
	go alice.Leave(ctx)

	for event := range bob.Events() {
		switch e := event.(type) {
		case client.Joined:
			fmt.Println(e.Peer.ID, "joined")
		case client.Signal:
			fmt.Println(e.From, "says", string(e.Data))
		case client.Left:
			fmt.Println(e.Peer.ID, "left:", e.Reason)
			return
		}
	}
	// Output:
	// alice joined
	// alice says "hello"
	// alice left: leave
}
