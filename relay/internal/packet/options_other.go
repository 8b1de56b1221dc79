//go:build !linux

package packet

import "net"

// CanSetDF says that single datagrams can be sent with the DF bit.
const CanSetDF = false

// setOptions sets the sizes of buffers. The other options are not there, or are spelt otherwise on every system.
func setOptions(conn *net.UDPConn, s *Socket) error {
	if s.options.Receive > 0 {
		_ = conn.SetReadBuffer(s.options.Receive) // what the system grants must do
	}
	if s.options.Send > 0 {
		_ = conn.SetWriteBuffer(s.options.Send) // as above
	}
	return nil
}

func (*Socket) failures(into []Failure) ([]Failure, int) { return into, 0 }

func (s *Socket) control(func(fd int)) error { return nil }

func (*Socket) probing(int, func()) {}

func (*Socket) granted() (int, bool) { return 0, false }
