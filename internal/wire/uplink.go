package wire

import (
	"bytes"
	"encoding/json"
)

// Kinds of frames; docs/protocol/signaling.md says what each holds.
const (
	KindSignal    = "signal"
	KindBroadcast = "broadcast"
	KindChange    = "change"
	KindRefresh   = "refresh"
	KindLeave     = "leave"

	KindAck  = "ack"
	KindUse  = "use"
	KindPing = "ping"
	KindPong = "pong"

	KindJoined  = "joined"
	KindLeft    = "left"
	KindChanged = "changed"

	KindHello      = "hello"
	KindReceived   = "received"
	KindRefused    = "refused"
	KindICE        = "ice"
	KindDrain      = "drain"
	KindSuperseded = "superseded"
	KindEnded      = "ended"
)

// maxToken is how long an app token may be.
const maxToken = 8 << 10

// maxNumber is the greatest integer that every JSON reader keeps exact.
const maxNumber = 1<<53 - 1

// Uplink is a frame from a client, as it was read. Slices point into memory of
// its own.
type Uplink struct {
	Kind  string          `json:"kind"`
	N     int64           `json:"n"`
	To    string          `json:"to"`
	Epoch int64           `json:"epoch"` // the recipient's; 0: whichever it has
	Data  json.RawMessage `json:"data"`
	Name  *string         `json:"name"`
	Meta  json.RawMessage `json:"meta"`  // "null" clears it
	Token string          `json:"token"` // refresh: an app token
	Link  int64           `json:"link"`  // use: the link
	After int64           `json:"after"` // use: the last downlink frame that the client has
}

// Numbered says whether frames of this kind carry a number of the session's.
func (u Uplink) Numbered() bool {
	switch u.Kind {
	case KindAck, KindPing, KindPong, KindUse, "":
		return false
	}
	return u.N > 0
}

// ParseUplink reads one message of a link. When it returns an error and a frame
// with a number, that number is to be consumed and refused; with number 0 the
// message was no frame at all.
func ParseUplink(message []byte, limits Limits) (Uplink, *Error) {
	return parseUplink(message, 0, limits)
}

// The fields of an uplink frame, in the order of parseUplink.
var uplinkFields = []string{"kind", "n", "to", "epoch", "data", "name", "meta", "token", "link", "after"}

// parseUplink is ParseUplink for a frame that may leave out its number, if implied is not 0.
func parseUplink(message []byte, implied int64, limits Limits) (Uplink, *Error) {
	u := Uplink{N: implied}
	read, err := readObject(message, uplinkFields, BadFrame, MaxNested, func(field int, value []byte) (err *Error) {
		name := uplinkFields[field]
		switch field {
		case 0:
			u.Kind, err = readKind(value)
		case 1:
			err = readNumber(name, value, &u.N)
		case 2:
			u.To, err = readText(name, value)
		case 3:
			err = readNumber(name, value, &u.Epoch)
		case 4:
			u.Data = readRaw(value)
		case 5:
			if value[0] == 'n' {
				return nil
			}
			var text string
			text, err = readText(name, value)
			u.Name = &text
		case 6:
			u.Meta = readRaw(value)
		case 7:
			u.Token, err = readText(name, value)
		case 8:
			err = readNumber(name, value, &u.Link)
		case 9:
			err = readNumber(name, value, &u.After)
		}
		return err
	})
	switch {
	case !read:
		u.N = 0 // what cannot be read has no number
	case err == nil:
		if err = u.check(limits); err == nil {
			return u, nil
		}
	case err.Code == BadField:
		err.Code = BadFrame
	}
	return Uplink{Kind: u.Kind, N: number(u.N)}, err
}

// kinds are those that a client sends, so that reading one takes no memory.
var kinds = []string{KindSignal, KindAck, KindPong, KindPing, KindBroadcast, KindChange, KindRefresh, KindLeave, KindUse}

func readKind(value []byte) (string, *Error) {
	if at := indexOf(kinds, bytes.Trim(value, `"`)); at >= 0 && value[0] == '"' {
		return kinds[at], nil
	}
	return readText("kind", value)
}

func (u Uplink) check(limits Limits) *Error {
	switch u.Kind {
	case "":
		return Refusef(BadFrame, "kind is missing").In("kind")
	case KindPing, KindPong:
		return nil
	case KindAck:
		if u.N < 0 || u.N > maxNumber {
			return Refusef(BadFrame, "n is not a frame number").In("n")
		}
		return nil
	case KindUse:
		switch {
		case number(u.Link) == 0:
			return Refusef(BadFrame, "link is not the number of a link").In("link")
		case u.After < 0 || u.After > maxNumber:
			return Refusef(BadFrame, "after is not a frame number").In("after")
		}
		return nil
	}
	switch u.Kind {
	case KindSignal, KindBroadcast, KindChange, KindRefresh, KindLeave:
	default:
		return Refusef(UnknownKind, "there is no kind %q", clip(u.Kind)).In("kind")
	}
	if number(u.N) == 0 {
		return Refusef(BadFrame, "n is missing or no frame number: frames count 1, 2, 3 …").In("n")
	}
	switch u.Kind {
	case KindSignal:
		switch {
		case !ValidName(u.To, MaxPeer):
			return Refusef(BadFrame, "to is not a peer id").In("to")
		case u.Epoch < 0 || u.Epoch > maxNumber:
			return Refusef(BadFrame, "epoch is not an epoch").In("epoch")
		case u.Data == nil:
			return Refusef(BadFrame, "data is missing").In("data")
		}
	case KindBroadcast:
		switch {
		case u.Data == nil:
			return Refusef(BadFrame, "data is missing").In("data")
		case len(u.Data) > limits.Broadcast:
			return Refusef(DataTooLarge, "data of a broadcast is %d bytes; the limit is %d", len(u.Data), limits.Broadcast).In("data").Over(int64(limits.Broadcast))
		}
	case KindRefresh:
		if u.Token == "" || len(u.Token) > maxToken {
			return Refusef(BadFrame, "token is not 1 to %d bytes", maxToken).In("token").Over(maxToken)
		}
	case KindChange:
		if u.Name == nil && u.Meta == nil {
			return Refusef(BadFrame, "a change has name, meta or both").In("name")
		}
		if u.Name != nil {
			if err := checkText("name", *u.Name, limits.Name); err != nil {
				return err
			}
		}
		return checkMeta(u.Meta, limits.Meta)
	}
	return nil
}

func number(n int64) int64 {
	if n < 1 || n > maxNumber {
		return 0
	}
	return n
}

// OneLine takes the line breaks out of JSON, so that every link can carry it in
// a line.
func OneLine(raw json.RawMessage) json.RawMessage {
	if !bytes.ContainsAny(raw, "\r\n") {
		return raw
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}
