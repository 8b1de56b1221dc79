//go:build linux

package flow

import (
	"encoding/json"
	"testing"
	"time"
)

func TestAStampComesBackFromAnyMessage(t *testing.T) {
	for _, size := range []int{1, 200, 2000} {
		data := stamped(0x1f, size)
		if size > 100 && len(data) != size {
			t.Errorf("data for %d bytes has %d", size, len(data))
		}
		stamp(data, 1234567890123*time.Nanosecond)
		if !json.Valid(data) {
			t.Fatalf("not JSON: %s", data)
		}
		message := append([]byte(`{"type":"publish","topic":"room-000001.peer-000001","data":`), data...)
		at, source, err := readStamp(message)
		if err != nil || at != 1234567890123 || source != 0x1f {
			t.Errorf("got %d of source %d, %v", at, source, err)
		}
	}
}

func TestWhatIsNoStamp(t *testing.T) {
	for name, message := range map[string]string{
		"nothing":             ``,
		"no mark":             `{"stamp":"0000011f71fb04cb001f"}`,
		"cut short":           `{"stamp":"@0000011f71fb04cb00`,
		"no number as time":   `{"stamp":"@0000011g71fb04cb001f"}`,
		"no number as source": `{"stamp":"@0000011f71fb04cb00-f"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if at, source, err := readStamp([]byte(message)); err == nil {
				t.Errorf("got %d of source %d", at, source)
			}
		})
	}
}
