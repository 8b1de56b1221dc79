#!/bin/sh
# Installs what the tests need and the machine does not have: Debian's packages
# of node, Chromium, Firefox, WebKitGTK and a screen for it, coturn, nginx, haproxy, Redis and a C compiler for the
# race detector. Those that are services are not started.
set -eu

PATH="$PATH:/usr/sbin" # where Debian has what listens, even for those who do not look there

missing=
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }

need node nodejs
need npm npm
need chromium chromium
need firefox-esr firefox-esr
need WebKitWebDriver webkit2gtk-driver
need Xvfb xvfb
need ip iproute2
need turnutils_uclient coturn
need nginx nginx
need haproxy haproxy
need redis-server redis-server
need curl curl
need openssl openssl
need gcc gcc
need cc libc6-dev

# nginx passes TCP on by a module, which is in its program or beside it.
if ! nginx -V 2>&1 | grep -q -- '--with-stream ' && ! ls /usr/lib/nginx/modules/ngx_stream_module.so >/dev/null 2>&1; then
	missing="$missing libnginx-mod-stream"
fi

[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
	echo "test/setup.sh: the tests need$missing; install them, there is no apt-get here to do it" >&2
	exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
	as_root=sudo
fi
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap '$as_root rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
	$as_root chmod 755 $policy
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of packages
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
