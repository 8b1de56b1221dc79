package worker

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"
)

func TestASmallBufferIsToldOnce(t *testing.T) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var log bytes.Buffer
	w := &Worker{cfg: Settings{Logger: slog.New(slog.NewTextHandler(&log, nil))}}
	w.setBuffer(conn, 10_000, &w.buffers.relays, "relay")
	if log.Len() > 0 {
		t.Errorf("what was granted is complained about: %s", &log)
	}
	for range 2 {
		w.setBuffer(conn, 1<<30, &w.buffers.listeners, "listener") // more than anybody grants
	}
	if got := strings.Count(log.String(), "small receive buffer"); got != 1 || !strings.Contains(log.String(), "wanted_bytes=1073741824") {
		t.Errorf("%d warnings, want 1: %s", got, &log)
	}
	if size, ok := readBuffer(conn); !ok || size < 10_000 {
		t.Errorf("the buffer has %d bytes, %v", size, ok)
	}
}
