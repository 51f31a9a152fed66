# What the machine starts: the image's first bytes, and the entry of every thread.

.section .head, "ax"
.global boot_head
boot_head:
    .ascii  "BULKHEAD"
    .quad   0

# Entry of all threads at once, at 0x10.
#   in   r3 = real address of the flattened device tree; MSR SF = 1, HV = 1, EE = IR = DR = ME = 0
# Also where secondary threads of a machine that starts them one by one come in, at 0x60.
    b       boot_entry
    .org    0x60
    b       boot_entry

.text
.global boot_entry
boot_entry:
    mr      %r31, %r3
    # A machine check with ME = 0 would stop the whole machine; the vectors are in place. mtmsrd cannot set
    # ME (Power ISA 2.07, Book III-S 4.4.3.2), a return from interrupt can.
    mfmsr   %r4
    ori     %r4, %r4, {msr_me_ri}
    mtspr   {HSRR1}, %r4
    lis     %r5, 0f@ha
    addi    %r5, %r5, 0f@l
    mtspr   {HSRR0}, %r5
    hrfid
0:
    # Which thread is this? The first to come boots.
    lis     %r5, boot_ticket@ha
    addi    %r5, %r5, boot_ticket@l
1:  ldarx   %r6, 0, %r5
    addi    %r7, %r6, 1
    stdcx.  %r7, 0, %r5
    bne-    1b
    isync
    cmpldi  %r6, {max_threads}
    bge-    park
    # Its area: even before it has a stack, a fault in it is caught (and stops it, as no handler is set).
    lis     %r13, {cpus}@ha
    addi    %r13, %r13, {cpus}@l
    mulli   %r7, %r6, {cpu_bytes}
    add     %r13, %r13, %r7
    mtspr   {HSPRG0}, %r13
    # Who has come: the thread that boots assigns work by processor identification.
    lis     %r7, boot_pirs@ha
    addi    %r7, %r7, boot_pirs@l
    sldi    %r8, %r6, 3
    mfspr   %r0, {PIR}
    stdx    %r0, %r7, %r8
    cmpldi  %r6, 0
    bne     secondary

    # The thread that boots: .bss, stack, TOC, Rust.
    lis     %r4, __bss_start@ha
    addi    %r4, %r4, __bss_start@l
    lis     %r5, __bss_end@ha
    addi    %r5, %r5, __bss_end@l
    li      %r0, 0
2:  cmpld   %r4, %r5
    bge     3f
    std     %r0, 0(%r4)
    addi    %r4, %r4, 8
    b       2b
3:  bl      boot_stack
    # Booting takes more stack than running a guest.
    lis     %r1, {boot_stack}@ha
    addi    %r1, %r1, {boot_stack}@l
    lis     %r8, {boot_stack_high}
    ori     %r8, %r8, {boot_stack_low}
    add     %r1, %r1, %r8
    li      %r0, 0
    stdu    %r0, -112(%r1)
    mr      %r3, %r31
    mr      %r4, %r13
    bl      {main}
    b       park

# The others wait until the first has set up what they need.
secondary:
    lis     %r5, boot_released@ha
    addi    %r5, %r5, boot_released@l
4:  or      31, 31, 31
    ld      %r7, 0(%r5)
    cmpdi   %r7, 0
    beq     4b
    or      2, 2, 2
    isync
    bl      boot_stack
    mr      %r3, %r13
    mr      %r4, %r6
    bl      {secondary}
park:
    or      31, 31, 31
    b       park

# Gives thread r6 (PerCpu in r13) its number, its stacks and the TOC.
boot_stack:
    std     %r6, {INDEX}(%r13)
    addi    %r7, %r6, 1
    lis     %r1, {stacks}@ha
    addi    %r1, %r1, {stacks}@l
    li      %r8, {stack_bytes} / 16
    mulld   %r8, %r8, %r7
    sldi    %r8, %r8, 4
    add     %r1, %r1, %r8
    # The top {emergency_bytes} are for interrupts that hit the hypervisor.
    li      %r0, 0
    stdu    %r0, -112(%r1)
    std     %r1, {EMERGENCY_SP}(%r13)
    addi    %r1, %r1, -{emergency_bytes}
    std     %r0, 0(%r1)
    std     %r0, 16(%r1)
    lis     %r2, .TOC.@ha
    addi    %r2, %r2, .TOC.@l
    blr

.data
.balign 8
boot_ticket:
    .quad   0
.global boot_released
boot_released:
    .quad   0
.global boot_pirs
boot_pirs:
    .rept {max_threads}
    .quad   -1
    .endr
