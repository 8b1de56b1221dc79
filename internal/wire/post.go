package wire

import "encoding/json"

// Limits of one POST of frames.
const (
	MaxPostFrames = 64
	MaxPost       = 256 << 10 // bytes
)

// Post is the body of a POST of frames.
type Post struct {
	First  int64             `json:"first"`  // the number of the first frame
	Frames []json.RawMessage `json:"frames"` // numbered frames; their own numbers may be left out
	Ack    int64             `json:"ack"`    // downlink frames handled
	After  *int64            `json:"after"`  // send what waits after this frame, too
	Use    int64             `json:"use"`    // confirm this link
}

// PostReply answers a POST of frames.
type PostReply struct {
	Received int64             `json:"received"`
	Frames   []json.RawMessage `json:"frames,omitempty"`
}

// PollReply answers a poll.
type PollReply struct {
	Link     int64             `json:"link"`
	Received int64             `json:"received"`
	Frames   []json.RawMessage `json:"frames"`
	Next     float64           `json:"next"` // seconds until the next poll, if it does not wait
}

var postFields = []string{"first", "frames", "ack", "after", "use"}

// ParsePost reads and checks a POST of frames, as far as the frames.
func ParsePost(body []byte) (Post, *Error) {
	var p Post
	// How deep the values of frames are nested is a matter of each frame.
	_, err := readObject(body, postFields, BadRequest, maxDepth, func(field int, value []byte) (err *Error) {
		name := postFields[field]
		switch field {
		case 0:
			err = readNumber(name, value, &p.First)
		case 1:
			p.Frames, err = readArray(name, value)
		case 2:
			err = readNumber(name, value, &p.Ack)
		case 3:
			if value[0] != 'n' {
				p.After = new(int64)
				err = readNumber(name, value, p.After)
			}
		case 4:
			err = readNumber(name, value, &p.Use)
		}
		return err
	})
	if err != nil {
		return p, err
	}
	switch {
	case len(p.Frames) > MaxPostFrames:
		return p, Refusef(BadField, "there are %d frames; the limit is %d", len(p.Frames), MaxPostFrames).In("frames").Over(MaxPostFrames)
	case len(p.Frames) > 0 && (number(p.First) == 0 || number(p.First+int64(len(p.Frames))) == 0):
		return p, Refusef(BadField, "first is missing or no frame number: frames count 1, 2, 3 …").In("first")
	case p.Ack < 0 || p.Ack > maxNumber:
		return p, Refusef(BadField, "ack is not a frame number").In("ack")
	case p.After != nil && (*p.After < 0 || *p.After > maxNumber):
		return p, Refusef(BadField, "after is not a frame number").In("after")
	case p.Use < 0 || p.Use > maxNumber:
		return p, Refusef(BadField, "use is not the number of a link").In("use")
	}
	return p, nil
}

// ParseNumbered reads a frame of which the place says that its number is n. What
// is not valid is to be consumed and refused.
func ParseNumbered(message []byte, n int64, limits Limits) (Uplink, *Error) {
	u, err := parseUplink(message, n, limits)
	switch {
	case err != nil:
	case !u.Numbered():
		err = Refusef(BadFrame, "%s is no numbered frame, and has no place here", u.Kind).In("kind")
	case u.N != n:
		err = Refusef(BadFrame, "frame %d is in the place of frame %d", u.N, n).In("n")
	case len(message) > limits.Frame:
		err = Refusef(FrameTooLarge, "the frame is over %d bytes", limits.Frame).Over(int64(limits.Frame))
	}
	u.N = n
	return u, err
}
