package doctor

import (
	"fmt"
	"strings"
)

// linkNames are the kinds of links, the best first, and what they are called in a sentence.
var linkNames = []struct{ id, name, plural string }{
	{"websocket", "WebSocket", "WebSockets"},
	{"events", "server-sent events", "server-sent events"},
	{"longpoll", "long polls", "long polls"},
	{"shortpoll", "short polls", "short polls"},
}

// verdict puts it into one sentence.
func (x *examination) verdict(rows []Row) Verdict {
	byID := map[string]Row{}
	for _, row := range rows {
		byID[row.ID] = row
	}
	none := func(text string) Verdict { return Verdict{Outcome: Fail, Path: "none", Text: text} }
	switch {
	case !x.found.server:
		return none("Nobody can connect from here, since the server cannot be reached: " + byID["server"].Cause + ".")
	case !x.found.joined:
		return none("Nobody can connect from here, since the server does not let this client in: " + byID["join"].Cause + ".")
	}
	link, refused := x.bestLink(byID)
	if link == "" || !x.found.links["post"] {
		return none("Nobody can connect from here, since signaling gets through on no kind of link.")
	}
	v := x.path()
	if refused != "" {
		v.Text += "; signaling goes by " + link + ", since " + refused
		if v.Outcome == Pass {
			v.Outcome = Warn
		}
	}
	v.Text += "."
	return v
}

// bestLink is the one that clients would use, and why no better one.
func (x *examination) bestLink(byID map[string]Row) (name, refused string) {
	var broken []string
	for _, link := range linkNames {
		if x.found.links[link.id] {
			if len(broken) > 0 {
				refused = strings.Join(broken, " and ")
			}
			return link.name, refused
		}
		broken = append(broken, link.plural+" "+inShort(byID[link.id].Cause))
	}
	return "", ""
}

// inShort is how a link is broken in a word or two, by the beginning of its cause.
func inShort(cause string) string {
	for _, known := range []struct{ prefix, words string }{
		{"refused", "are refused"},
		{"hanging", "hang"},
		{"it opens, and then", "go silent"},
		{"buffered", "are held back"},
		{"cut", "are cut"},
	} {
		if strings.HasPrefix(cause, known.prefix) {
			return known.words
		}
	}
	return "do not work"
}

// path says how peers behind this network reach others, without the full stop.
func (x *examination) path() Verdict {
	over := map[string]bool{}
	for _, path := range x.found.relays {
		over[path.over] = true
	}
	udp := len(x.found.stun) > 0 || over["UDP"]
	direct := Verdict{Outcome: Pass, Path: "direct"}
	switch relay := len(over) > 0; {
	case udp && x.found.mapped != mapDependent && len(x.found.stun) > 0 && relay:
		direct.Text = "Peers behind this network will connect directly, and through the relay where the other side cannot"
	case udp && x.found.mapped != mapDependent && len(x.found.stun) > 0:
		direct.Outcome, direct.Text = Warn, "Peers behind this network will connect directly with most others, and with the rest only through the server, since no relay works"
	case len(x.found.stun) > 0 && relay:
		direct.Outcome, direct.Text = Warn, "Peers behind this network will connect directly with many others, and through the relay with those behind a strict NAT, since this network's NAT is symmetric"
	case len(x.found.stun) > 0:
		return Verdict{Warn, "server", "Peers behind this network will often connect only through the server, since its NAT is symmetric and no relay works"}
	}
	if direct.Text != "" {
		return direct
	}
	for _, kind := range []string{"UDP", "TCP", "TLS", "DTLS"} {
		if over[kind] {
			why := "since UDP is blocked"
			if kind == "UDP" || kind == "DTLS" {
				why = "since no STUN server answers"
			} else if kind == "TLS" && x.has("TCP") {
				why = "since UDP and TURN over plain TCP are blocked"
			}
			return Verdict{Warn, "relay", fmt.Sprintf("Peers behind this network will connect only through the relay over %s, %s", kind, why)}
		}
	}
	return Verdict{Warn, "server", "Peers behind this network will connect only through the server, since " + x.whyNoRelay()}
}

// has says whether the server names a relay over this.
func (x *examination) has(over string) bool {
	for _, u := range x.found.offered {
		if u.err == nil && u.over() == over {
			return true
		}
	}
	return false
}

func (x *examination) whyNoRelay() string {
	switch {
	case len(x.found.offered) == 0 && len(x.found.stuns) == 0:
		return "it names no STUN and no TURN server"
	case len(x.found.offered) == 0:
		return "UDP is blocked and there is no relay"
	}
	return "UDP is blocked and no relay works"
}
