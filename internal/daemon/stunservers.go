package daemon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
)

// STUNServers is the value of a --probe-stun flag: hosts, each with a port, 3478 if none is given.
type STUNServers []string

// Decode implements [kong.MapperValue]: it adds the servers of one occurrence of the flag, separated by commas.
func (s *STUNServers) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("HOST:PORT", &text); err != nil {
		return err
	}
	if text == "" {
		return errors.New("the value is empty")
	}
	for _, server := range strings.Split(text, ",") {
		addr, err := stunServer(server)
		if err != nil {
			return fmt.Errorf("%q is not HOST or HOST:PORT, like stun.example:3478: %w", server, err)
		}
		*s = append(*s, addr)
	}
	return nil
}

const stunPort = "3478"

// hostOnly is a name that DNS or a container's network may know.
var hostOnly = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)

// stunServer adds the port of STUN where there is none.
func stunServer(text string) (string, error) {
	host, port := text, stunPort
	if h, p, err := net.SplitHostPort(text); err == nil {
		if _, err := parsePort(p); err != nil {
			return "", fmt.Errorf("the port %w", err)
		}
		host, port = h, p
	} else if inner, is := strings.CutPrefix(text, "["); is {
		host = strings.TrimSuffix(inner, "]")
	}
	if _, err := netip.ParseAddr(host); err != nil && (len(host) > 253 || !hostOnly.MatchString(host)) {
		return "", errors.New("no host is called so")
	}
	return net.JoinHostPort(host, port), nil
}
