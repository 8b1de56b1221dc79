//go:build linux

package dialect

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

const patience = 60 * time.Second // for an answer

// Request makes one HTTP request on a connection of its own, as a client does that comes for the first
// time, and returns the body of the answer, which must have that status.
func Request(address, method, path, header, body string, status int) ([]byte, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return RequestOn(conn, address, method, path, header, body, status)
}

// RequestOn is [Request] on a connection.
func RequestOn(conn net.Conn, address, method, path, header, body string, status int) ([]byte, error) {
	_ = conn.SetDeadline(time.Now().Add(patience))
	if body != "" {
		header += "Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	if _, err := io.WriteString(conn, method+" "+path+" HTTP/1.1\r\nHost: "+address+"\r\n"+header+"\r\n"+body); err != nil {
		return nil, err
	}
	reply, err := http.ReadResponse(bufio.NewReaderSize(conn, 2048), nil)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	switch {
	case err != nil:
		return nil, err
	case reply.StatusCode != status:
		return nil, fmt.Errorf("%s %s: %s: %.200s", method, path, reply.Status, text)
	}
	return text, nil
}
