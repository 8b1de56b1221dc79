package peers

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"
)

const (
	batchTime = 20 * time.Millisecond // candidates found so soon after the first one go in one note
	stepMost  = 256                   // steps that wait for a negotiation
)

// negotiation is perfect negotiation, as the WebRTC specification describes it, of one connection: either side may offer
// at any time; when both do, the polite one gives way. One goroutine, which calls run, owns it.
type negotiation struct {
	pc     *webrtc.PeerConnection
	polite bool

	met   func(channels []string) // the other side's first description is here: now is the time to create channels
	send  func(*note)
	fault func(error)

	steps chan func() error // to do, one after the other
	over  chan struct{}     // closed to end it
	wake  chan struct{}     // capacity 1; tells that there are candidates

	mu    sync.Mutex
	found []*candidate // guarded by mu; by the connection; nil is their end

	knowsFar   bool
	role       string       // in DTLS, as an answer's setup says it; it is for the life of the connection
	ignoring   bool         // an offer that met one of our own, and its candidates
	early      []*candidate // that came before their description
	candidates int          // of the remote description
}

func newNegotiation(pc *webrtc.PeerConnection, polite bool) *negotiation {
	n := &negotiation{
		pc: pc, polite: polite,
		steps: make(chan func() error, stepMost),
		over:  make(chan struct{}),
		wake:  make(chan struct{}, 1),
	}
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		var found *candidate
		if c != nil {
			init := c.ToJSON()
			found = &candidate{init.Candidate, init.SDPMid, init.SDPMLineIndex, init.UsernameFragment}
		}
		n.mu.Lock() // the call may come out of one that a step makes
		n.found = append(n.found, found)
		n.mu.Unlock()
		nudge(n.wake)
	})
	return n
}

// do has a step done, or returns that there are too many.
func (n *negotiation) do(step func() error) error {
	select {
	case n.steps <- step:
		return nil
	default:
		return ErrTooMuch
	}
}

func (n *negotiation) run() {
	due := time.NewTimer(batchTime)
	due.Stop()
	defer due.Stop()
	waiting := false
	for {
		select {
		case <-n.over:
			return
		case step := <-n.steps:
			if err := step(); err != nil && !isClosed(n.over) {
				n.fault(err)
			}
		case <-n.wake:
			if !waiting {
				waiting = true
				due.Reset(batchTime)
			}
		case <-due.C:
			waiting = false
			n.flush()
		}
	}
}

// receive takes what the other side sent.
func (n *negotiation) receive(what *note) error {
	if what.kind == kindDescription {
		return n.describe(what)
	}
	for _, c := range what.candidates {
		if err := n.candidate(c); err != nil {
			return err
		}
	}
	return nil
}

// restart gathers anew; or, while an offer is not answered, sends it again, since it or its answer may be lost.
func (n *negotiation) restart() error {
	if n.pc.SignalingState() == webrtc.SignalingStateHaveLocalOffer {
		n.sendDescription()
		return nil
	}
	return n.offer(&webrtc.OfferOptions{ICERestart: true})
}

func (n *negotiation) offer(options *webrtc.OfferOptions) error {
	n.flush() // what is waiting belongs to the description before
	d, err := n.pc.CreateOffer(options)
	if err == nil {
		err = n.pc.SetLocalDescription(d)
	}
	if err != nil {
		return fmt.Errorf("%w: an offer: %w", ErrNegotiation, err)
	}
	n.sendDescription()
	return nil
}

func (n *negotiation) describe(what *note) error {
	d := what.description
	offering := n.pc.SignalingState() == webrtc.SignalingStateHaveLocalOffer
	n.ignoring = d.Type == offer && offering && !n.polite
	if n.ignoring || d.Type == answer && !offering { // the answer to an offer that was sent twice
		return nil
	}
	if strings.Count(d.SDP, "a=candidate:") > listMost {
		return fmt.Errorf("%w: candidates in a description", ErrTooMuch)
	}
	if !n.knowsFar {
		n.knowsFar = true
		n.met(what.channels)
	}
	if err := n.apply(d, offering); err != nil {
		return fmt.Errorf("%w: %s %w", ErrNegotiation, d.Type, err)
	}
	n.candidates = 0
	early := n.early
	n.early = nil
	for _, c := range early {
		if err := n.candidate(c); err != nil {
			return err
		}
	}
	return nil
}

func (n *negotiation) apply(d description, offering bool) error {
	if d.Type == answer {
		n.settle(setupIn(d.SDP) != "active")
		return n.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: d.SDP})
	}
	n.flush()
	again := offering && fragmentOf(n.pc.RemoteDescription()) == fragmentIn(d.SDP)
	if offering {
		// Pion cannot roll an offer back. So the other side's offer counts as the answer to it: that brings the user fragments
		// of both sides into use, and the real answer, which follows, tells the other side so.
		if err := n.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: asAnswer(d.SDP)}); err != nil {
			return err
		}
	}
	if err := n.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: d.SDP}); err != nil {
		return err
	}
	made, err := n.pc.CreateAnswer(nil)
	if err == nil {
		n.settle(setupIn(made.SDP) == "active")
		err = n.pc.SetLocalDescription(made)
	}
	if err != nil {
		return err
	}
	n.sendDescription()
	if again { // it was one that came twice, and not a restart: ours is still to be
		return n.offer(&webrtc.OfferOptions{ICERestart: true})
	}
	return nil
}

var fragmentLine = regexp.MustCompile(`(?m)^a=ice-ufrag:(\S*)`)

// fragmentOf returns the user fragment of a description, which changes when ICE restarts.
func fragmentOf(d *webrtc.SessionDescription) string {
	if d == nil {
		return ""
	}
	return fragmentIn(d.SDP)
}

func fragmentIn(sdp string) string {
	if match := fragmentLine.FindStringSubmatch(sdp); match != nil {
		return match[1]
	}
	return ""
}

var setupLine = regexp.MustCompile(`(?m)^a=setup:(\w+)`)

func setupIn(sdp string) string {
	if match := setupLine.FindStringSubmatch(sdp); match != nil {
		return match[1]
	}
	return ""
}

func withSetup(sdp, setup string) string { return setupLine.ReplaceAllString(sdp, "a=setup:"+setup) }

// asAnswer makes an offer's roles those of an answer.
func asAnswer(sdp string) string { return withSetup(sdp, "active") }

// settle takes note of this side's role when the first answer is made or comes.
func (n *negotiation) settle(active bool) {
	if n.role != "" {
		return
	}
	n.role = "passive"
	if active {
		n.role = "active"
	}
}

func (n *negotiation) candidate(c *candidate) error {
	if n.ignoring {
		return nil
	}
	if n.candidates++; n.candidates > listMost {
		return fmt.Errorf("%w: candidates", ErrTooMuch)
	}
	if n.pc.RemoteDescription() == nil {
		n.early = append(n.early, c)
		return nil
	}
	if c != nil {
		// One that is not taken is of a round of gathering that is over, or of a kind that is not known here. If it mattered, ICE
		// fails, and recovery begins anew.
		_ = n.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: c.Candidate})
	}
	return nil
}

func (n *negotiation) sendDescription() {
	d := n.pc.LocalDescription()
	if d == nil {
		return
	}
	text := d.SDP
	if d.Type == webrtc.SDPTypeAnswer {
		text = withSetup(text, n.role) // pion says active in each answer, and browsers refuse one that changes the roles
	}
	n.send(&note{kind: kindDescription, description: description{Type: d.Type.String(), SDP: text}})
}

// flush sends the candidates that were found.
func (n *negotiation) flush() {
	n.mu.Lock()
	found := n.found
	n.found = nil
	n.mu.Unlock()
	for batch := range slices.Chunk(found, listMost) {
		n.send(&note{kind: kindCandidates, candidates: batch})
	}
}
