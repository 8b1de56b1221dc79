//go:build !linux

package packet

import "net"

// CanSetDF says that single datagrams can be sent with the DF bit.
const CanSetDF = false

// setOptions sets none: there are no such options here, or they are spelt otherwise on every system.
func setOptions(*net.UDPConn, *Socket) error { return nil }

func (*Socket) failures(into []Failure) ([]Failure, int) { return into, 0 }

func (s *Socket) control(func(fd int)) error { return nil }

func (*Socket) probing(int, func()) {}

func (*Socket) granted() (int, bool) { return 0, false }
