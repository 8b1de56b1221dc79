package turn

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/pion/stun/v3"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// The messages of RFC 5769 and of RFC 8489 appendix B.1, the latter as its verified erratum 6268 has it.
var (
	vectorRequest = unhex(`00010058 2112a442 b7e7a701bc34d686fa87dfae 80220010 5354554e207465737420636c69656e74
		00240004 6e0001ff 80290008 932ff9b151263b36 00060009 6576746a3a68367659202020
		00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf`)
	vectorIPv4 = unhex(`0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220
		00200008 0001a147e112a643 00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96`)
	vectorIPv6 = unhex(`01010048 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220
		00200014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9
		00080014 a382954e4be67bf11784c97c8292c275bfe3ed41 80280004 c8fb0b4c`)
	vectorLongTerm = unhex(`00010060 2112a442 78ad3433c6ad72c029da412e
		00060012 e3839ee38388e383aae38383e382afe382b90000
		0015001c 662f2f3439396b39353464364f4c33346f4c39465354767936347341
		0014000b 6578616d706c652e6f726700 00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666`)
	vectorSHA256 = unhex(`00010090 2112a442 78ad3433c6ad72c029da412e
		001e0020 4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704
		00150029 6f624d61744a6f733241414143662f2f3439396b39353464364f4c33346f4c39465354767936347341000000
		0014000b 6578616d706c652e6f726700 001d0004 00020000
		001c0020 b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65`)
)

const (
	matrix   = "\u30DE\u30C8\u30EA\u30C3\u30AF\u30B9"
	password = "TheMatrIX"
)

func TestVectorsAreSignedRight(t *testing.T) {
	short := []byte("VOkJxbRl1RmTxUk/WvJxBt")
	for name, test := range map[string]struct {
		message []byte
		how     integrity
		key     []byte
	}{
		"RFC 5769 section 2.1: request":                                {vectorRequest, integritySHA1, short},
		"RFC 5769 section 2.2: IPv4 response":                          {vectorIPv4, integritySHA1, short},
		"RFC 5769 section 2.3: IPv6 response":                          {vectorIPv6, integritySHA1, short},
		"RFC 5769 section 2.4: long-term authentication":               {vectorLongTerm, integritySHA1, algorithmMD5.key(matrix, "example.org", password)},
		"RFC 8489 appendix B.1: MESSAGE-INTEGRITY-SHA256 and USERHASH": {vectorSHA256, integritySHA256, algorithmSHA256.key(matrix, "example.org", password)},
	} {
		t.Run(name, func(t *testing.T) {
			if !wellFormed(test.message) || !fingerprinted(test.message) {
				t.Error("the message is not accepted")
			}
			if !test.how.check(test.key, test.message) {
				t.Error("the signature is not accepted")
			}
			m := &stun.Message{Raw: bytes.Clone(test.message)}
			if err := m.Decode(); err != nil {
				t.Fatal(err)
			}
			for i := range test.message {
				for bit := range 8 {
					broken := bytes.Clone(test.message)
					broken[i] ^= 1 << bit
					end, _ := find(test.message, test.how.attribute)
					if i < end && wellFormed(broken) && test.how.check(test.key, broken) {
						t.Fatalf("the signature is accepted with bit %d of byte %d flipped", bit, i)
					}
				}
			}
		})
	}
}

func TestVectorsAreRebuilt(t *testing.T) {
	rebuild := func(vector []byte, how integrity, key []byte) []byte {
		end, _ := find(vector, how.attribute)
		m := &stun.Message{Raw: bytes.Clone(vector)}
		if err := m.Decode(); err != nil {
			t.Fatal(err)
		}
		m.Raw, m.Length = m.Raw[:end], uint32(end-headerSize)
		how.addTo(m, key)
		return m.Raw
	}
	if got := rebuild(vectorSHA256, integritySHA256, algorithmSHA256.key(matrix, "example.org", password)); !bytes.Equal(got, vectorSHA256) {
		t.Errorf("RFC 8489 appendix B.1: got %x", got)
	}
	if got := rebuild(vectorLongTerm, integritySHA1, algorithmMD5.key(matrix, "example.org", password)); !bytes.Equal(got, vectorLongTerm) {
		t.Errorf("RFC 5769 section 2.4: got %x", got)
	}
	hash := userHash(matrix, "example.org")
	if _, want := find(vectorSHA256, stun.AttrUserhash); !bytes.Equal(hash[:], want) {
		t.Errorf("USERHASH: got %x, want %x", hash, want)
	}
}

func TestVectorsHaveTheirAddresses(t *testing.T) {
	for text, vector := range map[string][]byte{
		"192.0.2.1:32853": vectorIPv4,
		"[2001:db8:1234:5678:11:2233:4455:6677]:32853": vectorIPv6,
	} {
		want := netip.MustParseAddrPort(text)
		_, value := find(vector, stun.AttrXORMappedAddress)
		if got, ok := xored(vector, value); !ok || got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		if got := appendXored(nil, vector, want); !bytes.Equal(got, value) {
			t.Errorf("%v as a value: got %x, want %x", want, got, value)
		}
	}
}

// A whole exchange with the vector's user, algorithm and USERHASH, for the vector itself has a nonce
// that is not ours.
func TestTheVectorsUserIsServed(t *testing.T) {
	l := newLab(t, setup{change: func(c *Config) {
		c.Realm = "example.org"
		c.Account = staticUser(matrix, password)
		c.Username = func(hash [32]byte) (string, bool) { return matrix, hash == userHash(matrix, "example.org") }
	}})
	u := l.user(matrix, UDP)
	u.realm, u.password, u.hash, u.chosen, u.how = "example.org", password, true, algorithmSHA256, integritySHA256
	u.allocate()
	if m := u.answer(vectorSHA256); codeOf(m) != 420 && codeOf(m) != 0 {
		t.Errorf("a Binding request that is signed: %d, want an answer", codeOf(m))
	}
}
