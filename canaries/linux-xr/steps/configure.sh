#!/bin/sh
# usage: configure.sh TREE BUILD LOCALVERSION BASE FRAGMENT…
# Configures TREE in BUILD: BASE (a make target such as tinyconfig, or a file) under the fragments, the
# last one on top. Prints what was requested, what came of it, and the release that the kernel will have.
set -eu
tree=$1 build=$2 localversion=$3 base=$4
shift 4
cd "$build"
kernel() { make -s -C "$tree" O="$build" LOCALVERSION="$localversion" "$@"; }
case $base in
/*) cp "$base" .config ;;
*) kernel "$base" >&2 ;;
esac
# The tool warns of options that fall away and then ends well; the judge compares for itself.
[ "$#" = 0 ] || "$tree/scripts/kconfig/merge_config.sh" -m -O "$build" .config "$@" >&2
kernel olddefconfig >&2
for fragment; do
    jq -cRs --arg fragment "${fragment##*/}" '{fragment: $fragment, text: .}' <"$fragment"
done
jq -cRs --arg release "$(kernel kernelrelease)" '{config: ., release: $release}' <.config
