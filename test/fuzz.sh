#!/bin/sh
# Runs every fuzzer of the module for FUZZTIME (default 60s), one after the other. What one finds is kept by Go below
# its package's testdata/fuzz, to be committed with the mend: from then on every test run tries it.
set -eu
cd "$(dirname "$0")/.."
list=$(mktemp)
trap 'rm -f "$list"' EXIT
go test -list '^Fuzz' ./... | awk '/^Fuzz/ { names[++n] = $1 } /^ok/ { for (i = 1; i <= n; i++) print $2, names[i]; n = 0 }' >"$list"
failed=0
while read -r package name; do
	echo "== $name $package"
	nice go test "$package" -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-60s}" -fuzzminimizetime 100x </dev/null || failed=1
done <"$list"
exit $failed
