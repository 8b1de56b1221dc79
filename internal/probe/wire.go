package probe

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// maxMessage is more than any message has.
const maxMessage = 1<<16 + 32

// wire cuts what a connection carries into messages.
type wire struct {
	conn   net.Conn
	stream bool
	in     *bufio.Reader // of a stream
	buf    []byte
}

func newWire(conn net.Conn, stream bool) wire {
	w := wire{conn: conn, stream: stream, buf: make([]byte, maxMessage)}
	if stream {
		w.in = bufio.NewReaderSize(conn, len(w.buf))
	}
	return w
}

// Close closes the connection.
func (w *wire) Close() error { return w.conn.Close() }

func (w *wire) send(p []byte, until time.Time) error {
	if err := w.conn.SetWriteDeadline(until); err != nil {
		return err
	}
	_, err := w.conn.Write(p)
	return err
}

// next returns the next message, which is good until next is called again. After a deadline it may be called again, too: nothing is lost.
func (w *wire) next(until time.Time) ([]byte, error) {
	if err := w.conn.SetReadDeadline(until); err != nil {
		return nil, err
	}
	if !w.stream {
		n, err := w.conn.Read(w.buf)
		return w.buf[:n], err
	}
	head, err := w.in.Peek(4)
	if err != nil {
		return nil, err
	}
	size := 4 + int(binary.BigEndian.Uint16(head[2:]))
	switch kind := head[0]; {
	case kind <= 3:
		size += 16
	case kind >= 0x40 && kind < 0x80:
		size = (size + 3) &^ 3
	default:
		return nil, errors.New("what the server sends is neither STUN nor TURN")
	}
	if _, err := w.in.Peek(size); err != nil {
		return nil, err
	}
	_, err = io.ReadFull(w.in, w.buf[:size])
	return w.buf[:size], err
}

// SendData sends a payload on a channel.
func (w *wire) SendData(channel uint16, p []byte, until time.Time) error {
	message := binary.BigEndian.AppendUint16(nil, channel)
	message = binary.BigEndian.AppendUint16(message, uint16(len(p)))
	message = append(message, p...)
	for w.stream && len(message)%4 != 0 {
		message = append(message, 0)
	}
	return w.send(message, until)
}

// ReadData returns the next payload of a channel, which is good until it is called again.
func (w *wire) ReadData(channel uint16, until time.Time) ([]byte, error) {
	for {
		p, err := w.next(until)
		if err != nil {
			return nil, err
		}
		if len(p) < 4 || binary.BigEndian.Uint16(p) != channel {
			continue
		}
		if size := int(binary.BigEndian.Uint16(p[2:])); size <= len(p)-4 {
			return p[4 : 4+size], nil
		}
	}
}

// isTimeout says that a deadline has passed, which DTLS has an error of its own for.
func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, os.ErrDeadlineExceeded) || ok && timeout.Timeout()
}
