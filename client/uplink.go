package client

import (
	"slices"
	"strconv"
)

const (
	maxQueued  = 1 << 20   // bytes of frames that wait
	numberRoom = 24        // bytes that a number takes in a frame
	postFrames = 64        // in a POST
	postBytes  = 200 << 10 // in a POST of several frames
)

// outgoing is a frame to be numbered and sent.
type outgoing struct {
	upFrame
	text []byte
}

// uplink holds the frames that the server has not said to have received.
type uplink struct {
	received int64    // by the server
	frames   [][]byte // from received + 1 on
	bytes    int
	sent     int64 // the last one that was put on the link in use, at least received
}

func (u *uplink) full(limit int) bool { return len(u.frames) >= limit || u.bytes >= maxQueued }

func (u *uplink) add(text []byte) {
	u.frames = append(u.frames, text)
	u.bytes += len(text)
}

// ack notes that the server has received the frames up to n.
func (u *uplink) ack(n int64) {
	count := min(n-u.received, int64(len(u.frames)))
	if count <= 0 {
		return
	}
	for _, f := range u.frames[:count] {
		u.bytes -= len(f)
	}
	u.frames = slices.Delete(u.frames, 0, int(count))
	u.received += count
	u.sent = max(u.sent, u.received)
}

// rewind has everything that was not received sent again.
func (u *uplink) rewind() { u.sent = u.received }

func (u *uplink) waiting() bool { return u.sent < u.received+int64(len(u.frames)) }

// take returns the frames to send next, and the number of the first; they count as sent.
func (u *uplink) take(maxFrames, maxBytes int) (first int64, frames [][]byte) {
	first = u.sent + 1
	for u.waiting() && len(frames) < maxFrames {
		next := u.frames[u.sent-u.received]
		if maxBytes -= len(next); maxBytes < 0 && len(frames) > 0 {
			break
		}
		frames = append(frames, next)
		u.sent++
	}
	return first, frames
}

// numbered returns a frame with its number in it.
func numbered(n int64, frame []byte) []byte {
	b := make([]byte, 0, len(frame)+numberRoom)
	b = append(b, `{"n":`...)
	b = strconv.AppendInt(b, n, 10)
	b = append(b, ',')
	return append(b, frame[1:]...)
}
