#!/bin/sh
# Takes /bin/sh and the libraries it loads from the builder as the root of the image, builds, and saves it.
set -eu
for file in /bin/sh $(ldd /bin/sh | grep -o '/[^ ]*'); do
  mkdir -p "root$(dirname "$file")"
  cp -L "$file" "root$file"
done
docker build "$@" --tag canary-image .
mkdir -p out
docker save --output out/image.tar canary-image
