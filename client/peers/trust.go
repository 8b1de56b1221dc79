package peers

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
)

// The fewest and the most bytes of a room's key.
const (
	keyLeast = 16
	keyMost  = 64
)

var base64url = base64.RawURLEncoding.Strict()

// NewKey makes a key for a room: 128 random bits, as text that fits into the fragment of a link. Whoever has it can
// check that no server changed what peers tell each other; so it must never be sent to one.
func NewKey() string {
	bytes := make([]byte, keyLeast)
	_, _ = rand.Read(bytes)
	return base64url.EncodeToString(bytes)
}

// parseKey never says what the key is.
func parseKey(text string) ([]byte, error) {
	if !base64Text.MatchString(text) { // the decoder skips line ends
		return nil, fmt.Errorf("peers: Key is not base64url (A-Z a-z 0-9 - _) without padding, as NewKey makes it")
	}
	key, err := base64url.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("peers: Key is not base64url (A-Z a-z 0-9 - _) without padding, as NewKey makes it")
	}
	if len(key) < keyLeast || len(key) > keyMost {
		return nil, fmt.Errorf("peers: Key has %d bytes, and not %d to %d", len(key), keyLeast, keyMost)
	}
	return key, nil
}

// signedText puts texts one after the other, with bounds that nobody can mistake.
func signedText(texts ...string) []byte {
	var b []byte
	for _, text := range texts {
		b = strconv.AppendInt(b, int64(len(text)), 10)
		b = append(b, ':')
		b = append(b, text...)
	}
	return b
}

// keyring is what is derived from a room's key.
type keyring struct {
	key  []byte
	room string
	id   string // the key's name, which says nothing of it
	sign []byte
}

func newKeyring(key []byte, room string) (*keyring, error) {
	k := &keyring{key: key, room: room}
	id, err := k.derive(8, "id")
	if err != nil {
		return nil, err
	}
	k.id = base64url.EncodeToString(id)
	k.sign, err = k.derive(32, "sign")
	return k, err
}

func (k *keyring) derive(length int, purpose string, context ...string) ([]byte, error) {
	info := signedText(append([]string{"parley 1 " + purpose, k.room}, context...)...)
	return hkdf.Key(sha256.New, k.key, nil, string(info), length)
}

func (k *keyring) mac(message []byte) []byte {
	h := hmac.New(sha256.New, k.sign)
	h.Write(message)
	return h.Sum(nil)
}

// party is one end of what is signed.
type party struct{ id, instance string }

func signedMessage(n *note, from, to party, serial int64) []byte {
	texts := []string{from.id, from.instance, to.id, to.instance, strconv.FormatInt(serial, 10), n.kind}
	if n.kind == kindRelay {
		texts = append(texts, n.nonce, n.echo, map[bool]string{false: "0", true: "1"}[n.webrtc])
	} else {
		texts = append(texts, strconv.FormatInt(n.generation.epoch, 10), strconv.FormatInt(n.generation.count, 10))
	}
	if n.kind == kindDescription {
		texts = append(texts, n.description.Type, n.description.SDP)
	}
	return signedText(append(texts, n.channels...)...)
}

// prove adds the proof to a note.
func (k *keyring) prove(n *note, from, to party, serial int64) {
	mac := k.mac(signedMessage(n, from, to, serial))
	n.proof = &proof{Key: k.id, Serial: serial, MAC: base64url.EncodeToString(mac)}
}

// check returns nil if the note's proof is right; last is the serial of the last one that was.
func (k *keyring) check(n *note, from, to party, last int64) error {
	if n.proof == nil {
		return ErrNoKey
	}
	if n.proof.Key != k.id {
		return ErrOtherKey
	}
	mac, err := base64url.DecodeString(n.proof.MAC)
	if err != nil || !hmac.Equal(mac, k.mac(signedMessage(n, from, to, n.proof.Serial))) {
		return ErrChanged
	}
	if from.instance == to.instance { // the server says that this process is somebody else
		return ErrChanged
	}
	if n.proof.Serial <= last {
		return ErrRepeated
	}
	return nil
}

// seal makes and opens what goes through the server in one direction of one stream. No two pieces of it have the same sort and number.
type seal struct{ aead cipher.AEAD }

// The sorts of what is sealed.
const (
	dataSort byte = 0
	ackSort  byte = 1
)

// sealing returns the seal of what goes from one to the other, whose nonces are those of the stream.
func (k *keyring) sealing(from, to party, fromNonce, toNonce string) (*seal, error) {
	key, err := k.derive(32, "seal", from.id, from.instance, to.id, to.instance, fromNonce, toNonce)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &seal{aead}, err
}

func sealNonce(sort byte, n uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{sort, 7: 0}, n)
}

func (s *seal) close(sort byte, n uint32, plain []byte) []byte {
	return s.aead.Seal(nil, sealNonce(sort, n), plain, nil)
}

// open returns nil when it was not sealed so.
func (s *seal) open(sort byte, n uint32, sealed []byte) []byte {
	plain, err := s.aead.Open([]byte{}, sealNonce(sort, n), sealed, nil)
	if err != nil {
		return nil
	}
	return plain
}

// newNonce makes the nonce of a stream, as text.
func newNonce() string {
	bytes := make([]byte, 16)
	_, _ = rand.Read(bytes)
	return base64url.EncodeToString(bytes)
}
