package daemon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// ListenTCP listens on a TCP address such as ":8080". Flag is the flag it came from, such as
// "--listen", so that the error can say how to choose another; the flag's environment variable is
// taken to be PARLEY_LISTEN.
func ListenTCP(addr, flag string) (net.Listener, error) {
	if err := CheckListen(addr, "tcp", flag); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, listenFault(err, addr, "tcp", flag)
	}
	return listener, nil
}

// ListenUDP is [ListenTCP] for UDP.
func ListenUDP(addr, flag string) (net.PacketConn, error) {
	if err := CheckListen(addr, "udp", flag); err != nil {
		return nil, err
	}
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, listenFault(err, addr, "udp", flag)
	}
	return conn, nil
}

// CheckListen says by a [UsageError] why nobody can listen on an address, whatever the host: it is not written as one.
func CheckListen(addr, network, flag string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		if fault, ok := errors.AsType[*net.AddrError](err); ok {
			err = errors.New(fault.Err) // the address is in our own words
		}
		return Usagef("%s: %q is not host:port, like 192.0.2.1:8080, or :8080 for every interface: %w", flag, addr, err)
	}
	if _, err := net.LookupPort(network, port); err != nil {
		return Usagef("%s: the port of %q is neither a number from 0 to 65535 nor a service's name", flag, addr)
	}
	return nil
}

// CheckBind finds out whether relay sockets can be bound to an address, which is the value of a flag or part of it: if not,
// each allocation would be refused later. The error is a [UsageError].
func CheckBind(addr netip.Addr, flag, value string) error {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err == nil {
		return conn.Close()
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		err = number // the address is in our own words already
	}
	return Usagef("%s: %s: relay sockets cannot be bound to %s: %w; it must be an address of this host", flag, value, addr, err)
}

func listenFault(err error, addr, network, flag string) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		err = &addressInUse{err}
	} else if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err // the address is in our own words already
	}
	return fmt.Errorf("cannot listen on %s/%s: %w; choose another with %s or %s", addr, network, err, flag, variableOf(flag))
}

// variableOf returns the environment variable of a flag: PARLEY_RELAY_LISTEN for --relay-listen.
func variableOf(flag string) string {
	return "PARLEY_" + strings.ToUpper(strings.ReplaceAll(strings.TrimLeft(flag, "-"), "-", "_"))
}

// addressInUse keeps the cause for errors.Is and says it without repeating the address.
type addressInUse struct{ err error }

func (e *addressInUse) Error() string { return "address already in use" }

func (e *addressInUse) Unwrap() error { return e.err }
