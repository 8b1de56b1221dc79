// Package pion runs the server of pion/turn, as its examples do, for comparison.
package pion

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/pion/logging"
	"github.com/pion/turn/v4"
)

// Config says what is served: one user, with relays on one address of this host.
type Config struct {
	Listen           string // UDP, and TCP where TLS is
	TLS              string // TLS; none: UDP alone
	Certificate, Key string // files
	Relay            string // IP of relayed addresses
	Realm            string
	User, Password   string
	MinPort, MaxPort uint16
	relayAddresses   turn.RelayAddressGenerator
	packets          []turn.PacketConnConfig
	listeners        []turn.ListenerConfig
}

// Serve serves until ctx ends.
func Serve(ctx context.Context, c Config) error {
	c.relayAddresses = &turn.RelayAddressGeneratorPortRange{
		RelayAddress: net.ParseIP(c.Relay), Address: c.Relay, MinPort: c.MinPort, MaxPort: c.MaxPort, MaxRetries: 1000,
	}
	if err := c.listen(); err != nil {
		return err
	}
	key := turn.GenerateAuthKey(c.User, c.Realm, c.Password)
	server, err := turn.NewServer(turn.ServerConfig{
		Realm:         c.Realm,
		LoggerFactory: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled},
		AuthHandler: func(name, _ string, _ net.Addr) ([]byte, bool) {
			return key, name == c.User
		},
		PacketConnConfigs: c.packets,
		ListenerConfigs:   c.listeners,
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return server.Close()
}

func (c *Config) listen() error {
	conn, err := net.ListenPacket("udp4", c.Listen)
	if err != nil {
		return err
	}
	c.packets = []turn.PacketConnConfig{{PacketConn: conn, RelayAddressGenerator: c.relayAddresses}}
	if c.TLS == "" {
		return nil
	}
	certificate, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return err
	}
	plain, err := net.Listen("tcp4", c.Listen)
	if err != nil {
		return err
	}
	secure, err := tls.Listen("tcp4", c.TLS, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return err
	}
	for _, listener := range []net.Listener{plain, secure} {
		c.listeners = append(c.listeners, turn.ListenerConfig{Listener: listener, RelayAddressGenerator: c.relayAddresses})
	}
	return nil
}
