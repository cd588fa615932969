#!/bin/sh
# usage: version.sh TREE
# Says which version a source is that was not unpacked here.
set -eu
jq -cn --arg version "$(make -s -C "$1" kernelversion)" '{version: $version}'
