//go:build linux

package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
)

// ErrRoot is why there are no namespaces.
var ErrRoot = errors.New("network namespaces need root")

// MTU of the links.
const MTU = 1500

// Veth makes three namespaces: clients and peers are each linked to the relay's by a pair of virtual Ethernet interfaces, and reach
// nothing else.
func Veth() (*Net, error) {
	if os.Geteuid() != 0 {
		return nil, ErrRoot
	}
	ip, err := ipCommand()
	if err != nil {
		return nil, err
	}
	n := &Net{
		Name:   "veth",
		Client: netip.AddrFrom4([4]byte{10, 11, 1, 2}), Server: netip.AddrFrom4([4]byte{10, 11, 1, 1}),
		Peer: netip.AddrFrom4([4]byte{10, 11, 2, 2}), Relay: netip.AddrFrom4([4]byte{10, 11, 2, 1}),
	}
	for _, ns := range []**namespace{&n.client, &n.server, &n.peer} {
		if *ns, err = newNamespace(); err != nil {
			n.Close()
			return nil, err
		}
	}
	for _, setup := range []struct {
		at    *namespace
		lines []string
	}{
		{n.server, []string{
			"link set lo up",
			fmt.Sprintf("link add name clients mtu %d type veth peer name relay mtu %d netns %s", MTU, MTU, n.client.path()),
			fmt.Sprintf("link add name peers mtu %d type veth peer name relay mtu %d netns %s", MTU, MTU, n.peer.path()),
			fmt.Sprintf("addr add %v/24 dev clients", n.Server), fmt.Sprintf("addr add %v/24 dev peers", n.Relay),
			"link set clients up", "link set peers up",
		}},
		{n.client, []string{"link set lo up", fmt.Sprintf("addr add %v/24 dev relay", n.Client), "link set relay up"}},
		{n.peer, []string{"link set lo up", fmt.Sprintf("addr add %v/24 dev relay", n.Peer), "link set relay up"}},
	} {
		if err := setup.at.run(func() error { return ipBatch(ip, setup.lines) }); err != nil {
			n.Close()
			return nil, err
		}
	}
	return n, nil
}

// ipCommand finds ip of iproute2, which users' paths may lack.
func ipCommand() (string, error) {
	for _, name := range []string{"ip", "/usr/sbin/ip", "/sbin/ip"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("veth: there is no ip command (Debian: iproute2)")
}

// ipBatch runs it where the caller's thread is.
func ipBatch(ip string, lines []string) error {
	cmd := exec.Command(ip, "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
