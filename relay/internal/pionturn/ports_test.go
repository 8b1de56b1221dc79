package pionturn

import (
	"errors"
	"net/netip"
	"testing"
)

func TestOnlyAddressesOfTheRelaySocketsLeadInside(t *testing.T) {
	const bound, everywhere = "127.0.0.1", "0.0.0.0"
	tests := map[string]struct {
		bind, to string
		inside   bool
	}{
		"the address bound to":                 {bound, "127.0.0.1:50000", true},
		"the advertised address":               {bound, "198.51.100.7:50000", true},
		"another address of the host":          {bound, "127.0.0.2:50000", false},
		"any address, if bound to all":         {everywhere, "127.0.0.2:50000", true},
		"the advertised one, if bound to all":  {everywhere, "198.51.100.7:50000", true},
		"the right address, but nobody's port": {bound, "127.0.0.1:50001", false},
	}
	for name, test := range tests {
		p := newPorts(Settings{
			RelayBind: netip.MustParseAddr(test.bind),
			PublicIP:  netip.MustParseAddr("198.51.100.7"),
			MinPort:   50000,
			MaxPort:   50001,
		})
		c := &relayConn{}
		p.assign(50000, c)
		if got := p.at(netip.MustParseAddrPort(test.to)) == c; got != test.inside {
			t.Errorf("%s: inside = %v, want %v", name, got, test.inside)
		}
	}
}

func TestAPortIsHandedOutOnce(t *testing.T) {
	p := newPorts(Settings{RelayBind: netip.MustParseAddr("127.0.0.1"), MinPort: 1, MaxPort: 65535})
	socket, port, err := p.open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	if again, _, err := p.open(port); !errors.Is(err, errNoPort) {
		t.Errorf("port %d again: %v, %v, want errNoPort", port, again, err)
	}
}
