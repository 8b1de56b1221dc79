package daemon

import (
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"
)

// forwardedTime is how long a proxy may take to say for whom it connects. It only ever waits on the goroutine of its own connection.
const forwardedTime = 5 * time.Second

// AcceptProxyProtocol takes the client's address from the PROXY protocol, version 1 or 2, of connections from the
// proxies. A connection of theirs without it (of a health check, say) is their own; those
// of others are left as they are, so that what they say of themselves is not believed.
func AcceptProxyProtocol(l net.Listener, proxies []netip.Prefix) net.Listener {
	return &proxyproto.Listener{
		Listener:          l,
		ReadHeaderTimeout: forwardedTime,
		ConnPolicy: func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			if contains(proxies, addressOf(o.Upstream)) {
				return proxyproto.USE, nil
			}
			return proxyproto.SKIP, nil
		},
	}
}
