//go:build linux

package flow

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Data of a measured message begins with a stamp: when it was sent and by which source, in digits of a fixed
// width that no server changes.
const (
	stampBegin  = `{"stamp":"@`
	stampTime   = 16 // hexadecimal digits
	stampSource = 4
	stampEnd    = `","sdp":"`
)

var stampEpoch = time.Now()

// clock is the time of stamps.
func clock() time.Duration { return time.Since(stampEpoch) }

// stamped returns data of a size for the source, to be stamped by [stamp].
func stamped(source, size int) []byte {
	data := fmt.Sprintf("%s%0*x%0*x%s", stampBegin, stampTime, 0, stampSource, source, stampEnd)
	return []byte(data + strings.Repeat("v", max(size-len(data)-2, 1)) + `"}`)
}

// stamp writes a time into data.
func stamp(data []byte, at time.Duration) {
	const digits = "0123456789abcdef"
	field := data[len(stampBegin) : len(stampBegin)+stampTime]
	for i, v := stampTime-1, uint64(at); i >= 0; i, v = i-1, v>>4 {
		field[i] = digits[v&0xf]
	}
}

// readStamp finds the stamp in a message.
func readStamp(message []byte) (at time.Duration, source int, err error) {
	i := bytes.IndexByte(message, '@') + 1
	if i == 0 || len(message) < i+stampTime+stampSource {
		return 0, 0, fmt.Errorf("a message without a stamp: %.200s", message)
	}
	when, err := strconv.ParseUint(string(message[i:i+stampTime]), 16, 63)
	if err != nil {
		return 0, 0, fmt.Errorf("a stamp: %w", err)
	}
	from, err := strconv.ParseUint(string(message[i+stampTime:i+stampTime+stampSource]), 16, 31)
	if err != nil {
		return 0, 0, fmt.Errorf("a stamp: %w", err)
	}
	return time.Duration(when), int(from), nil
}
