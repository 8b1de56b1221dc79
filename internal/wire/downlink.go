package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Downlink is a frame from the server, as a client reads it: the union of all kinds.
type Downlink struct {
	Kind string `json:"kind"`
	N    int64  `json:"n,omitempty"`

	From      string          `json:"from,omitempty"`
	Peer      string          `json:"peer,omitempty"`
	Epoch     int64           `json:"epoch,omitempty"`
	Instance  string          `json:"instance,omitempty"`
	Name      *string         `json:"name,omitempty"`
	Meta      json.RawMessage `json:"meta,omitempty"`
	Presence  string          `json:"presence,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
	Broadcast bool            `json:"broadcast,omitempty"`

	Link     int64  `json:"link,omitempty"`
	Received int64  `json:"received,omitempty"`
	At       int64  `json:"at,omitempty"`
	Peers    []Peer `json:"peers,omitempty"`

	Code       Code    `json:"code,omitempty"`
	Message    string  `json:"message,omitempty"`
	Of         int64   `json:"of,omitempty"`
	To         string  `json:"to,omitempty"`
	RetryAfter float64 `json:"retryAfter,omitempty"`
	In         float64 `json:"in,omitempty"`

	ICEServers []ICEServer `json:"iceServers,omitempty"`
	TTL        float64     `json:"ttl,omitempty"`
}

// AppendSignal appends a signal frame. From is a valid peer id and data valid JSON.
func AppendSignal(b []byte, n int64, from string, epoch int64, data []byte, broadcast bool) []byte {
	b = append(b, `{"kind":"signal","n":`...)
	b = strconv.AppendInt(b, n, 10)
	b = append(b, `,"from":"`...)
	b = append(b, from...)
	b = append(b, `","epoch":`...)
	b = strconv.AppendInt(b, epoch, 10)
	if broadcast {
		b = append(b, `,"broadcast":true`...)
	}
	b = append(b, `,"data":`...)
	b = append(b, data...)
	return append(b, '}')
}

// AppendReceived appends the acknowledgement of uplink frames up to n.
func AppendReceived(b []byte, n int64) []byte {
	b = append(b, `{"kind":"received","n":`...)
	b = strconv.AppendInt(b, n, 10)
	return append(b, '}')
}

// AppendPing and AppendPong append the frames of liveness.
func AppendPing(b []byte) []byte { return append(b, `{"kind":"ping"}`...) }

// AppendPong appends the answer to a ping.
func AppendPong(b []byte) []byte { return append(b, `{"kind":"pong"}`...) }

// AppendJoined appends the frame that tells of a peer that joined.
func AppendJoined(b []byte, n int64, p Peer) []byte {
	b = append(b, `{"kind":"joined","n":`...)
	b = strconv.AppendInt(b, n, 10)
	b = append(b, ',')
	b = p.appendFields(b)
	return append(b, '}')
}

// AppendHello appends the first frame of every link: the uplink frames received, and the roster as of frame at.
func AppendHello(b []byte, link, received, at int64, peers []Peer) []byte {
	b = append(b, `{"kind":"hello","link":`...)
	b = strconv.AppendInt(b, link, 10)
	b = append(b, `,"received":`...)
	b = strconv.AppendInt(b, received, 10)
	b = append(b, `,"at":`...)
	b = strconv.AppendInt(b, at, 10)
	b = append(b, `,"peers":`...)
	b = appendPeers(b, peers)
	return append(b, '}')
}

func appendPeers(b []byte, peers []Peer) []byte {
	b = append(b, '[')
	for i, p := range peers {
		if i > 0 {
			b = append(b, ',')
		}
		b = p.appendFields(append(b, '{'))
		b = append(b, '}')
	}
	return append(b, ']')
}

// appendFields appends the peer as encoding/json would, without the braces: ids are valid names,
// and meta is valid JSON in one line.
func (p Peer) appendFields(b []byte) []byte {
	b = append(append(append(b, `"peer":"`...), p.Peer...), `","epoch":`...)
	b = strconv.AppendInt(b, p.Epoch, 10)
	b = append(append(append(b, `,"instance":"`...), p.Instance...), '"')
	if p.Name != "" {
		b = Append(append(b, `,"name":`...), p.Name)
	}
	if len(p.Meta) > 0 {
		b = append(append(b, `,"meta":`...), p.Meta...)
	}
	return append(append(append(b, `,"presence":"`...), p.Presence...), '"')
}

// LeftFrame is the frame that tells of a peer that is gone.
type LeftFrame struct {
	Kind   string `json:"kind"`
	N      int64  `json:"n"`
	Peer   string `json:"peer"`
	Epoch  int64  `json:"epoch"`
	Reason string `json:"reason"`
}

// ChangedFrame is the frame that tells what changed of a peer.
type ChangedFrame struct {
	Kind     string          `json:"kind"`
	N        int64           `json:"n"`
	Peer     string          `json:"peer"`
	Epoch    int64           `json:"epoch"`
	Presence string          `json:"presence,omitempty"`
	Name     *string         `json:"name,omitempty"`
	Meta     json.RawMessage `json:"meta,omitempty"` // null: taken away
}

// ReceivedFrame is the acknowledgement with its reason, as sent at a gap or over the rate.
type ReceivedFrame struct {
	Kind    string `json:"kind"`
	N       int64  `json:"n"`
	Code    Code   `json:"code,omitempty"`
	Message string `json:"message,omitempty"`

	RetryAfter float64 `json:"retryAfter,omitempty"` // seconds
}

// RefusedFrame tells that uplink frame Of was consumed and refused; without
// numbers, that what came could not be read as a numbered frame.
type RefusedFrame struct {
	Kind string `json:"kind"`
	N    int64  `json:"n,omitempty"`
	Of   int64  `json:"of,omitempty"`
	To   string `json:"to,omitempty"`
	*Error
}

// EndedFrame tells that the session is over, or that the link was refused.
type EndedFrame struct {
	Kind    string  `json:"kind"`
	Code    Code    `json:"code"`
	Message string  `json:"message"`
	In      float64 `json:"in,omitempty"`
}

// DrainFrame tells that the node closes the link soon.
type DrainFrame struct {
	Kind string  `json:"kind"`
	In   float64 `json:"in"`
}

// BareFrame is a frame of which the kind says all.
type BareFrame struct {
	Kind string `json:"kind"`
}

// Append appends v, a frame of this package, as JSON.
func Append(b []byte, v any) []byte {
	buf := bytes.NewBuffer(b)
	e := json.NewEncoder(buf)
	e.SetEscapeHTML(false) // it would make texts up to six times as long
	if err := e.Encode(v); err != nil {
		// Every frame type marshals: strings, numbers and JSON that was parsed.
		panic("wire: " + err.Error())
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// ICEFrame brings fresh ICE servers.
type ICEFrame struct {
	Kind string `json:"kind"`
	ICEReply
}
