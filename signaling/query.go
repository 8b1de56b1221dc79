package signaling

import (
	"cmp"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

// maxWait is how long a poll may wait.
const maxWait = 25 * time.Second

func isProbe(query url.Values) bool { return query.Get("probe") == "1" }

// parseAfter reads the number of the last frame that the client has, from the
// query or else from a header; without one it is −1.
func parseAfter(query url.Values, header string) (int64, *wire.Error) {
	return parseNumber("after", cmp.Or(query.Get("after"), header), 0, -1, "after is not a frame number")
}

// parseLink reads which polling link a poll goes on with; 0: none.
func parseLink(query url.Values) (int64, *wire.Error) {
	return parseNumber("link", query.Get("link"), 1, 0, "link is not the number of a link")
}

// parseNumber reads a number that is at least so much, or absent if it is not there.
func parseNumber(field, text string, least, absent int64, fault string) (int64, *wire.Error) {
	if text == "" {
		return absent, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least {
		return 0, wire.Refusef(wire.BadField, "%s", fault).In(field)
	}
	return n, nil
}

// parseWait reads how long a poll may wait: 0 to 25 seconds.
func parseWait(query url.Values) (time.Duration, *wire.Error) {
	text := query.Get("wait")
	if text == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) || seconds < 0 || seconds > maxWait.Seconds() {
		return 0, wire.Refusef(wire.BadField, "wait is not 0 to %v seconds", maxWait.Seconds()).In("wait").Over(int64(maxWait.Seconds()))
	}
	return time.Duration(seconds * float64(time.Second)), nil
}
