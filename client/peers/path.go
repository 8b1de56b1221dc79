package peers

import (
	"time"

	"github.com/pion/webrtc/v4"
)

// Path is the way that packets take to a peer.
type Path struct {
	Kind     PathKind
	Protocol string        // "udp" or "tcp"; of a relay how it is reached, also "tls" or "dtls"; "": not known
	RTT      time.Duration // round trip, measured on a channel of the package's own; 0: not known yet
}

// PathKind is whether a relay is on a path.
type PathKind string

// The kinds of paths. "" is none.
const (
	Direct  PathKind = "direct"
	Relayed PathKind = "relay"
	Server  PathKind = "server" // there is none: messages go through the server that signals, which is slow and limited
	Mesh    PathKind = "mesh"   // there need not be one: other peers pass messages on
)

// route is a path as far as this side knows it.
type route struct {
	kind     PathKind
	protocol string
	relayed  bool // this side's end is on a relay
}

// routeOf finds the route of a connection.
func routeOf(pc *webrtc.PeerConnection) (route, bool) {
	pair, err := pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || pair == nil || pair.Local == nil || pair.Remote == nil {
		return route{}, false
	}
	r := route{kind: Direct, protocol: pair.Local.Protocol.String()}
	if pair.Remote.Typ == webrtc.ICECandidateTypeRelay {
		r.kind = Relayed
	}
	if pair.Local.Typ == webrtc.ICECandidateTypeRelay {
		r.kind, r.relayed = Relayed, true
		for _, s := range pc.GetStats() { // only they say how the relay is reached
			c, is := s.(webrtc.ICECandidateStats)
			if is && c.Type == webrtc.StatsTypeLocalCandidate && c.Port == int32(pair.Local.Port) && c.RelayProtocol != "" {
				r.protocol = c.RelayProtocol
			}
		}
	}
	return r, true
}
