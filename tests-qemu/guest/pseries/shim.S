# Firmware for QEMU's `pseries` machine in place of SLOF: jumps to the kernel with the flat device
# tree that the machine passes in r3, as Bulkhead enters a partition. For `-bios`, loaded at 0.
    .machine power8
    .text
    .org    0x100
    li      5, 1            # MSR[SF], which this machine starts without
    sldi    5, 5, 63
    mfmsr   4
    or      4, 4, 5
    mtmsrd  4
    lis     4, 0x40         # guest-test is linked at 4 MiB
    mtctr   4
    li      4, 0
    li      5, 0
    bctr
