#!/bin/sh
# usage: boot.sh IMAGE INIT NONCE SECONDS [KERNEL-ARGUMENT…]
# Boots IMAGE in an emulated PC with a display, a USB tablet and an initramfs of busybox and INIT. What the
# serial console says goes to stdout. Ends with 0 when the machine went down by itself, with 124 when it
# was still up after SECONDS.
set -eu
image=$1 init=$2 nonce=$3 seconds=$4
shift 4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root/bin"
cp /bin/busybox "$work/root/bin/busybox"
install -m 0755 "$init" "$work/root/init"
(cd "$work/root" && find . | cpio --quiet -o -H newc --owner 0:0 | gzip -1) >"$work/initramfs"
timeout --kill-after=5 "$seconds" qemu-system-x86_64 \
    -machine pc -accel tcg -cpu max -m 256 -nodefaults -no-reboot -display none -serial stdio -monitor none \
    -device VGA,edid=on -device qemu-xhci -device usb-tablet \
    -kernel "$image" -initrd "$work/initramfs" \
    -append "console=ttyS0 panic=-1 drm.debug=0x4 linux_xr.nonce=$nonce $*" </dev/null
