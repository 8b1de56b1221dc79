package turn

// Refusal says why a request was answered with an error.
type Refusal uint8

// Why requests are refused; the zero value is none.
const (
	_                   Refusal = iota
	RefusedChallenge            // not signed: the client's first request, answered with a nonce
	RefusedStaleNonce           // signed with an old nonce, or one that is not ours
	RefusedUser                 // unknown user, wrong password or realm
	RefusedExpired              // an Allocate with an expired credential
	RefusedRevoked              // the user was revoked
	RefusedMalformed            // an attribute is missing, wrong or where it must not be
	RefusedUnknown              // an attribute that must be understood and is not
	RefusedNoAllocation         // the five-tuple has none
	RefusedSecond               // an Allocate on a five-tuple that has an allocation
	RefusedOtherUser            // the allocation is somebody else's
	RefusedTransport            // REQUESTED-TRANSPORT
	RefusedFamily               // an address family that is not relayed, or not by this allocation
	RefusedReservation          // no such reservation
	RefusedUserQuota            // the user has as many allocations as allowed
	RefusedSourceQuota          // so has the address
	RefusedCapacity             // so has the relay
	RefusedNoPort               // the port range is used up, or opening failed
	RefusedDraining             // the relay is shutting down
	RefusedPeer                 // the policy denies the peer
	RefusedPermissions          // too many permissions
	RefusedChannels             // too many channels
	RefusedPeerRate             // too many new peers at once
	RefusedChannel              // number or peer already bound otherwise
	RefusedNumber               // a channel number that is out of range
	RefusedConnection           // a connection to this peer exists
	RefusedConnections          // too many connections
	RefusedConnect              // the peer cannot be connected to
	refusals
)

var refusalNames = [refusals]string{
	"none", "challenge", "stale-nonce", "auth", "expired", "revoked", "malformed", "unknown-attribute", "no-allocation",
	"second-allocation", "another-user", "transport", "family", "reservation", "user-quota", "source-quota", "capacity",
	"no-port", "draining", "peer-denied", "permissions", "channels", "peer-rate", "channel-taken", "channel-number", "connection-exists",
	"connections", "connect-failed",
}

// String returns the refusal's name in logs and metrics.
func (r Refusal) String() string { return refusalNames[r] }

// Drop says why a packet went nowhere.
type Drop uint8

// Why packets are dropped.
const (
	DroppedEmpty          Drop = iota
	DroppedFirstByte           // neither STUN nor ChannelData
	DroppedMalformed           // not what its header says, or not understood
	DroppedFingerprint         // FINGERPRINT is wrong
	DroppedMethod              // unknown method, or not a client's to send
	DroppedBudget              // an answer to a stranger beyond the budget
	DroppedNoAllocation        // data without an allocation
	DroppedNoChannel           // ChannelData with a number that is not bound
	DroppedNoPermission        // from the client, to a peer without permission
	DroppedPeer                // from a peer without permission
	DroppedClosed              // from a peer, when its allocation had ended
	DroppedToOwnAddress        // to an address of this host where no allocation is
	DroppedFromOwnAddress      // from an address of this host, through the network
	DroppedRate                // beyond the allocation's bits per second
	DroppedBandwidth           // beyond what the allocations of its address may relay
	DroppedTotalRate           // beyond the relay's
	DroppedTooLong             // does not fit into a message
	DroppedICMP                // an ICMP error that is not passed on
	drops
)

var dropNames = [drops]string{
	"empty", "first-byte", "malformed", "fingerprint", "method", "budget", "no-allocation", "no-channel", "no-permission",
	"peer-no-permission", "closed", "to-own-address", "from-own-address", "rate", "bandwidth", "total-rate", "too-long", "icmp",
}

// String returns the drop's name in logs and metrics.
func (d Drop) String() string { return dropNames[d] }

// Flow counts packets and the bytes of payload in them.
type Flow struct {
	Packets, Bytes uint64
}

func (f *Flow) add(n int) { f.Packets++; f.Bytes += uint64(n) }

func (f *Flow) sum(other Flow) { f.Packets += other.Packets; f.Bytes += other.Bytes }

// Counters count what one engine did. They belong to whoever calls the engine.
type Counters struct {
	Allocated    uint64 // allocations made
	AllocatedBy  [DTLS + 1]uint64
	EndedBy      [DTLS + 1]uint64 // allocations that ended
	Bindings     uint64           // Binding requests answered
	ToPeers      Flow             // from clients, relayed
	FromPeers    Flow             // from peers, relayed
	RefusalsBy   [refusals]uint64
	DropsBy      [drops]uint64
	AuthFailures uint64 // requests whose user or password was wrong
}

// Add adds what another engine has counted.
func (c *Counters) Add(other Counters) {
	c.Allocated += other.Allocated
	c.Bindings += other.Bindings
	c.AuthFailures += other.AuthFailures
	c.ToPeers.sum(other.ToPeers)
	c.FromPeers.sum(other.FromPeers)
	for i := range c.AllocatedBy {
		c.AllocatedBy[i] += other.AllocatedBy[i]
		c.EndedBy[i] += other.EndedBy[i]
	}
	for i, n := range other.RefusalsBy {
		c.RefusalsBy[i] += n
	}
	for i, n := range other.DropsBy {
		c.DropsBy[i] += n
	}
}

// Refusals returns what was refused, by name, without zeros.
func (c *Counters) Refusals() map[string]uint64 {
	named := make(map[string]uint64)
	for i, n := range c.RefusalsBy {
		if n > 0 {
			named[Refusal(i).String()] = n
		}
	}
	return named
}

// Drops returns what was dropped, by name, without zeros.
func (c *Counters) Drops() map[string]uint64 {
	named := make(map[string]uint64)
	for i, n := range c.DropsBy {
		if n > 0 {
			named[Drop(i).String()] = n
		}
	}
	return named
}
