//go:build linux

package rawws

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	opContinuation = 0
	opText         = 1
	opClose        = 8
	opPing         = 9
	opPong         = 10

	maxMessage = 1 << 20
	patience   = 30 * time.Second // for a handshake
)

// ErrClosed says that the server closed the connection with a close frame.
var ErrClosed = errors.New("rawws: closed by the server")

// Conn is one WebSocket. Read is for one goroutine; the others may be called from any.
type Conn struct {
	net    net.Conn
	reader *bufio.Reader
	read   []byte // the last message; owned by the reader

	mu    sync.Mutex
	frame []byte // guarded by mu; the last frame written
}

// Dial opens a WebSocket at path of the server at address (host:port), with more header lines,
// each ended by CRLF. Buffer is the size of the read buffer.
func Dial(address, path, header string, buffer int) (*Conn, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, err
	}
	c := &Conn{net: conn, reader: bufio.NewReaderSize(conn, buffer)}
	if err := c.handshake(address, path, header); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) handshake(address, path, header string) error {
	_ = c.net.SetDeadline(time.Now().Add(patience))
	// The key is the example of RFC 6455 section 1.3: nothing here depends on its being random.
	request := "GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + header + "\r\n"
	if _, err := io.WriteString(c.net, request); err != nil {
		return err
	}
	status, err := c.line()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(status, "HTTP/1.1 101 ") {
		return fmt.Errorf("rawws: GET %s: %s", path, status)
	}
	for line := "-"; line != ""; {
		if line, err = c.line(); err != nil {
			return err
		}
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "Sec-WebSocket-Extensions") {
			return fmt.Errorf("rawws: the server chose the extension%s, which was not offered", value)
		}
	}
	return c.net.SetDeadline(time.Time{})
}

func (c *Conn) line() (string, error) {
	line, err := c.reader.ReadSlice('\n')
	return strings.TrimRight(string(line), "\r\n"), err
}

// Write sends a text message.
func (c *Conn) Write(message []byte) error { return c.write(opText, message) }

func (c *Conn) write(op byte, message []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frame = appendFrame(c.frame[:0], op, message)
	_, err := c.net.Write(c.frame)
	return err
}

// appendFrame appends a client's frame, masked with zeros: the server has the same work with them.
func appendFrame(b []byte, op byte, message []byte) []byte {
	const final, masked = 0x80, 0x80
	b = append(b, final|op)
	switch n := len(message); {
	case n < 126:
		b = append(b, masked|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, masked|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, masked|127), uint64(n))
	}
	b = append(b, 0, 0, 0, 0)
	return append(b, message...)
}

// Read returns the next text message, which is valid until the next call. It answers control pings.
func (c *Conn) Read() ([]byte, error) {
	for {
		op, message, err := c.next()
		switch {
		case err != nil:
			return nil, err
		case op == opText:
			return message, nil
		case op == opPing:
			if err := c.write(opPong, message); err != nil {
				return nil, err
			}
		case op == opPong:
		case op == opClose && len(message) >= 2:
			return nil, fmt.Errorf("%w: %d %s", ErrClosed, binary.BigEndian.Uint16(message), message[2:])
		case op == opClose:
			return nil, ErrClosed
		default:
			return nil, fmt.Errorf("rawws: a frame of kind %d", op)
		}
	}
}

// next reads a frame.
func (c *Conn) next() (op byte, message []byte, err error) {
	head, err := c.reader.Peek(2)
	if err != nil {
		return 0, nil, err
	}
	op = head[0] & 0xf
	if head[0]&0x80 == 0 || op == opContinuation {
		return 0, nil, errors.New("rawws: the server split a message")
	}
	size, extra := uint64(head[1]), 0
	switch size {
	case 126:
		extra = 2
	case 127:
		extra = 8
	}
	if head, err = c.reader.Peek(2 + extra); err != nil {
		return 0, nil, err
	}
	switch extra {
	case 2:
		size = uint64(binary.BigEndian.Uint16(head[2:]))
	case 8:
		size = binary.BigEndian.Uint64(head[2:])
	}
	if size > maxMessage {
		return 0, nil, fmt.Errorf("rawws: a message of %d bytes; the limit is %d", size, maxMessage)
	}
	_, _ = c.reader.Discard(2 + extra) // it was peeked
	if uint64(cap(c.read)) < size {
		c.read = make([]byte, size)
	}
	c.read = c.read[:size]
	_, err = io.ReadFull(c.reader, c.read)
	return op, c.read, err
}

// Close closes the connection without a word.
func (c *Conn) Close() error { return c.net.Close() }
