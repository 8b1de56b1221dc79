package relay_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"

	"github.com/parley-rtc/parley/relay"
	"github.com/parley-rtc/parley/relay/credentials"
)

func Example() {
	keyring, err := credentials.New("shared with whoever mints credentials")
	if err != nil {
		log.Fatal(err)
	}
	server, err := relay.New(relay.Config{
		PublicIP: netip.MustParseAddr("127.0.0.1"),
		Keyring:  keyring,
	})
	if err != nil {
		log.Fatal(err)
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0") // usually ":3478"
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- server.Serve(conn) }()

	if err := server.Shutdown(context.Background()); err != nil {
		log.Print(err)
	}
	fmt.Println(errors.Is(<-done, relay.ErrServerClosed))
	// Output: true
}
