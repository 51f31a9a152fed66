# Floating point, vector and vector-scalar registers of a guest.
#   in   r3 = address of an FpRegs, 16-byte aligned
# Clobbers r4, r5, r6. MSR comes back as it was: the facilities stay off in the hypervisor.
.text
.machine push
.machine any

.macro ppc64_fp_on
    mfmsr   %r6
    lis     %r4, {available_high}
    ori     %r4, %r4, {available_low}
    or      %r4, %r4, %r6
    mtmsrd  %r4
    isync
.endm

.global ppc64_fp_save
.type ppc64_fp_save, @function
ppc64_fp_save:
    ppc64_fp_on
    .set i, 0
    .rept 64
    li      %r4, i * 16
    stxvd2x i, %r3, %r4
    .set i, i + 1
    .endr
    mffs    0
    stfd    0, {fpscr}(%r3)
    mfvscr  0
    li      %r4, {vscr}
    stvx    0, %r3, %r4
    # f0 and v0 were used for the status words: put them back.
    lxvd2x  0, 0, %r3
    li      %r4, 32 * 16
    lxvd2x  32, %r3, %r4
    mtmsrd  %r6
    isync
    blr
.size ppc64_fp_save, . - ppc64_fp_save

.global ppc64_fp_load
.type ppc64_fp_load, @function
ppc64_fp_load:
    ppc64_fp_on
    lfd     0, {fpscr}(%r3)
    mtfsf   255, 0, 1, 0
    li      %r4, {vscr}
    lvx     0, %r3, %r4
    mtvscr  0
    .set i, 0
    .rept 64
    li      %r4, i * 16
    lxvd2x  i, %r3, %r4
    .set i, i + 1
    .endr
    mtmsrd  %r6
    isync
    blr
.size ppc64_fp_load, . - ppc64_fp_load
.machine pop
