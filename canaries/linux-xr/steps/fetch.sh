#!/bin/sh
# usage: fetch.sh PACKAGE VERSION SHA256 MEMBER FOLDER
# Fetches the source package of exactly that version and digest from the machine's own package archive, and
# puts the tarball MEMBER of it into FOLDER. Does nothing when it is there.
set -eu
package=$1 version=$2 sha256=$3 member=$4 folder=$5
tarball=$folder/$sha256-${member##*/}
if [ ! -f "$tarball" ]; then
    # A mirror may be older than its Release file's Valid-Until; the digest below is the defence that counts.
    apt-get -qq update 2>/dev/null || apt-get -qq -o Acquire::Check-Valid-Until=false update
    # What a fetch that was killed left behind.
    find "$folder" -maxdepth 1 -name 'fetching.*' -mmin +60 -exec rm -rf {} +
    work=$(mktemp -d "$folder/fetching.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    chmod 0755 "$work"
    cd "$work"
    apt-get -qq download "$package=$version" || {
        echo "the archive has no $package $version; it has: $(apt-cache madison "${package%-*}" | cut -d'|' -f2 | tr -d '\n')" >&2
        exit 3
    }
    echo "$sha256 $(echo ./*.deb)" | sha256sum --check --quiet >&2
    dpkg-deb --fsys-tarfile ./*.deb | tar -xO "./$member" >unpacked
    mv unpacked "$tarball"
fi
echo "$tarball"
