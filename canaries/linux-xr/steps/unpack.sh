#!/bin/sh
# usage: unpack.sh TARBALL TREE
# Unpacks a source tarball, whatever its outermost folder is called, into the empty folder TREE.
set -eu
case $1 in
*.xz) xz --threads=0 --decompress --stdout "$1" | tar -xof - -C "$2" --strip-components=1 ;;
*) tar -xof "$1" -C "$2" --strip-components=1 ;;
esac
exec "${0%/*}/version.sh" "$2"
