//go:build linux

package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// answerPatience is how long a server has for an answer, and tries is how often it is asked.
const (
	answerPatience = 500 * time.Millisecond
	tries          = 6
)

// client is one allocation.
type client struct {
	link     link
	relayed  netip.AddrPort
	replies  chan []byte // answers, where somebody else reads the link
	username stun.Username
	key      stun.MessageIntegrity
	realm    stun.Realm
	nonce    stun.Nonce
	password string
}

// link is how a client and its server talk.
type link interface {
	// descriptor is what epoll waits for.
	descriptor() int
	// write sends a message, whole.
	write(message []byte) error
	// read returns a message that comes until then, or nil.
	read(deadline time.Time) ([]byte, error)
	close()
}

// dial makes the ith client's allocation.
func dial(t Target, i int) (*client, error) {
	l, err := t.connect(t.From(i))
	if err != nil {
		return nil, err
	}
	c := &client{link: l, username: stun.NewUsername(t.Username), password: t.Password}
	if err := c.allocate(); err != nil {
		l.close()
		return nil, fmt.Errorf("allocate: %w", err)
	}
	return c, nil
}

// connect opens what leads to the server.
func (t Target) connect(from netip.Addr) (link, error) {
	if t.Transport == UDP {
		return connectDatagram(from, t.Server)
	}
	return connectStream(from, t.Server, t.Transport == TLS)
}

func (c *client) allocate() error {
	reply, err := c.request(stun.MethodAllocate, stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}})
	if err != nil {
		return err
	}
	var relayed stun.XORMappedAddress
	if err := relayed.GetFromAs(reply, stun.AttrXORRelayedAddress); err != nil {
		return err
	}
	addr, ok := netip.AddrFromSlice(relayed.IP)
	if !ok {
		return errors.New("the relayed address is none")
	}
	c.relayed = netip.AddrPortFrom(addr.Unmap(), uint16(relayed.Port))
	return nil
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

// refresh keeps the allocation for so long; 0 gives it back.
func (c *client) refresh(lifetime time.Duration) error {
	value := binary.BigEndian.AppendUint32(nil, uint32(lifetime/time.Second))
	_, err := c.request(stun.MethodRefresh, stun.RawAttribute{Type: stun.AttrLifetime, Value: value})
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
	for try := range tries {
		if try == 0 || !isStream(c.link) { // a stream does not lose it
			if err := c.link.write(m.Raw); err != nil {
				return nil, err
			}
		}
		for deadline := time.Now().Add(answerPatience); time.Now().Before(deadline); {
			raw, err := c.answer(deadline)
			if err != nil {
				return nil, err
			}
			reply := &stun.Message{Raw: raw}
			if raw != nil && reply.Decode() == nil && reply.TransactionID == m.TransactionID {
				return reply, nil
			}
		}
	}
	return nil, errors.New("no answer")
}

// answer returns what comes until then, or nil.
func (c *client) answer(deadline time.Time) ([]byte, error) {
	if c.replies == nil {
		return c.link.read(deadline)
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case raw := <-c.replies:
		return raw, nil
	case <-timer.C:
		return nil, nil
	}
}

// heard takes down an answer that somebody else has read. One too many is lost, as on the way.
func (c *client) heard(message []byte) {
	select {
	case c.replies <- append([]byte(nil), message...):
	default:
	}
}
