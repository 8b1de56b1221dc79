package turn

import (
	"encoding/binary"
	"errors"
)

// ErrFrame says that what comes on a stream is no TURN message, so that nothing behind it can be
// understood either.
var ErrFrame = errors.New("not a TURN message")

// MaxFrame is the size of the largest message on a stream.
const MaxFrame = headerSize + 65532

// Frame returns how many bytes at the start of p, the bytes of a stream (RFC 8656 section 2.1), are
// its next message, or 0 if more are needed to tell or it is not complete. A message is at most
// [MaxFrame] bytes long and at least 4, so a reader with a buffer of that size always gets on.
// The whole message, with its padding, is what FromClient takes. Wide is the engine's WideChannels.
func Frame(p []byte, wide bool) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	var size int
	switch {
	case isMessage(p[0]):
		if len(p) >= 8 && binary.BigEndian.Uint32(p[4:]) != cookie {
			return 0, ErrFrame
		}
		if len(p) >= 4 && p[3]&3 != 0 {
			return 0, ErrFrame
		}
		if len(p) < headerSize {
			return 0, nil
		}
		size = headerSize + int(binary.BigEndian.Uint16(p[2:]))
	case isChannelData(p[0], wide):
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
