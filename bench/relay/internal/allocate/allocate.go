// Package allocate makes allocations at a relay by hand, with as little as that takes.
package allocate

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/pion/stun/v3"
)

// Client is what makes allocations.
type Client struct {
	Server   *net.UDPAddr
	User     string
	Password string
}

// patience is how long an answer may take, and tries how often a request is sent.
const (
	patience = 500 * time.Millisecond
	tries    = 10
)

var transport = stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}

// Source returns the nth address of loopback that allocations are made from: each has its own, so that no limit of one is
// reached.
func Source(n int) net.IP { return net.IPv4(127, byte(16+n>>16), byte(n>>8), byte(n)) }

// Make makes an allocation from an address. Its socket is closed then: nothing comes that it would be needed for.
func (c Client) Make(from net.IP) error {
	conn, err := net.DialUDP("udp4", &net.UDPAddr{IP: from}, c.Server)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	challenge, err := ask(conn, transport)
	if err != nil {
		return err
	}
	var realm stun.Realm
	var nonce stun.Nonce
	if err := challenge.Parse(&realm, &nonce); err != nil {
		return fmt.Errorf("no challenge: %w", err)
	}
	answer, err := ask(conn, transport, stun.NewUsername(c.User), realm, nonce,
		stun.NewLongTermIntegrity(c.User, realm.String(), c.Password))
	if err != nil {
		return err
	}
	var code stun.ErrorCodeAttribute
	if code.GetFrom(answer) == nil {
		return fmt.Errorf("refused: %v", code)
	}
	return nil
}

// ask sends an Allocate and returns the answer.
func ask(conn *net.UDPConn, setters ...stun.Setter) (*stun.Message, error) {
	request, err := stun.Build(append([]stun.Setter{stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest)}, setters...)...)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 1500)
	for range tries {
		if _, err := conn.Write(request.Raw); err != nil {
			return nil, err
		}
		for {
			_ = conn.SetReadDeadline(time.Now().Add(patience)) // an open socket takes it
			n, err := conn.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return nil, err
			}
			answer := &stun.Message{Raw: buf[:n]}
			if answer.Decode() == nil && answer.TransactionID == request.TransactionID {
				return answer, nil
			}
		}
	}
	return nil, errors.New("no answer")
}
