#!/bin/sh
# usage: patch.sh TREE PATCHES
# Applies the patches that PATCHES/series names, in its order and without fuzz, and stops at the first
# that does not apply. Prints one JSON object a patch.
set -eu
grep -v -e '^[[:space:]]*#' -e '^[[:space:]]*$' "$2/series" | while read -r name; do
    status=0
    said=$(patch -d "$1" -p1 --forward --fuzz=0 --reject-file=- --no-backup-if-mismatch --batch <"$2/$name" 2>&1) || status=$?
    printf '%s\n' "$said" >&2
    jq -cn --arg patch "$name" --argjson status "$status" --arg said "$said" '$ARGS.named'
    [ "$status" = 0 ] || exit 1
done
