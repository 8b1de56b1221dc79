package wire

import "encoding/json"

// RoomsReply answers GET /v1/admin/rooms.
type RoomsReply struct {
	Rooms []string `json:"rooms"`
	Next  string   `json:"next"` // cursor of the next page; "": this is the last
}

// PeersReply answers GET /v1/admin/rooms/{room}/peers.
type PeersReply struct {
	Peers []Peer `json:"peers"`
}

// ServerSignal is the body of POST /v1/admin/rooms/{room}/signals.
type ServerSignal struct {
	Peer string          `json:"peer"` // "": everybody
	Data json.RawMessage `json:"data"`
}

// ParseServerSignal reads and checks a signal of the server's own.
func ParseServerSignal(body []byte, limits Limits) (ServerSignal, *Error) {
	var s ServerSignal
	_, err := readObject(body, []string{"peer", "data"}, BadRequest, MaxNested, func(field int, value []byte) (err *Error) {
		if field == 0 {
			s.Peer, err = readText("peer", value)
		} else {
			s.Data = value
		}
		return err
	})
	if err != nil {
		return s, err
	}
	switch {
	case s.Peer != "" && !ValidName(s.Peer, MaxPeer):
		return s, Refusef(BadField, "peer is not a peer id: 1 to %d unreserved URL characters", MaxPeer).In("peer").Over(MaxPeer)
	case s.Data == nil:
		return s, Refusef(BadField, "data is missing").In("data")
	case len(s.Data) > limits.Frame:
		return s, Refusef(DataTooLarge, "data is over %d bytes", limits.Frame).In("data").Over(int64(limits.Frame))
	}
	return s, nil
}
