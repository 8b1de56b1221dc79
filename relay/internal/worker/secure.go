package worker

import (
	"crypto/tls"
	"slices"
)

// protocols are the names of ALPN that the relay answers to (RFC 7443).
var protocols = []string{"stun.turn", "stun.nat-discovery"}

// serverTLS returns the configuration of TLS listeners.
func serverTLS(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	config := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     protocols,
		GetCertificate: get,

		DynamicRecordSizingDisabled: true, // a record for a packet
	}
	// A client that offers only names of others is served as if it offered none; it would be refused else.
	nameless := config.Clone()
	nameless.NextProtos = nil
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		for _, name := range hello.SupportedProtos {
			if slices.Contains(protocols, name) {
				return nil, nil
			}
		}
		return nameless, nil
	}
	return config
}
