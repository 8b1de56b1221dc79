package pionturn

import (
	"encoding/binary"
	"net/netip"

	"github.com/pion/stun/v3"
)

const (
	headerSize    = 20 // STUN message header
	attributeSize = 4  // header of an attribute
	integritySize = 20 // value of MESSAGE-INTEGRITY
)

// protocolUDP is the value of REQUESTED-TRANSPORT for UDP, RFC 8656 section 18.9.
const protocolUDP = 17

// familyIPv4 is the value of REQUESTED-ADDRESS-FAMILY for IPv4, RFC 8656 section 18.8.
const familyIPv4 = 1

// payloadOf returns how many bytes of a peer a datagram for a client carries, if it does.
func payloadOf(p []byte) (size int, relayed bool) {
	if len(p) < attributeSize {
		return 0, false
	}
	if p[0]&0xc0 == 0x40 { // ChannelData
		return int(binary.BigEndian.Uint16(p[2:])), true
	}
	if len(p) < headerSize || binary.BigEndian.Uint16(p) != stun.NewType(stun.MethodData, stun.ClassIndication).Value() {
		return 0, false
	}
	for rest := p[headerSize:]; len(rest) >= attributeSize; {
		attribute, length := stun.AttrType(binary.BigEndian.Uint16(rest)), int(binary.BigEndian.Uint16(rest[2:]))
		if attribute == stun.AttrData {
			return length, true
		}
		rest = rest[min(len(rest), attributeSize+(length+3)/4*4):]
	}
	return 0, true
}

// bare rewrites the request in p to its header alone and returns its new length. The TURN server
// answers a request that is not signed with 401 and a nonce.
func bare(p []byte) int {
	p[2], p[3] = 0, 0
	return headerSize
}

// upToIntegrity rewrites the request in p to end with MESSAGE-INTEGRITY and returns its new length.
// What follows is not covered by it, and the TURN server would believe it.
func upToIntegrity(p []byte, msg *stun.Message) int {
	length := 0
	for _, attribute := range msg.Attributes {
		length += attributeSize + (int(attribute.Length)+3)/4*4
		if attribute.Type == stun.AttrMessageIntegrity {
			break
		}
	}
	binary.BigEndian.PutUint16(p[2:], uint16(length))
	return headerSize + length
}

// refusal returns an error response, signed if there is a key.
func refusal(msg *stun.Message, code stun.ErrorCode, key []byte) []byte {
	setters := []stun.Setter{
		stun.NewTransactionIDSetter(msg.TransactionID),
		stun.NewType(msg.Type.Method, stun.ClassErrorResponse),
		&stun.ErrorCodeAttribute{Code: code},
	}
	if key != nil {
		setters = append(setters, stun.MessageIntegrity(key))
	}
	answer, err := stun.Build(setters...)
	if err != nil {
		return nil // cannot be: nothing in it depends on the request
	}
	return answer.Raw
}

// peersOf returns the addresses in the XOR-PEER-ADDRESS attributes.
func peersOf(msg *stun.Message) ([]netip.Addr, error) {
	var peers []netip.Addr
	err := msg.ForEach(stun.AttrXORPeerAddress, func(m *stun.Message) error {
		var peer stun.XORMappedAddress
		if err := peer.GetFromAs(m, stun.AttrXORPeerAddress); err != nil {
			return err
		}
		addr, _ := netip.AddrFromSlice(peer.IP)
		peers = append(peers, addr)
		return nil
	})
	return peers, err
}
