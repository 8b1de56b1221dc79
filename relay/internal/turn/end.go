package turn

import "time"

// End says why an allocation ended.
type End uint8

// Why allocations end; the zero value is that they live.
const (
	_                End = iota
	EndedByClient        // it was given back
	EndedUnrefreshed     // nobody refreshed it
	EndedDenied          // as above, and its client's last request was not by a known user, or with a wrong password
	EndedSession         // it lived as long as it may: MaxSession, or its credential's expiry if that is strict
	EndedRevoked         // its user was revoked
	EndedGone            // its client's connection ended
	EndedClosed          // the engine was closed
	ends
)

var endNames = [ends]string{"", "client", "expired", "denied", "session", "revoked", "connection", "closed"}

// String returns the name of the reason in logs; empty if there is none.
func (e End) String() string { return endNames[e] }

// expiry says why an allocation ends that is due.
func (a *allocation) expiry(now time.Time) End {
	switch {
	case !now.Before(a.ends):
		return EndedSession
	case a.denied:
		return EndedDenied
	}
	return EndedUnrefreshed
}
