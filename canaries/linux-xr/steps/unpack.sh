#!/bin/sh
# usage: unpack.sh TARBALL TREE
# Unpacks a source tarball, whatever its outermost folder is called, into the empty folder TREE.
set -eu
case $1 in
*.xz) xz --threads=0 --decompress --stdout "$1" | tar -xof - -C "$2" --strip-components=1 ;;
*) tar -xof "$1" -C "$2" --strip-components=1 ;;
esac
test -f "$2/Kbuild" || { echo "$1 holds no kernel: there is no Kbuild in it" >&2; exit 1; }
jq -cn --arg version "$(make -s -C "$2" kernelversion)" '{version: $version}'
