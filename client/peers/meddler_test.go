package peers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/parley-rtc/parley/client"
)

// meddler is a server in front of another, which does what it likes to the notes that one member is sent. That one joins through it,
// by long polls.
type meddler struct {
	*service
	front string

	mu     sync.Mutex
	meddle func(note map[string]any) []map[string]any // guarded by mu; nil: nothing
	seen   []string                                   // guarded by mu; the notes, as they came
	shift  int64                                      // guarded by mu; how many frames more the member has had than the server sent
}

func (s *service) meddled(t *testing.T) *meddler {
	t.Helper()
	m := &meddler{service: s}
	front := httptest.NewServer(m)
	m.front = front.URL
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
	})
	return m
}

// join joins through the meddler.
func (m *meddler) join(name string, cfg Config) *member {
	m.Helper()
	cfg.Client.Link = client.LongPoll
	through := &service{T: m.T, url: m.front}
	return through.join(name, cfg)
}

func (m *meddler) set(meddle func(note map[string]any) []map[string]any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.meddle = meddle
}

// notes returns the notes so far, as text.
func (m *meddler) notes() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.seen, "\n")
}

func (m *meddler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	query := r.URL.Query()
	m.mu.Lock()
	if text := query.Get("after"); text != "" {
		var after int64
		_, _ = fmt.Sscan(text, &after)
		query.Set("after", fmt.Sprint(after-m.shift))
	}
	var post map[string]json.RawMessage
	if json.Unmarshal(body, &post) == nil && post["ack"] != nil {
		var ack int64
		_ = json.Unmarshal(post["ack"], &ack)
		post["ack"] = json.RawMessage(fmt.Sprint(ack - m.shift))
		body, _ = json.Marshal(post)
	}
	m.mu.Unlock()
	out, err := http.NewRequestWithContext(r.Context(), r.Method, m.url+r.URL.Path+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		m.Error(err)
		return
	}
	out.Header = r.Header.Clone()
	out.Header.Del("Accept-Encoding")
	res, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	var reply map[string]json.RawMessage
	if json.Unmarshal(answer, &reply) == nil && reply["frames"] != nil {
		reply["frames"] = m.between(reply["frames"])
		answer, _ = json.Marshal(reply)
	}
	for name, values := range res.Header {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(answer)
}

// between changes the frames of an answer.
func (m *meddler) between(text json.RawMessage) json.RawMessage {
	var frames []map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&frames); err != nil {
		m.Error(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	changed := []map[string]any{}
	for _, f := range frames {
		number, is := f["n"].(json.Number)
		if !is {
			changed = append(changed, f)
			continue
		}
		n, _ := number.Int64()
		notes := []map[string]any{nil}
		if note, is := f["data"].(map[string]any); is && f["kind"] == "signal" {
			raw, _ := json.Marshal(note)
			m.seen = append(m.seen, string(raw))
			if notes = []map[string]any{note}; m.meddle != nil {
				notes = m.meddle(note)
			}
		}
		if len(notes) == 0 {
			changed = append(changed, map[string]any{"kind": "nothing", "n": n + m.shift})
		}
		for i, note := range notes {
			copied := map[string]any{}
			for k, v := range f {
				copied[k] = v
			}
			if note != nil {
				copied["data"] = note
			}
			copied["n"] = n + m.shift + int64(i)
			changed = append(changed, copied)
		}
		m.shift += int64(max(len(notes), 1) - 1)
	}
	raw, _ := json.Marshal(changed)
	return raw
}
