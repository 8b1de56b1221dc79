// Package pion runs the server of pion/turn, as its examples do, for comparison.
package pion

import (
	"context"
	"net"

	"github.com/pion/logging"
	"github.com/pion/turn/v4"
)

// Serve serves UDP at an address until ctx ends, for one user, with relays on the same host.
func Serve(ctx context.Context, address, realm, user, password string, minPort, maxPort uint16) error {
	conn, err := net.ListenPacket("udp4", address)
	if err != nil {
		return err
	}
	key := turn.GenerateAuthKey(user, realm, password)
	server, err := turn.NewServer(turn.ServerConfig{
		Realm:         realm,
		LoggerFactory: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled},
		AuthHandler: func(name, _ string, _ net.Addr) ([]byte, bool) {
			return key, name == user
		},
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn: conn,
			RelayAddressGenerator: &turn.RelayAddressGeneratorPortRange{
				RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1", MinPort: minPort, MaxPort: maxPort, MaxRetries: 1000,
			},
		}},
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return server.Close()
}
