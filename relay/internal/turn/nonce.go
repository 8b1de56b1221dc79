package turn

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"net/netip"
	"time"
)

// A nonce (RFC 8489 section 9.2) says by itself when it was given to which address, so none is
// remembered: the nonce cookie, then in base64 the security features, the time and a MAC over both
// and the address, without the port since ConnectionBind comes from another one.
const (
	nonceCookie   = "obMatJos2"
	nonceLife     = time.Hour
	nonceMAC      = 10 // bytes
	nonceFeatures = len(nonceCookie)
	nonceStamp    = nonceFeatures + 4
)

var nonceSize = nonceStamp + base64.RawStdEncoding.EncodedLen(4+nonceMAC)

// Security features, RFC 8489 section 18.1; bit 0 is the leftmost.
const (
	featureAlgorithms = 0x80
	featureAnonymity  = 0x40
)

// noncer makes and checks nonces with a key that all engines of a relay have.
type noncer struct {
	mac     hash.Hash
	text    [4 + 1 + 16]byte
	sum     [4 + sha256.Size]byte
	feature byte
}

func newNoncer(key []byte, feature byte) noncer {
	return noncer{mac: hmac.New(sha256.New, key), feature: feature}
}

// seal returns time and MAC for an address, valid until the next call. It makes no garbage: strangers can have it
// called as often as they like.
func (n *noncer) seal(stamp uint32, addr netip.Addr) []byte {
	ip := addr.As16()
	text := binary.BigEndian.AppendUint32(n.text[:0], stamp)
	text = append(append(text, n.feature), ip[:]...)
	n.mac.Reset()
	n.mac.Write(text)
	n.mac.Sum(append(n.sum[:0], text[:4]...))
	return n.sum[:4+nonceMAC]
}

// appendTo appends a nonce for an address.
func (n *noncer) appendTo(buf []byte, now time.Time, addr netip.Addr) []byte {
	buf = append(buf, nonceCookie...)
	buf = base64.StdEncoding.AppendEncode(buf, []byte{n.feature, 0, 0})
	sealed := n.seal(uint32(now.Unix()), addr)
	return base64.RawStdEncoding.AppendEncode(buf, sealed)
}

// valid reports whether a nonce was given to this address less than [nonceLife] ago.
func (n *noncer) valid(nonce []byte, now time.Time, addr netip.Addr) bool {
	if len(nonce) != nonceSize {
		return false
	}
	var given [4 + nonceMAC]byte
	if _, err := base64.RawStdEncoding.Strict().Decode(given[:], nonce[nonceStamp:]); err != nil {
		return false
	}
	stamp := binary.BigEndian.Uint32(given[:])
	sealed := n.seal(stamp, addr)
	var want [nonceStamp]byte
	features := base64.StdEncoding.AppendEncode(append(want[:0], nonceCookie...), []byte{n.feature, 0, 0})
	if !hmac.Equal(given[:], sealed) || !hmac.Equal(nonce[:nonceStamp], features) {
		return false
	}
	age := now.Unix() - int64(stamp)
	return age >= -1 && age < int64(nonceLife/time.Second)
}
