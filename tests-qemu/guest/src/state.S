# What an hcall must leave alone, put to the test.

# Fills every register that an hcall preserves with a pattern, does one hcall, stores them all.
#   in   r3 = hcall token, r4-r7 = its arguments,
#        r8 = address of {state_dwords} doublewords: patterns on entry, what was found on return
#   out  r3 = status
# Order in memory: 0 r1 (out only: 0 when it came back unchanged), 1 r2, 2 r13-r31, 21 LR, 22 CR,
# 23 r0, 24 r5-r12, 32 the 64 VSX registers (FP and VMX included).
.section .text
.global state_across_hcall
state_across_hcall:
    mflr    %r0
    std     %r0, 16(%r1)
    stdu    %r1, -256(%r1)
.irp n, 2, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    std     %r\n, 0 + 8 * \n(%r1)
.endr
    mfcr    %r0
    std     %r0, 8 * 5(%r1)
    std     %r8, 8 * 6(%r1)
    mfmsr   %r0
    std     %r0, 8 * 7(%r1)
    mtsprg  0, %r1
    # FP, VEC and VSX on for the duration.
    lis     %r9, 0x280
    ori     %r9, %r9, 0x2000
    or      %r9, %r0, %r9
    mtmsrd  %r9
    isync
    mr      %r9, %r8
    addi    %r10, %r9, 8 * 32
    li      %r11, 0
.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63
    lxvd2x  \n, %r10, %r11
    addi    %r11, %r11, 16
.endr
    ld      %r0, 8 * 21(%r9)
    mtlr    %r0
    ld      %r0, 8 * 22(%r9)
    mtcr    %r0
    ld      %r2, 8 * 1(%r9)
.irp n, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld      %r\n, 8 * (\n - 11)(%r9)
.endr
    ld      %r0, 8 * 23(%r9)
    mr      %r8, %r9
    ld      %r10, 8 * 29(%r8)
    ld      %r11, 8 * 30(%r8)
    ld      %r12, 8 * 31(%r8)
    ld      %r9, 8 * 28(%r8)
    ld      %r8, 8 * 27(%r8)
    sc      1
    # r1 alone is trusted only after it was compared with SPRG0.
    mtsprg  1, %r13
    mfsprg  %r13, 0
    cmpd    %cr0, %r13, %r1
    mtsprg  2, %r1
    mr      %r1, %r13
    ld      %r13, 8 * 6(%r1)
    std     %r0, 8 * 23(%r13)
.irp n, 5, 6, 7, 8, 9, 10, 11, 12
    std     %r\n, 8 * (\n + 19)(%r13)
.endr
    mflr    %r0
    std     %r0, 8 * 21(%r13)
    # CR0 is volatile and was just used for the comparison.
    mfcr    %r0
    std     %r0, 8 * 22(%r13)
    mfsprg  %r0, 2
    xor     %r0, %r0, %r1
    std     %r0, 0(%r13)
    std     %r2, 8 * 1(%r13)
.irp n, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    std     %r\n, 8 * (\n - 11)(%r13)
.endr
    mfsprg  %r0, 1
    std     %r0, 8 * 2(%r13)
    addi    %r10, %r13, 8 * 32
    li      %r11, 0
.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63
    stxvd2x \n, %r10, %r11
    addi    %r11, %r11, 16
.endr
    ld      %r0, 8 * 7(%r1)
    mtmsrd  %r0
    isync
    ld      %r0, 8 * 5(%r1)
    mtcr    %r0
.irp n, 2, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld      %r\n, 0 + 8 * \n(%r1)
.endr
    addi    %r1, %r1, 256
    ld      %r0, 16(%r1)
    mtlr    %r0
    blr

# Runs `sc 1` in problem state (MSR PR = IR = DR = EE = 1), then leaves it by `sc 0`, which the
# trap handler answers by returning privileged.
#   in   r3 = hcall token, r4 = its argument, r5 = MSR to run with
#   out  r3 = what the hcall answered
.global problem_state_hcall
problem_state_hcall:
    mflr    %r0
    std     %r0, 16(%r1)
    bcl     20, 31, 1f
1:  mflr    %r9
    addi    %r10, %r9, 2f - 1b
    mtsrr0  %r10
    mtsrr1  %r5
    rfid
2:  sc      1
    mr      %r11, %r3
    sc      0
    mr      %r3, %r11
    ld      %r0, 16(%r1)
    mtlr    %r0
    blr
