#!/bin/sh
# Runs guest-test on QEMU's own pseries machine, the reference that Bulkhead is compared with.
#   usage: run.sh GUEST-TEST [COMMAND LINE WORDS]
# Needs powerpc64-linux-gnu-as, -ld, -objcopy and qemu-system-ppc64.
set -eu
here=$(dirname "$0")
guest=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
powerpc64-linux-gnu-as -o "$work/shim.o" "$here/shim.S"
powerpc64-linux-gnu-objcopy -O binary -j .text "$work/shim.o" "$work/shim.bin"
timeout 120 qemu-system-ppc64 \
    -M pseries,kernel-addr=0,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ail-mode-3=on,usb=off \
    -cpu power8 -smp 2 -m 512 -nodefaults -display none -serial none -monitor none \
    -chardev stdio,id=tty,signal=off -device spapr-vty,chardev=tty \
    -device edu,addr=1.0,multifunction=on,dma_mask=0xffffffff -device edu,addr=1.1,dma_mask=0xffffffff -no-reboot \
    -bios "$work/shim.bin" -kernel "$guest" -append "${MODE:-mode=pseries} $*" ${QEMU_EXTRA:-} </dev/null
