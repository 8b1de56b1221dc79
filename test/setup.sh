#!/bin/sh
# Installs what the tests need and the machine does not have: Debian's packages
# of node, Chromium, coturn and a C compiler for the race detector.
set -eu

missing=
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }

need node nodejs
need npm npm
need chromium chromium
need turnutils_uclient coturn
need gcc gcc
need cc libc6-dev

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
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of packages
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
