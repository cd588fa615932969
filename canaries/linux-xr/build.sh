#!/bin/sh
# usage: sh build.sh TARBALL
# By hand, in a copy of this folder and an image of tinyland-docker: everything but the boot, for which
# steps/boot.sh wants an image that has QEMU. Without a compiler cache.
set -eu
here=$(pwd)
mkdir -p tree build
export KBUILD_BUILD_TIMESTAMP=2026-01-01T00:00:00Z KBUILD_BUILD_USER=runner KBUILD_BUILD_VERSION=1.xr.el10
KBUILD_BUILD_HOST=builder-$(cat nonce)
export KBUILD_BUILD_HOST
steps/unpack.sh "$1" "$here/tree"
steps/patch.sh "$here/tree" "$here/patches"
steps/configure.sh "$here/tree" "$here/build" -1.xr.el10 tinyconfig \
    "$here/config/base.config" "$here/config/xr.config" "$here/config/rt.config"
steps/compile.sh "$here/tree" "$here/build" -1.xr.el10 "$(nproc)" gcc
steps/package.sh "$here/tree" "$here/build" -1.xr.el10 gcc "$here/out"
