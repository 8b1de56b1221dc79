#!/bin/sh
# Runs a command in a network of its own: loopback, and a default route that leads nowhere, by which Firefox finds its
# addresses. So no browser reaches anybody but the tests' own servers. Where that is not allowed, the command runs as it is.
set -eu

PATH="$PATH:/usr/sbin:/sbin"

if [ "${1-}" = --inside ]; then
	shift
	ip link set lo up
	ip link add name uplink type veth peer name nowhere
	# No addresses that come by themselves a while later: browsers drop what they load when an address comes.
	ip link set uplink addrgenmode none
	ip link set nowhere addrgenmode none
	ip addr add 192.0.2.1/24 dev uplink
	ip addr add 2001:db8::1/64 dev uplink nodad
	ip link set nowhere up
	ip link set uplink up
	ip route add default via 192.0.2.254
	ip -6 route add default via 2001:db8::254
	exec "$@"
fi

enter='unshare --net'
[ "$(id -u)" -eq 0 ] || enter='unshare --map-root-user --net'
# shellcheck disable=SC2086 # a command with its options
if why=$($enter "$0" --inside true 2>&1); then
	# shellcheck disable=SC2086
	exec $enter "$0" --inside "$@"
fi
echo "test/isolate.sh: no network of its own for the tests, they run in the host's ($why)" >&2
exec "$@"
