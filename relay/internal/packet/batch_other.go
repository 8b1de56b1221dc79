//go:build !linux || !(amd64 || arm64)

package packet

import (
	"net"
	"net/netip"
)

// canBatch says that there is more than mode Plain.
const canBatch = false

type batchSocket struct{}

type batchGroup struct{}

type writer struct{}

func (*Group) start() error { panic("packet: no batches here") }

func (*Group) stop() {}

func (*Group) bind(netip.AddrPort, Options) (*Socket, error) { panic("packet: no batches here") }

func (*Group) watch(*Socket) error { panic("packet: no batches here") }

func (*Socket) use() (int, error) { return 0, ErrClosed }

func (*Socket) done() {}

func (*Group) adopt(*Socket, *net.UDPConn) error { panic("packet: no batches here") }

func (*Socket) closeBatch() error { return nil }

func (o *Outbox) flushBatches() {}
