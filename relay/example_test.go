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

func Example_operate() {
	keyring, err := credentials.New("shared with whoever mints credentials")
	if err != nil {
		log.Fatal(err)
	}
	cfg := relay.Config{
		PublicIP: netip.MustParseAddr("127.0.0.1"),
		Keyring:  keyring,
		Ended: func(a relay.Allocation) { // on the path of packets: hand it to somebody who has time
			log.Printf("%s: %d bytes in %v, %s", a.User, a.ToPeers.Bytes+a.FromPeers.Bytes, a.Ended.Sub(a.Began), a.Reason)
		},
	}
	server, err := relay.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	cfg.DenyPeers = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	if err := server.Reload(cfg); err != nil { // no packet is lost
		log.Fatal(err)
	}
	ended := server.Revoke("alice") // what she has ends, and she gets no more for a day
	for _, a := range server.Allocations(0, 100) {
		fmt.Println(a.User, a.Client.Addr, a.Relayed)
	}
	fmt.Println(ended, server.Stats().Allocations, server.Stats().ToPeers.Bytes)
	// Output: 0 0 0
}
