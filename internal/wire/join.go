package wire

import (
	"encoding/json"
	"strings"
)

// Limits are what the join reply tells a client it may do; bytes unless named otherwise.
type Limits struct {
	Frame         int `json:"frame"`         // one frame
	Broadcast     int `json:"broadcast"`     // data of a broadcast
	Name          int `json:"name"`          // a peer's name
	Meta          int `json:"meta"`          // a peer's meta
	Peers         int `json:"peers"`         // peers in a room
	PerAddress    int `json:"perAddress"`    // of those, from one address
	MailboxFrames int `json:"mailboxFrames"` // frames waiting for one session
	MailboxBytes  int `json:"mailboxBytes"`  // bytes waiting for one session
	Rate          int `json:"rate"`          // bytes a second that a session may send, times the peers it reaches
	Burst         int `json:"burst"`         // of those, at once
	JoinRate      int `json:"joinRate"`      // joins a second from one address
	JoinBurst     int `json:"joinBurst"`     // of those, at once
}

// JoinRequest is the body of a join.
type JoinRequest struct {
	Attempt  string          `json:"attempt"`
	Instance string          `json:"instance"`
	Peer     string          `json:"peer,omitempty"`
	Name     string          `json:"name,omitempty"`
	Meta     json.RawMessage `json:"meta,omitempty"`
	Resume   string          `json:"resume,omitempty"`
}

// JoinReply answers a join.
type JoinReply struct {
	Session    string      `json:"session"`
	Secret     string      `json:"secret"`
	Peer       string      `json:"peer"`
	Name       string      `json:"name,omitempty"` // as the others see it
	Epoch      int64       `json:"epoch"`
	Resumed    bool        `json:"resumed"`
	At         int64       `json:"at"`
	Peers      Roster      `json:"peers"`
	ICEServers []ICEServer `json:"iceServers"`
	TTL        float64     `json:"ttl"`
	Heartbeat  float64     `json:"heartbeat"`
	Limits     Limits      `json:"limits"`
	Node       string      `json:"node"`
}

// Roster is written without reflection: there may be many in it.
type Roster []Peer

// MarshalJSON implements json.Marshaler.
func (r Roster) MarshalJSON() ([]byte, error) { return appendPeers(nil, r), nil }

// Peer is one entry of a roster.
type Peer struct {
	Peer     string          `json:"peer"`
	Epoch    int64           `json:"epoch"`
	Instance string          `json:"instance"`
	Name     string          `json:"name,omitempty"`
	Meta     json.RawMessage `json:"meta,omitempty"`
	Presence string          `json:"presence"`
}

// ICEServer is one entry of RTCConfiguration.iceServers.
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// ICEReply answers the request for fresh ICE servers.
type ICEReply struct {
	ICEServers []ICEServer `json:"iceServers"`
	TTL        float64     `json:"ttl"`
}

// LeaveRequest is the body of a leave beacon.
type LeaveRequest struct {
	Secret string `json:"secret"`
}

// ErrorReply is the body of every refused request.
type ErrorReply struct {
	Error *Error `json:"error"`
}

var joinFields = []string{"attempt", "instance", "peer", "name", "meta", "resume"}

// ParseJoin reads and checks a join's body.
func ParseJoin(body []byte, limits Limits) (JoinRequest, *Error) {
	var r JoinRequest
	_, err := readObject(body, joinFields, BadRequest, MaxNested, func(field int, value []byte) (err *Error) {
		name := joinFields[field]
		switch field {
		case 0:
			r.Attempt, err = readText(name, value)
		case 1:
			r.Instance, err = readText(name, value)
		case 2:
			r.Peer, err = readText(name, value)
		case 3:
			r.Name, err = readText(name, value)
		case 4:
			r.Meta = readRaw(value)
		case 5:
			r.Resume, err = readText(name, value)
		}
		return err
	})
	if err != nil {
		return JoinRequest{}, err
	}
	if string(r.Meta) == "null" {
		r.Meta = nil
	}
	switch {
	case r.Attempt == "":
		return r, Refusef(BadField, "attempt is missing").In("attempt")
	case !validAttempt(r.Attempt):
		return r, Refusef(BadField, "attempt is not %d to %d characters of A-Z a-z 0-9 - _", MinAttempt, MaxAttempt).In("attempt").Over(MaxAttempt)
	case r.Instance == "":
		return r, Refusef(BadField, "instance is missing").In("instance")
	case !ValidName(r.Instance, MaxInstance):
		return r, Refusef(BadField, "instance is not 1 to %d characters of A-Z a-z 0-9 - . _ ~", MaxInstance).In("instance").Over(MaxInstance)
	case r.Peer != "" && !ValidName(r.Peer, MaxPeer):
		return r, Refusef(BadField, "peer is not 1 to %d characters of A-Z a-z 0-9 - . _ ~", MaxPeer).In("peer").Over(MaxPeer)
	case len(r.Resume) > MaxResume:
		return r, Refusef(BadField, "resume is %d bytes; the limit is %d", len(r.Resume), MaxResume).In("resume").Over(MaxResume)
	}
	if err := checkText("name", r.Name, limits.Name); err != nil {
		return r, err
	}
	return r, checkMeta(r.Meta, limits.Meta)
}

// clip keeps what a client sent short enough to be said back to it.
func clip(s string) string {
	const limit = 64
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// ParseLeave reads the body of a leave beacon.
func ParseLeave(body []byte) (LeaveRequest, *Error) {
	var r LeaveRequest
	_, err := readObject(body, []string{"secret"}, BadRequest, MaxNested, func(_ int, value []byte) (err *Error) {
		r.Secret, err = readText("secret", value)
		return err
	})
	if err != nil {
		return r, err
	}
	if r.Secret == "" {
		return r, Refusef(BadField, "secret is missing").In("secret")
	}
	return r, nil
}
