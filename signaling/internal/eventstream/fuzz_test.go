package eventstream

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// taken is a response whose connection can be taken over.
type taken struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

// Hijack implements http.Hijacker.
func (w *taken) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(bufio.NewReader(w.conn), bufio.NewWriter(w.conn)), nil
}

// written returns the body of a stream to which these events are written, as a client of that version of HTTP reads it.
func written(t *testing.T, minor int, first int64, frames []string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	write := func(s *Stream) {
		for i, frame := range frames {
			if err := s.Write(s.Append(nil, first+int64(i), []byte(frame))); err != nil {
				t.Error(err)
			}
		}
		s.Close(0, "")
	}
	if minor < 0 { // HTTP/2
		r.ProtoMajor, r.ProtoMinor = 2, 0
		w := httptest.NewRecorder()
		s, err := Open(w, r)
		if err != nil {
			t.Fatal(err)
		}
		write(s)
		return w.Body.String()
	}
	r.ProtoMajor, r.ProtoMinor = 1, minor
	server, client := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s, err := Open(&taken{httptest.NewRecorder(), server}, r)
		if err != nil {
			t.Error(err)
			server.Close()
			return
		}
		write(s)
	}()
	res, err := http.ReadResponse(bufio.NewReader(client), r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("the body ends with %v", err)
	}
	res.Body.Close()
	client.Close()
	<-done
	return string(body)
}

// events reads a stream by the standard (WHATWG HTML, section 9.2.6): as "id data", and "id" is the last one seen.
func events(body string) (read []string) {
	body = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(body)
	var id string
	var data []string
	for line := range strings.Lines(body) {
		whole := strings.HasSuffix(line, "\n")
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case !whole:
		case line == "" && data != nil:
			read = append(read, id+" "+strings.Join(data, "\n"))
			data = nil
		case name == "data":
			data = append(data, value)
		case name == "id":
			id = value
		}
	}
	return read
}

// FuzzStream checks that whatever frames are written, each a line, they are what a client reads of it.
func FuzzStream(f *testing.F) {
	f.Add(1, int64(1), []byte("{\"kind\":\"ping\"}\n\n{\"kind\":\"signal\",\"data\":\" : \"}"))
	f.Add(0, int64(0), []byte("data: x\nid: 7\nevent: y\n:"))
	f.Add(-1, int64(1<<53), []byte(" \n\xff\x00"))
	f.Fuzz(func(t *testing.T, minor int, first int64, text []byte) {
		minor = max(min(minor, 1), -1)
		first &= 1<<53 - 1
		text = bytes.ReplaceAll(text, []byte("\r"), nil) // frames have no line breaks
		frames := strings.Split(string(text), "\n")
		var want []string
		id := ""
		for i, frame := range frames {
			if frame == "" {
				continue // a sign of life
			}
			if n := first + int64(i); n > 0 {
				id = fmt.Sprint(n)
			}
			want = append(want, id+" "+frame)
		}
		got := events(written(t, minor, first, frames))
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("over HTTP/1.%d: %q is read as %q, want %q", minor, frames, got, want)
		}
	})
}
