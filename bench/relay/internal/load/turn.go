//go:build linux

package load

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
	"golang.org/x/sys/unix"
)

// answerPatience is how long a server has for an answer, and tries is how often it is asked.
const (
	answerPatience = 500 * time.Millisecond
	tries          = 6
)

// client is one allocation.
type client struct {
	fd       int
	local    netip.AddrPort
	relayed  netip.AddrPort
	username stun.Username
	key      stun.MessageIntegrity
	realm    stun.Realm
	nonce    stun.Nonce
	password string
}

// dial makes an allocation.
func dial(from netip.Addr, server netip.AddrPort, username, password string) (*client, error) {
	fd, local, err := open(from)
	if err != nil {
		return nil, err
	}
	c := &client{fd: fd, local: local, username: stun.NewUsername(username), password: password}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: server.Addr().As4(), Port: int(server.Port())}); err != nil {
		return nil, err
	}
	reply, err := c.request(stun.MethodAllocate, stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}})
	if err != nil {
		return nil, fmt.Errorf("allocate: %w", err)
	}
	var relayed stun.XORMappedAddress
	if err := relayed.GetFromAs(reply, stun.AttrXORRelayedAddress); err != nil {
		return nil, err
	}
	addr, ok := netip.AddrFromSlice(relayed.IP)
	if !ok {
		return nil, errors.New("the relayed address is none")
	}
	c.relayed = netip.AddrPortFrom(addr.Unmap(), uint16(relayed.Port))
	return c, nil
}

// bind binds a channel to a peer.
func (c *client) bind(number uint16, peer netip.AddrPort) error {
	_, err := c.request(stun.MethodChannelBind,
		stun.RawAttribute{Type: stun.AttrChannelNumber, Value: []byte{byte(number >> 8), byte(number), 0, 0}}, peerAddress(peer))
	return err
}

// permit makes a permission for a peer.
func (c *client) permit(peer netip.AddrPort) error {
	_, err := c.request(stun.MethodCreatePermission, peerAddress(peer))
	return err
}

// peerAddress is XOR-PEER-ADDRESS.
type peerAddress netip.AddrPort

func (p peerAddress) AddTo(m *stun.Message) error {
	addr := netip.AddrPort(p)
	return stun.XORMappedAddress{IP: addr.Addr().AsSlice(), Port: int(addr.Port())}.AddToAs(m, stun.AttrXORPeerAddress)
}

// request sends a signed request and returns the answer; the first is challenged.
func (c *client) request(method stun.Method, attributes ...stun.Setter) (*stun.Message, error) {
	for range 3 {
		setters := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attributes...)
		if c.nonce != nil {
			setters = append(setters, c.username, c.realm, c.nonce, c.key)
		}
		reply, err := c.exchange(setters)
		if err != nil {
			return nil, err
		}
		if reply.Type.Class == stun.ClassSuccessResponse {
			return reply, nil
		}
		var code stun.ErrorCodeAttribute
		if err := code.GetFrom(reply); err != nil {
			return nil, err
		}
		if code.Code != stun.CodeUnauthorized && code.Code != stun.CodeStaleNonce || c.nonce != nil && code.Code == stun.CodeUnauthorized {
			return nil, fmt.Errorf("%v: %v", method, code)
		}
		if err := errors.Join(c.realm.GetFrom(reply), c.nonce.GetFrom(reply)); err != nil {
			return nil, err
		}
		c.key = stun.NewLongTermIntegrity(string(c.username), string(c.realm), c.password)
	}
	return nil, fmt.Errorf("%v: challenged again and again", method)
}

// exchange sends a request until it is answered.
func (c *client) exchange(setters []stun.Setter) (*stun.Message, error) {
	m, err := stun.Build(setters...)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, roomFor)
	for range tries {
		if _, err := unix.Write(c.fd, m.Raw); err != nil {
			return nil, err
		}
		for deadline := time.Now().Add(answerPatience); time.Now().Before(deadline); {
			ready := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}
			if _, err := unix.Poll(ready, int(time.Until(deadline)/time.Millisecond)+1); err != nil && !errors.Is(err, unix.EINTR) {
				return nil, err
			}
			n, err := unix.Read(c.fd, buf)
			if err != nil {
				continue
			}
			reply := &stun.Message{Raw: append([]byte(nil), buf[:n]...)}
			if reply.Decode() == nil && reply.TransactionID == m.TransactionID {
				return reply, nil
			}
		}
	}
	return nil, errors.New("no answer")
}
