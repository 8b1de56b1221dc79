// Package policy decides which peers a relay's clients may reach.
//
// A relay stands where its clients do not: inside a network, beside a cloud's metadata service, on
// a host with daemons of its own. So a peer is denied unless it is an ordinary public address, and
// an address that carries an IPv4 address inside is judged by that one too.
//
// Four things are looked at, and the first that speaks decides:
//
//  1. What is no unicast address (unspecified, multicast, broadcast) is always denied.
//  2. A deny rule that names the address, or an IPv4 address inside it, denies.
//  3. An allow rule that names the address allows it; an IPv4 address inside must pass too.
//  4. By default the relay's own addresses are for traffic inside the relay only, and special-purpose
//     ranges, NAT64 prefixes and the host's own addresses are denied. Everything else is allowed.
//
// An IPv4-mapped address is the IPv4 address inside and nothing else.
package policy
