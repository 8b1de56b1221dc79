package socket

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"
)

// TakeOver takes the connection of an HTTP/1 request over from net/http, without the deadlines that the
// server had set. The error says that this cannot be: on HTTP/2, or behind middleware that hides it.
func TakeOver(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
	if r.ProtoMajor != 1 {
		return nil, http.ErrNotSupported
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	if rw.Reader.Buffered() > 0 {
		// A request sent ahead, which would have no answer: the client makes it again.
		_, _ = rw.Discard(rw.Reader.Buffered())
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// AppendHead appends the head of a response after which the connection is closed (RFC 9112 section 9.6).
func AppendHead(b []byte, status int, h http.Header) []byte {
	buf := bytes.NewBuffer(b)
	fmt.Fprintf(buf, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	h.Set("Connection", "close")
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	_ = h.Write(buf) // memory takes it all
	buf.WriteString("\r\n")
	return buf.Bytes()
}

// maxDiscarded is much more than a client sends that has nothing to say: a few requests ahead.
const maxDiscarded = 64 << 10

// Discard reads and forgets what comes in until the connection is closed, or too much came. Its buffer is small,
// for there may be many that wait so; and who sends much would keep a processor busy with it.
func Discard(conn net.Conn) {
	buf := make([]byte, 16)
	for discarded := 0; discarded < maxDiscarded; {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		discarded += n
	}
}

// rawOf returns the descriptor of a connection that is a socket and nothing else; nil: it is not. One that only has a
// SyscallConn may have it from a *net.TCPConn that is embedded in it, and a Read and a Write of its own,
// which are not to be gone around.
func rawOf(conn net.Conn) syscall.RawConn {
	if c, is := conn.(interface{ PlainTCP() *net.TCPConn }); is {
		conn = c.PlainTCP()
	}
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		if raw, err := conn.(syscall.Conn).SyscallConn(); err == nil && canTry {
			return raw
		}
	}
	return nil
}
