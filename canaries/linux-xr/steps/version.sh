#!/bin/sh
# usage: version.sh TREE
# Says which version an unpacked source is, and what it brings itself for this canary: whether it has a
# patch series in xr/patches, and its fragments in xr/config.
set -eu
test -f "$1/Kbuild" || { echo "this source holds no kernel: there is no Kbuild in it" >&2; exit 1; }
fragments=$(find "$1/xr/config" -maxdepth 1 -type f -printf '%f\n' 2>/dev/null | LC_ALL=C sort | jq -cRn '[inputs]')
series=false
[ ! -f "$1/xr/patches/series" ] || series=true
jq -cn --arg version "$(make -s -C "$1" kernelversion)" --argjson fragments "$fragments" --argjson series "$series" '$ARGS.named'
