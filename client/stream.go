package client

import (
	"bufio"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/parley-rtc/parley/internal/wire"
)

// runEvents reads a stream of server-sent events until it ends.
func (s *stay) runEvents(l *link, query string) error {
	res, err := s.api.request(l.ctx, http.MethodGet, s.path+"/events"+query, s.reply.Secret, nil,
		"Accept", "text/event-stream", "Accept-Encoding", "identity")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || kind != "text/event-stream" {
		return errors.New("client: the answer is no stream of events")
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxReply)
	for lines.Scan() {
		line := lines.Text()
		var handle func()
		// The server writes a frame into one line; the id of the event is in the frame, too.
		if data, is := strings.CutPrefix(line, "data:"); is {
			var f wire.Downlink
			if err := json.Unmarshal([]byte(data), &f); err != nil {
				return errors.New("client: what came is no frame")
			}
			handle = func() { s.frame(l, f, len(line)) }
		} else if strings.HasPrefix(line, ":") {
			handle = func() { l.heard = time.Now() }
		} else {
			continue
		}
		if !s.tell(l.ctx, s.inbox, handle) {
			return l.ctx.Err()
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return errors.New("client: the stream ended")
}
