package relay

import (
	"net"

	"github.com/parley-rtc/parley/relay/internal/worker"
)

// Corked returns a listener whose connections are for TLS to be laid over them, before they are served by [Server.ServeTCP]:
//
//	server.ServeTCP(tls.NewListener(relay.Corked(l), config))
//
// Then packets that wait for one client leave by one system call, in a record each, and records that have come together are
// handled together. [Server.ServeTLS] does so by itself.
func Corked(l net.Listener) net.Listener { return corked{l} }

// CorkedConn is [Corked] for one connection, which [Server.ServeConn] serves.
func CorkedConn(conn net.Conn) net.Conn { return worker.NewCork(conn) }

type corked struct{ net.Listener }

// Accept implements [net.Listener].
func (l corked) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return CorkedConn(conn), nil
}
