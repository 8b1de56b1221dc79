package turn

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/pion/stun/v3"
)

// integrity is one of the two ways to sign a message: MESSAGE-INTEGRITY (RFC 8489 section 14.5) and
// MESSAGE-INTEGRITY-SHA256 (section 14.6).
type integrity struct {
	attribute stun.AttrType
	size      int
	hash      func() hash.Hash
}

var (
	integritySHA1   = integrity{stun.AttrMessageIntegrity, sha1.Size, sha1.New}
	integritySHA256 = integrity{stun.AttrMessageIntegritySHA256, sha256.Size, sha256.New}
)

// sum computes the attribute's value for a message that has the attribute at offset end. The length
// in the header counts as if the attribute were the last.
func (i integrity) sum(key, raw []byte, end int) []byte {
	var header [4]byte
	copy(header[:], raw[:4])
	binary.BigEndian.PutUint16(header[2:], uint16(end-headerSize+attributeSize+i.size))
	mac := hmac.New(i.hash, key)
	mac.Write(header[:])
	mac.Write(raw[4:end])
	return mac.Sum(nil)
}

// check reports whether a message carries the attribute with the right value. A value cut short is
// wrong, since TURN does not allow that.
func (i integrity) check(key, raw []byte) bool {
	end, value := find(raw, i.attribute)
	return len(value) == i.size && hmac.Equal(value, i.sum(key, raw, end))
}

// addTo signs a message.
func (i integrity) addTo(m *stun.Message, key []byte) {
	m.Add(i.attribute, i.sum(key, m.Raw, len(m.Raw)))
}

// find returns the offset and value of the first attribute of a type; the value is nil if there is
// none. The message must have been decoded before.
func find(raw []byte, t stun.AttrType) (int, []byte) {
	for at := headerSize; at+attributeSize <= len(raw); {
		size := int(binary.BigEndian.Uint16(raw[at+2:]))
		if stun.AttrType(binary.BigEndian.Uint16(raw[at:])) == t && at+attributeSize+size <= len(raw) {
			return at, raw[at+attributeSize : at+attributeSize+size]
		}
		at += attributeSize + padded(size)
	}
	return len(raw), nil
}

// algorithm is a password algorithm by its number (RFC 8489 section 18.5).
type algorithm uint16

const (
	algorithmMD5    algorithm = 1
	algorithmSHA256 algorithm = 2
)

// offeredAlgorithms is the value of PASSWORD-ALGORITHMS, the better one first.
var offeredAlgorithms = []byte{0, byte(algorithmSHA256), 0, 0, 0, byte(algorithmMD5), 0, 0}

// key derives the key of a long-term credential (RFC 8489 section 9.2.2).
func (a algorithm) key(username, realm, password string) []byte {
	text := []byte(username + ":" + realm + ":" + password)
	if a == algorithmSHA256 {
		sum := sha256.Sum256(text)
		return sum[:]
	}
	sum := md5.Sum(text)
	return sum[:]
}

// userHash returns the value of USERHASH (RFC 8489 section 14.4).
func userHash(username, realm string) [sha256.Size]byte {
	return sha256.Sum256([]byte(username + ":" + realm))
}
