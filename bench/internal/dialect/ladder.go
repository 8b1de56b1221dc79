//go:build linux

package dialect

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/parley-rtc/parley/internal/wire"
)

// Request makes a request below the session, on a connection of its own.
func (s Session) Request(method, part, body string, status int) ([]byte, error) {
	return Request(s.Address, method, s.Path+part, s.Bearer(), body, status)
}

// Stream is a link of server-sent events.
type Stream struct {
	conn   net.Conn
	reader *bufio.Reader
}

// Events opens a stream of server-sent events, and returns when the first has come.
func (s Session) Events() (*Stream, error) {
	conn, err := net.DialTimeout("tcp", s.Address, patience)
	if err != nil {
		return nil, err
	}
	stream := &Stream{conn: conn, reader: bufio.NewReaderSize(conn, 512)}
	request := "GET " + s.Path + "/events HTTP/1.1\r\nHost: " + s.Address + "\r\nAccept: text/event-stream\r\n" + s.Bearer() + "\r\n"
	if _, err = io.WriteString(conn, request); err == nil {
		err = stream.greeted()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return stream, nil
}

func (s *Stream) greeted() error {
	status, err := s.reader.ReadString('\n')
	switch {
	case err != nil:
		return err
	case !strings.HasPrefix(status, "HTTP/1.1 200 "):
		return fmt.Errorf("events: %s", strings.TrimSpace(status))
	}
	return s.until(`"kind":"hello"`)
}

// Pinged reads until the server has sent a ping.
func (s *Stream) Pinged() error { return s.until(`"kind":"ping"`) }

// until reads until a line begins an event with that in it.
func (s *Stream) until(what string) error {
	for {
		line, err := s.reader.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if bytes.Contains(line, []byte(what)) {
			return nil
		}
	}
}

// Close ends the stream.
func (s *Stream) Close() error { return s.conn.Close() }

// Poller is a link of polls.
type Poller struct {
	session Session
	conn    net.Conn
	link    int64
	after   int64
}

// Poller opens a link of polls by a first one, which does not wait.
func (s Session) Poller() (*Poller, error) {
	conn, err := net.DialTimeout("tcp", s.Address, patience)
	if err != nil {
		return nil, err
	}
	p := &Poller{session: s, conn: conn}
	if err := p.Poll(0); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return p, nil
}

// Poll makes the next poll, which waits for frames so many seconds.
func (p *Poller) Poll(wait int) error {
	path := p.session.Path + "/frames?after=" + strconv.FormatInt(p.after, 10) + "&wait=" + strconv.Itoa(wait)
	if p.link > 0 {
		path += "&link=" + strconv.FormatInt(p.link, 10)
	}
	text, err := RequestOn(p.conn, p.session.Address, http.MethodGet, path, p.session.Bearer(), "", http.StatusOK)
	if err != nil {
		return err
	}
	var reply wire.PollReply
	if err := json.Unmarshal(text, &reply); err != nil {
		return fmt.Errorf("the answer to a poll: %w", err)
	}
	p.link = reply.Link
	for _, frame := range reply.Frames {
		var numbered struct{ N int64 }
		if err := json.Unmarshal(frame, &numbered); err != nil {
			return fmt.Errorf("a frame of a poll: %w", err)
		}
		p.after = max(p.after, numbered.N)
	}
	return nil
}

// Close ends the connection.
func (p *Poller) Close() error { return p.conn.Close() }
