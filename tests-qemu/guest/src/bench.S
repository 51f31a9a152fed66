# Loops around hcalls, with as little besides as can be.

# Does a list of hcalls, again and again. bench_nothing does all but the `sc`.
#   in   r3 = list: token and four arguments each, r4 = its length (not 0), r5 = rounds (not 0)
.macro bench_loop name, instruction
.global \name
\name:
    stdu    %r1, -96(%r1)
.irp n, 14, 15, 16, 17, 18
    std     %r\n, 8 * (\n - 10)(%r1)
.endr
    mr      %r14, %r3
    mr      %r15, %r4
    mr      %r16, %r5
1:  mr      %r17, %r14
    mr      %r18, %r15
2:  ld      %r3, 0(%r17)
    ld      %r4, 8(%r17)
    ld      %r5, 16(%r17)
    ld      %r6, 24(%r17)
    ld      %r7, 32(%r17)
    addi    %r17, %r17, 40
    \instruction
    addi    %r18, %r18, -1
    cmpdi   %r18, 0
    bne     2b
    addi    %r16, %r16, -1
    cmpdi   %r16, 0
    bne     1b
.irp n, 14, 15, 16, 17, 18
    ld      %r\n, 8 * (\n - 10)(%r1)
.endr
    addi    %r1, %r1, 96
    blr
.endm

.section .text
    bench_loop bench_hcalls, "sc 1"
    bench_loop bench_nothing, nop

# One H_CEDE: SPRG2 := the time before it. The vector below must be in place, with MSR[EE] closed again.
.global bench_cede
bench_cede:
    li      %r3, {h_cede}
    mftb    %r4
    mtsprg  2, %r4
    sc      1
    blr

# Opens MSR[EE] and spins until the vector below has closed it.
.global bench_spin
bench_spin:
    mfmsr   %r4
    ori     %r4, %r4, {msr_ee}
    mtmsrd  %r4, 1
1:  mfmsr   %r4
    andi.   %r4, %r4, {msr_ee}
    bne     1b
    blr

# Takes the place of a vector: SPRG0 := the time; MSR[EE] off; return. r11 and r12 are lost.
.global bench_vector
bench_vector:
    mftb    %r11
    mtsprg  0, %r11
    mfsrr1  %r11
    rldicl  %r11, %r11, 48, 1
    rotldi  %r11, %r11, 16
    mtsrr1  %r11
    rfid
.global bench_vector_end
bench_vector_end:
