#!/bin/sh
# usage: compile.sh TREE BUILD LOCALVERSION JOBS COMPILER
# Compiles what was configured in BUILD: first all objects, then links them into the image, measured apart.
# COMPILER is the value of CC, for example "ccache gcc". Prints how many objects there will be, what the
# two parts cost, the compiler cache's own statistics, and the digests of image and objects.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$1 build=$2 localversion=$3 jobs=$4 compiler=$5
cd "$build"
touch .begun
kernel() {
    name=$1
    shift
    python3 "$here/measure.py" "$name" \
        make -j "$jobs" -C "$tree" O="$build" LOCALVERSION="$localversion" CC="$compiler" HOSTCC="$compiler" "$@"
}
# What is to come: make says without doing. It gives up where a file is still to be generated, late enough.
kernel prepare prepare
make -n -k -C "$tree" O="$build" LOCALVERSION="$localversion" CC="$compiler" HOSTCC="$compiler" bzImage modules \
    >.planned 2>/dev/null || true
planned() { jq -cn --argjson objects "$(grep -c -E 'echo *.? +(CC|AS) ' .planned)" '$ARGS.named'; }
planned
planned >&2
rm -f .planned
# Kernels before 6.1 have no such target and compile while they link.
if grep -q '^vmlinux_a' "$tree/Makefile"; then
    kernel compile vmlinux_a
fi
kernel link bzImage modules
if [ -n "${CCACHE_DIR:-}" ]; then
    ccache --print-stats | jq -cRn '{cache: [inputs | split("\t") | {(.[0]): (.[1] | tonumber)}] | add}'
fi
find . -name '*.o' -type f -printf '%P\n' | LC_ALL=C sort | tr '\n' '\0' | xargs -0 -r sha256sum |
    jq -cRn '{digests: [inputs | {(.[66:]): .[:64]}] | add}'
sha256sum "$(make -s -C "$tree" O="$build" image_name)" vmlinux | jq -cRn '{images: [inputs | {(.[66:]): .[:64]}] | add}'
# A source is only read: what changed in it since the build began was written by the build.
find "$tree" -newer .begun ! -path "$build/*" -printf '%P\n' | head -n 20 | jq -cRn '{touched: [inputs]}'
