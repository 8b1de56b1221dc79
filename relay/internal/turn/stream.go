package turn

import (
	"encoding/binary"
	"errors"
)

// ErrFrame says that what comes on a stream is no TURN message, so that nothing behind it can be
// understood either.
var ErrFrame = errors.New("not a TURN message")

// MaxFrame is the size of the largest message on a stream: a STUN message of 65532 bytes behind its
// header.
const MaxFrame = headerSize + 65532

// Stream cuts the bytes of a TCP or TLS connection into messages (RFC 8656 section 2.1, with the
// padding of section 12.5). The zero value is a stream of which nothing has come yet.
type Stream struct {
	Wide  bool // the engine's WideChannels
	begun bool // the first message, which is never ChannelData, has come
}

// Next returns how many bytes at the start of p, all that has come and was not cut off before, are
// the next message, or 0 if more are needed to tell or it is not complete. A message is at least 4
// bytes long and at most [MaxFrame], so a reader with a buffer of that size always gets on. The
// whole message, with its padding, is what FromClient takes. The error is [ErrFrame].
func (s *Stream) Next(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	size := 0
	switch {
	case isMessage(p[0]):
		if len(p) >= 4 && p[3]&3 != 0 || len(p) >= 8 && binary.BigEndian.Uint32(p[4:]) != cookie {
			return 0, ErrFrame
		}
		if len(p) < headerSize {
			return 0, nil
		}
		size = headerSize + int(binary.BigEndian.Uint16(p[2:]))
	case s.begun && isChannelData(p[0], s.Wide):
		if len(p) < 4 {
			return 0, nil
		}
		size = padded(4 + int(binary.BigEndian.Uint16(p[2:])))
	default:
		return 0, ErrFrame
	}
	if len(p) < size {
		return 0, nil
	}
	s.begun = true
	return size, nil
}

// isMessage reports whether a packet with this first byte is a STUN message.
func isMessage(first byte) bool { return first <= 3 }

// isChannelData reports whether a packet with this first byte is ChannelData.
func isChannelData(first byte, wide bool) bool {
	return first&0xf0 == 0x40 || wide && first&0xc0 == 0x40
}

// padded rounds a size up to a multiple of 4.
func padded(size int) int { return (size + 3) &^ 3 }
