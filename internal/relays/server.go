package relays

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/stun/v3"
)

// Limits of a configuration. More URLs of one relay would only slow down its clients, which try all of them.
const (
	MaxServers = 128
	MaxURLs    = 8
)

// Server is a relay, or a server that does only STUN, with all its URLs.
type Server struct {
	Name  string   // its host, unless it was given one
	URLs  []string // as they were given
	TURN  bool     // one of them is of TURN
	parts []stun.URI
}

// named is a URL with the name of its relay in front.
var named = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]{0,63})=(.*)$`)

// Parse sorts URLs by the relay that they belong to: NAME for NAME=URL, and the host for a URL alone. The servers come in the order of
// their names, the URLs of each as they were given. An error quotes the URL that is wrong.
func Parse(texts []string) ([]Server, error) {
	var servers []Server
	seen := make(map[string]string)
	for _, text := range texts {
		name, raw := "", strings.TrimSpace(text)
		if found := named.FindStringSubmatch(raw); found != nil {
			name, raw = found[1], found[2]
		}
		uri, err := parseURI(raw)
		if err != nil {
			return nil, fmt.Errorf("%q is not a URL like turn:relay.example:3478?transport=udp, or NAME= and such a URL: %w", text, err)
		}
		if name == "" {
			name = strings.ToLower(uri.Host)
		}
		key := fmt.Sprintf("%v:%s?%v", uri.Scheme, net.JoinHostPort(strings.ToLower(uri.Host), strconv.Itoa(uri.Port)), uri.Proto)
		if before, is := seen[key]; is {
			return nil, fmt.Errorf("%q is given twice (as %q before)", text, before)
		}
		seen[key] = text
		i := slices.IndexFunc(servers, func(s Server) bool { return s.Name == name })
		if i < 0 {
			i = len(servers)
			servers = append(servers, Server{Name: name})
		}
		s := &servers[i]
		s.URLs, s.parts, s.TURN = append(s.URLs, raw), append(s.parts, uri), s.TURN || relayed(uri)
		if len(s.URLs) > MaxURLs {
			return nil, fmt.Errorf("%q is URL %d of the relay %q, which may have %d: clients try all of them, which takes time", text, len(s.URLs), name, MaxURLs)
		}
	}
	if len(servers) > MaxServers {
		return nil, fmt.Errorf("these are %d relays; there may be %d", len(servers), MaxServers)
	}
	slices.SortFunc(servers, func(a, b Server) int { return strings.Compare(a.Name, b.Name) })
	return servers, nil
}

func parseURI(raw string) (stun.URI, error) {
	uri, err := stun.ParseURI(raw)
	if err != nil {
		return stun.URI{}, err
	}
	if uri.Port < 1 || uri.Port > 65535 {
		return stun.URI{}, fmt.Errorf("the port %d is not 1 to 65535", uri.Port)
	}
	return *uri, nil
}

// relayed says that a URL is of TURN.
func relayed(uri stun.URI) bool {
	return uri.Scheme == stun.SchemeTypeTURN || uri.Scheme == stun.SchemeTypeTURNS
}

// checked are the places of the URLs that show whether a server is up: those of TURN, if it is a relay.
func (s *Server) checked() []int {
	var places []int
	for i, uri := range s.parts {
		if relayed(uri) == s.TURN {
			places = append(places, i)
		}
	}
	return places
}
