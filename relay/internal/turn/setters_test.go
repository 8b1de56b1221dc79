package turn

import (
	"encoding/binary"
	"net/netip"

	"github.com/pion/stun/v3"
)

// attr returns a setter for raw bytes.
func attr(t stun.AttrType, value ...byte) stun.Setter {
	return stun.RawAttribute{Type: t, Value: value}
}

// xor returns a setter for an address attribute.
func xor(t stun.AttrType, addr netip.AddrPort) stun.Setter { return xorSetter{t, addr} }

type xorSetter struct {
	t    stun.AttrType
	addr netip.AddrPort
}

func (s xorSetter) AddTo(m *stun.Message) error {
	return stun.XORMappedAddress{IP: s.addr.Addr().AsSlice(), Port: int(s.addr.Port())}.AddToAs(m, s.t)
}

// mapped is peer with the address in IPv4-mapped form, which the codec does not write.
func mapped(addr netip.AddrPort) stun.Setter { return mappedSetter(addr) }

type mappedSetter netip.AddrPort

func (s mappedSetter) AddTo(m *stun.Message) error {
	addr := netip.AddrPort(s)
	b := addr.Addr().As16()
	value := append([]byte{0, byte(IPv6), byte(addr.Port()>>8) ^ 0x21, byte(addr.Port()) ^ 0x12}, b[:]...)
	for i := range b {
		value[4+i] ^= m.Raw[4+i]
	}
	m.Add(stun.AttrXORPeerAddress, value)
	return nil
}

func peer(addr netip.AddrPort) stun.Setter { return xor(stun.AttrXORPeerAddress, addr) }
func transport(protocol byte) stun.Setter {
	return attr(stun.AttrRequestedTransport, protocol, 0, 0, 0)
}
func family(f Family) stun.Setter { return attr(stun.AttrRequestedAddressFamily, byte(f), 0, 0, 0) }
func additional(f Family) stun.Setter {
	return attr(attrAdditionalAddressFamily, byte(f), 0, 0, 0)
}

func lifetime(seconds uint32) stun.Setter {
	return attr(stun.AttrLifetime, binary.BigEndian.AppendUint32(nil, seconds)...)
}

func channelNumber(n uint16) stun.Setter {
	return attr(stun.AttrChannelNumber, byte(n>>8), byte(n), 0, 0)
}
