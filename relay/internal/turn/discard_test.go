package turn

import (
	"net/netip"

	"github.com/parley-rtc/parley/relay/internal/policy"
)

const policyAllowed = policy.Allowed

// discard is a Sink, Ports and Port that forgets everything, for measuring.
type discard struct{}

func (discard) ToClient(Client, Packet)                            {}
func (discard) Across(int, netip.AddrPort, netip.AddrPort, []byte) {}
func (discard) Call(int, uint32, netip.AddrPort, netip.AddrPort)   {}
func (discard) Join(uint32, uint32)                                {}
func (discard) CloseConn(uint32)                                   {}
func (discard) Send(netip.AddrPort, []byte, bool)                  {}
func (discard) Close()                                             {}
func (discard) Open(*Relay, Wish) (Opened, error)                  { return Opened{}, ErrPorts }
func (discard) Claim(*Relay, Kept) (Opened, error)                 { return Opened{}, ErrPorts }
func (discard) Listen(*Relay, Family) (Opened, error)              { return Opened{}, ErrPorts }

// elsewhere is a bench without the other engines of the lab.
type elsewhere struct{ *bench }

func (elsewhere) Across(int, netip.AddrPort, netip.AddrPort, []byte) {}

// addrPlus returns an address with another port.
func addrPlus(a netip.AddrPort, n int) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr(), uint16(int(a.Port())+n))
}
