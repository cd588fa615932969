#!/bin/sh
# usage: package.sh TREE BUILD LOCALVERSION COMPILER OUT
# Packages what was built as RPMs by the kernel's own packaging and hands them on in OUT, with the image
# that the kernel's package holds. Prints a JSON object a package: its name, its files, and those of its
# files and header fields that name the builder's folders.
set -eu
tree=$1 build=$2 localversion=$3 compiler=$4 out=$5
cd "$build"
rm -rf rpmbuild "$out"
mkdir -p "$out"
make -C "$tree" O="$build" LOCALVERSION="$localversion" CC="$compiler" HOSTCC="$compiler" \
    RPMOPTS="--without=devel --define=_buildhost\ builder" binrpm-pkg >&2
for package in rpmbuild/RPMS/*/*.rpm; do
    cp "$package" "$out/"
    unpacked=$out/unpacked-$(basename "$package" .rpm)
    mkdir -p "$unpacked"
    rpm2cpio "$package" | (cd "$unpacked" && cpio --quiet -idm --no-absolute-filenames)
    {
        (cd "$unpacked" && grep -r -l -F -e "$tree/" -e "$build/" . || true)
        rpm -qp --xml "$package" | grep -q -F -e "$tree/" -e "$build/" && echo "the package's header" || true
        (cd "$unpacked" && find . -type l -lname '/*' ! -exec test -e {} \; -printf '%p -> %l\n')
    } >.named
    rpm -qp --queryformat '%{NAME}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\n' "$package" |
        jq -cRn --arg file "$(basename "$package")" --rawfile named .named \
            --argjson files "$(rpm -qpl "$package" | jq -cRn '[inputs]')" \
            'input | split("\t") | {package: .[0], version: .[1], release: .[2], arch: .[3], file: $file,
             files: $files, named: ($named | split("\n") | map(select(. != "")))}'
    for image in "$unpacked"/lib/modules/*/vmlinuz; do
        [ ! -f "$image" ] || cp "$image" "$out/vmlinuz"
    done
    rm -rf "$unpacked" .named
done
