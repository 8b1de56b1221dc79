package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

var (
	// ErrSilent says that no answer came in time.
	ErrSilent = errors.New("no answer")
	// ErrNonces says that a server refuses every nonce that it gives out.
	ErrNonces = errors.New("the server says again and again that its nonce is stale (438)")
	// ErrUnsigned says that an answer is not signed with our password, and may be anybody's.
	ErrUnsigned = errors.New("the answer is not signed, or not with our password")
)

// Refused is a server's answer that is an error.
type Refused struct {
	Method stun.Method
	Code   int
	Reason string // as the server words it; often empty
}

func (e *Refused) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("%s is refused with %d", e.Method, e.Code)
	}
	return fmt.Sprintf("%s is refused with %d (%.60q)", e.Method, e.Code, e.Reason)
}

// CodeOf returns the code of a refusal, or 0 if err is none.
func CodeOf(err error) int {
	if refused, ok := errors.AsType[*Refused](err); ok {
		return refused.Code
	}
	return 0
}

// firstWait is how long a datagram's answer is waited for before it is sent again, and then twice as long
// each time (RFC 8489 section 6.2.1).
const firstWait = 500 * time.Millisecond

// maxNonces is how many nonces may turn out stale in a row.
const maxNonces = 3

// Client speaks to a server over one connection, which belongs to it. One goroutine may make requests, and only while none reads data.
type Client struct {
	wire
	wait time.Duration

	username, password string
	realm, nonce       string
}

// New returns a client on a connection, over a stream or not (UDP, DTLS), which belongs to it from then on.
func New(conn net.Conn, stream bool) *Client {
	return &Client{wire: newWire(conn, stream), wait: firstWait}
}

// Realm returns the server's realm, once it has asked for credentials.
func (c *Client) Realm() string { return c.realm }

// As sets the credentials.
func (c *Client) As(username, password string) { c.username, c.password = username, password }

// Binding asks where the server sees this client.
func (c *Client) Binding(ctx context.Context) (netip.AddrPort, error) {
	answer, err := c.exchange(ctx, stun.BindingRequest)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return addressIn(answer, stun.AttrXORMappedAddress)
}

// Challenge asks for an allocation without credentials, to be refused with a realm and a nonce.
func (c *Client) Challenge(ctx context.Context) error {
	_, err := c.exchange(ctx, requestOf(stun.MethodAllocate), requestedUDP)
	switch {
	case err == nil:
		return errors.New("the server gives an allocation to somebody without credentials")
	case CodeOf(err) != 401:
		return err
	case c.realm == "" || c.nonce == "":
		return errors.New("the 401 has no realm or no nonce")
	}
	return nil
}

// Allocate makes an allocation of UDP; of IPv6, if so wished, else of what the server chooses. It returns the relayed address.
func (c *Client) Allocate(ctx context.Context, six bool) (netip.AddrPort, error) {
	attributes := []stun.Setter{requestedUDP}
	if six {
		attributes = append(attributes, stun.RawAttribute{Type: stun.AttrRequestedAddressFamily, Value: []byte{2, 0, 0, 0}})
	}
	answer, err := c.signed(ctx, stun.MethodAllocate, attributes...)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return addressIn(answer, stun.AttrXORRelayedAddress)
}

// Permit makes a permission for a peer.
func (c *Client) Permit(ctx context.Context, peer netip.AddrPort) error {
	_, err := c.signed(ctx, stun.MethodCreatePermission, peerAddress(peer))
	return err
}

// Bind binds a channel to a peer.
func (c *Client) Bind(ctx context.Context, channel uint16, peer netip.AddrPort) error {
	number := stun.RawAttribute{Type: stun.AttrChannelNumber, Value: []byte{byte(channel >> 8), byte(channel), 0, 0}}
	_, err := c.signed(ctx, stun.MethodChannelBind, number, peerAddress(peer))
	return err
}

// Refresh makes the allocation live for so many seconds more; 0 ends it.
func (c *Client) Refresh(ctx context.Context, seconds uint16) error {
	_, err := c.signed(ctx, stun.MethodRefresh, stun.RawAttribute{Type: stun.AttrLifetime, Value: []byte{0, 0, byte(seconds >> 8), byte(seconds)}})
	return err
}

// signed makes a request with credentials, again with a new nonce when the server wants that.
func (c *Client) signed(ctx context.Context, method stun.Method, attributes ...stun.Setter) (*stun.Message, error) {
	for range maxNonces {
		key := stun.NewLongTermIntegrity(c.username, c.realm, c.password)
		answer, err := c.exchange(ctx, requestOf(method), append(attributes[:len(attributes):len(attributes)],
			stun.NewUsername(c.username), stun.NewRealm(c.realm), stun.NewNonce(c.nonce), key)...)
		switch {
		case err == nil && key.Check(answer) != nil:
			return nil, ErrUnsigned
		case CodeOf(err) != 438:
			return answer, err
		}
	}
	return nil, ErrNonces
}

// exchange makes a request and returns the answer to it, if that is a success.
func (c *Client) exchange(ctx context.Context, kind stun.MessageType, attributes ...stun.Setter) (*stun.Message, error) {
	request, err := stun.Build(append([]stun.Setter{stun.TransactionID, kind}, attributes...)...)
	if err != nil {
		return nil, err
	}
	end, ok := ctx.Deadline()
	if !ok {
		return nil, errors.New("a request needs a deadline")
	}
	defer context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Now()) })() // a closed connection shows anyway
	for wait := c.wait; ; wait *= 2 {
		if err := c.send(request.Raw, end); err != nil {
			return nil, silence(ctx, err)
		}
		until := end
		if again := time.Now().Add(wait); !c.stream && again.Before(end) {
			until = again
		}
		answer, err := c.await(request.TransactionID, until)
		switch {
		case err == nil:
			return answer, c.outcome(answer)
		case !isTimeout(err) || !time.Now().Before(end) || ctx.Err() != nil:
			return nil, silence(ctx, err)
		}
	}
}

// await returns the answer to a request; what else comes is of no interest any more.
func (c *Client) await(id [stun.TransactionIDSize]byte, until time.Time) (*stun.Message, error) {
	for {
		p, err := c.next(until)
		if err != nil {
			return nil, err
		}
		if len(p) < 20 || p[0] > 3 {
			continue
		}
		answer := stun.New()
		if err := stun.Decode(p, answer); err != nil || answer.TransactionID != id {
			continue
		}
		if class := answer.Type.Class; class == stun.ClassSuccessResponse || class == stun.ClassErrorResponse {
			return answer, nil
		}
	}
}

// outcome returns what an answer says as an error, and remembers what is needed to sign.
func (c *Client) outcome(answer *stun.Message) error {
	if answer.Type.Class == stun.ClassSuccessResponse {
		return nil
	}
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(answer); err != nil {
		return fmt.Errorf("the server answers %s with an error that has no code", answer.Type.Method)
	}
	if code.Code == stun.CodeUnauthorized || code.Code == stun.CodeStaleNonce {
		var realm stun.Realm
		var nonce stun.Nonce
		if realm.GetFrom(answer) == nil {
			c.realm = realm.String()
		}
		if nonce.GetFrom(answer) == nil {
			c.nonce = nonce.String()
		}
	}
	return &Refused{Method: answer.Type.Method, Code: int(code.Code), Reason: string(code.Reason)}
}

// silence is ErrSilent instead of a deadline's error.
func silence(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	if isTimeout(err) {
		return ErrSilent
	}
	return err
}

func requestOf(method stun.Method) stun.MessageType {
	return stun.NewType(method, stun.ClassRequest)
}

// requestedUDP is REQUESTED-TRANSPORT of 17.
var requestedUDP = stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}

// peerAddress is an XOR-PEER-ADDRESS.
type peerAddress netip.AddrPort

// AddTo implements stun.Setter.
func (p peerAddress) AddTo(m *stun.Message) error {
	addr := net.UDPAddrFromAddrPort(netip.AddrPort(p))
	return stun.XORMappedAddress{IP: addr.IP, Port: addr.Port}.AddToAs(m, stun.AttrXORPeerAddress)
}

// addressIn returns an address of an answer.
func addressIn(m *stun.Message, kind stun.AttrType) (netip.AddrPort, error) {
	var found stun.XORMappedAddress
	if err := found.GetFromAs(m, kind); err != nil {
		return netip.AddrPort{}, fmt.Errorf("the answer has no %s", kind)
	}
	addr, _ := netip.AddrFromSlice(found.IP)
	return netip.AddrPortFrom(addr.Unmap(), uint16(found.Port)), nil
}
