# Entry of the payload, its secondary processors, and its interrupt vectors.
#
# SPRG1 is scratch of the vectors, SPRG3 holds the address of the processor's `PerCpu`.

.section .text.entry, "ax"
# Entry from the platform.
#   in   r3 = real address of the FDT, r4 = r5 = 0; MSR SF = 1, EE = IR = DR = 0
.global guest_entry
guest_entry:
    lis     %r2, .TOC.@ha
    addi    %r2, %r2, .TOC.@l
    lis     %r13, {percpu}@ha
    addi    %r13, %r13, {percpu}@l
    bl      cpu_setup
    bl      {main}
1:  b       1b

# Entry of a processor started by start-cpu.
#   in   r3 = address of its PerCpu; MSR SF = 1, EE = IR = DR = 0
.global guest_secondary_entry
guest_secondary_entry:
    lis     %r2, .TOC.@ha
    addi    %r2, %r2, .TOC.@l
    mr      %r13, %r3
    bl      cpu_setup
    bl      {secondary}
1:  b       1b

# Sets up the stack and SPRG3.
#   in   r13 = address of the PerCpu
#   out  r1 = top of its stack with an empty frame; r0 is lost
cpu_setup:
    mtsprg  3, %r13
    ld      %r1, {pc_stack}(%r13)
    li      %r0, 0
    stdu    %r0, -64(%r1)
    blr

.section .text
# Copied to real addresses 0, 0x4000 and 0x18000: position independent up to vector_block_end.
.macro vector address
.org vector_block + \address
    mtsprg  1, %r13
    mfsprg  %r13, 3
    std     %r12, {pc_gpr} + 8 * 12(%r13)
    li      %r12, \address
    b       vector_common
.endm

.balign 256
.global vector_block
vector_block:
.irp address, 0x100, 0x200, 0x300, 0x380, 0x400, 0x480, 0x500, 0x600, 0x700, 0x800, 0x900, 0x980, 0xa00, 0xb00, 0xc00, 0xd00, 0xe00, 0xe20, 0xe40, 0xe60, 0xe80, 0xea0, 0xf00, 0xf20, 0xf40, 0xf60, 0xf80
    vector  \address
.endr
.org vector_block + 0x1000
# Saves everything, goes to real mode, calls `trap`, restores everything and returns.
vector_common:
    std     %r11, {pc_gpr} + 8 * 11(%r13)
    std     %r12, {pc_vector}(%r13)
    mfmsr   %r11
    std     %r11, {pc_msr}(%r13)
    # With AIL this runs translated at 0xC..4000; real mode ignores the upper bits.
    li      %r12, {msr_ir_dr}
    andc    %r11, %r11, %r12
    mfsrr0  %r12
    std     %r12, {pc_srr0}(%r13)
    mfsrr1  %r12
    std     %r12, {pc_srr1}(%r13)
    mtmsrd  %r11
    isync
.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    std     %r\n, {pc_gpr} + 8 * \n(%r13)
.endr
    mfsprg  %r11, 1
    std     %r11, {pc_gpr} + 8 * 13(%r13)
    mfdar   %r11
    std     %r11, {pc_dar}(%r13)
    mfdsisr %r11
    std     %r11, {pc_dsisr}(%r13)
    mfcr    %r11
    std     %r11, {pc_cr}(%r13)
    mflr    %r11
    std     %r11, {pc_lr}(%r13)
    mfctr   %r11
    std     %r11, {pc_ctr}(%r13)
    mfxer   %r11
    std     %r11, {pc_xer}(%r13)
    ld      %r1, {pc_trap_stack}(%r13)
    li      %r0, 0
    stdu    %r0, -64(%r1)
    mr      %r3, %r13
    lis     %r12, {trap}@ha
    addi    %r12, %r12, {trap}@l
    mtctr   %r12
    bctrl
    mfsprg  %r13, 3
    ld      %r11, {pc_cr}(%r13)
    mtcr    %r11
    ld      %r11, {pc_lr}(%r13)
    mtlr    %r11
    ld      %r11, {pc_ctr}(%r13)
    mtctr   %r11
    ld      %r11, {pc_xer}(%r13)
    mtxer   %r11
    ld      %r11, {pc_srr0}(%r13)
    mtsrr0  %r11
    ld      %r11, {pc_srr1}(%r13)
    mtsrr1  %r11
.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld      %r\n, {pc_gpr} + 8 * \n(%r13)
.endr
    ld      %r13, {pc_gpr} + 8 * 13(%r13)
    rfid
.global vector_block_end
vector_block_end:
