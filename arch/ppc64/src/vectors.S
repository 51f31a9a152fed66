# Interrupt vectors, guest entry and exit.
#
# A thread's PerCpu is in HSPRG0; HSPRG1 is scratch. Interrupts that hit a guest save its registers in its
# GuestContext and call the exception handler on the stack below ppc64_enter_guest's frame. Hcalls save only
# what the ABI lets a handler change. Interrupts that hit the hypervisor itself save to PerCpu.crash, and
# their handler does not return; but for a machine check by ppc64_probe_load or _store, which is their answer.

.macro slot name, address
    .org    \address - 0x100
    .global vector_\name
vector_\name:
.endm

# An interrupt with its state in SRR0/1 or HSRR0/1 (kind = srr or hsrr). At most 8 instructions.
.macro interrupt name, address, kind
    slot    \name, \address
    mtspr   {HSPRG1}, %r13
    mfspr   %r13, {HSPRG0}
    std     %r12, {SCRATCH}(%r13)
    li      %r12, \address
    b       exception_\kind
.endm

# The frame of a function that Rust calls and that comes back another way: what the ABI has it keep.
.macro push_frame
    mflr    %r0
    std     %r0, 16(%r1)
    mfcr    %r0
    stw     %r0, 8(%r1)
    stdu    %r1, -224(%r1)
    std     %r2, 24(%r1)
    .set i, 14
    .rept 18
    std     i, 48 + (i - 14) * 8(%r1)
    .set i, i + 1
    .endr
.endm

# Its opposite, r1 being that frame; r3 is not touched.
.macro pop_frame
    .set i, 14
    .rept 18
    ld      i, 48 + (i - 14) * 8(%r1)
    .set i, i + 1
    .endr
    ld      %r2, 24(%r1)
    addi    %r1, %r1, 224
    ld      %r0, 16(%r1)
    mtlr    %r0
    lwz     %r0, 8(%r1)
    mtcrf   0x38, %r0
.endm

.section .vectors, "ax"
# System reset: also how a napping thread wakes, which SRR1 46:47 tell from a real reset.
    slot    system_reset, 0x100
    mtspr   {HSPRG1}, %r13
    mfspr   %r13, {HSPRG0}
    std     %r12, {SCRATCH}(%r13)
    mfsrr1  %r12
    rlwinm. %r12, %r12, 0, 14, 15
    li      %r12, 0x100
    beq     exception_srr
    b       ppc64_wake
    interrupt machine_check, 0x200, srr
    interrupt data_storage, 0x300, srr
    interrupt data_segment, 0x380, srr
    interrupt instruction_storage, 0x400, srr
    interrupt instruction_segment, 0x480, srr
# Comes to the hypervisor only with LPES0 = 0, and then by HSRR0 and HSRR1.
    interrupt external, 0x500, hsrr
    interrupt alignment, 0x600, srr
    interrupt program, 0x700, srr
    interrupt fp_unavailable, 0x800, srr
    interrupt decrementer, 0x900, srr
    interrupt hypervisor_decrementer, 0x980, hsrr
    interrupt directed_doorbell, 0xa00, srr
    interrupt reserved_b00, 0xb00, srr

# Hcall. Served without switching anything but the stack.
    slot    hcall, 0xc00
    mtspr   {HSPRG1}, %r13
    mfspr   %r13, {HSPRG0}
    std     %r1, {GUEST_R1}(%r13)
    ld      %r1, {HANDLER_SP}(%r13)
    std     %r2, 32(%r1)
    std     %r4, 40(%r1)
    std     %r5, 48(%r1)
    std     %r6, 56(%r1)
    std     %r7, 64(%r1)
    std     %r8, 72(%r1)
    std     %r9, 80(%r1)
    std     %r10, 88(%r1)
    std     %r11, 96(%r1)
    std     %r12, 104(%r1)
    mflr    %r0
    std     %r0, 112(%r1)
    mfspr   %r0, {HSPRG1}
    std     %r0, {GUEST_R13}(%r13)
    mfsrr1  %r0
    andi.   %r0, %r0, 0x4000
    bne-    hcall_from_problem_state
    ld      %r12, {HCALL}(%r13)
    mtctr   %r12
    mr      %r4, %r3
    mr      %r3, %r13
    addi    %r5, %r1, 40
    bctrl
    cmpdi   %r4, 0
    bne-    hcall_leaves
    # r13 is the thread's own: no Rust code changes it. What the ABI calls volatile (r0, CTR, XER, CR0, 1, 5
    # to 7) comes back as nothing that tells of the hypervisor.
    ld      %r0, 112(%r1)
    mtlr    %r0
    ld      %r2, 32(%r1)
    ld      %r4, 40(%r1)
    ld      %r5, 48(%r1)
    ld      %r6, 56(%r1)
    ld      %r7, 64(%r1)
    ld      %r8, 72(%r1)
    ld      %r9, 80(%r1)
    ld      %r10, 88(%r1)
    ld      %r11, 96(%r1)
    ld      %r12, 104(%r1)
    li      %r0, 0
    mtctr   %r0
    mtxer   %r0
    mtcrf   0xc7, %r0
    ld      %r1, {GUEST_R1}(%r13)
    ld      %r13, {GUEST_R13}(%r13)
    rfid

    interrupt trace, 0xd00, srr
    interrupt hypervisor_data_storage, 0xe00, hsrr
    interrupt hypervisor_instruction_storage, 0xe20, hsrr
    interrupt hypervisor_emulation_assistance, 0xe40, hsrr
    interrupt hypervisor_maintenance, 0xe60, hsrr
    interrupt hypervisor_doorbell, 0xe80, hsrr
    interrupt hypervisor_virtualization, 0xea0, hsrr
    interrupt performance_monitor, 0xf00, srr
    interrupt vmx_unavailable, 0xf20, srr
    interrupt vsx_unavailable, 0xf40, srr
    interrupt facility_unavailable, 0xf60, srr
    interrupt hypervisor_facility_unavailable, 0xf80, hsrr
    interrupt instruction_breakpoint, 0x1300, srr
    interrupt denormalization, 0x1500, hsrr
    interrupt maintenance, 0x1600, srr
    interrupt vmx_assist, 0x1700, srr
    interrupt thermal, 0x1800, srr
    .org    0x1900 - 0x100

.text
# The handler wants out: everything goes to the context, then back to the caller of enter.
#   in   r3 = the guest's r3, r4 = what enter returns
hcall_leaves:
    ld      %r12, {CONTEXT}(%r13)
    std     %r3, 24(%r12)
    mr      %r3, %r4
    ld      %r0, {GUEST_R1}(%r13)
    std     %r0, 8(%r12)
    ld      %r0, 32(%r1)
    std     %r0, 16(%r12)
    .set i, 0
    .rept 9
    ld      %r0, 40 + i * 8(%r1)
    std     %r0, 32 + i * 8(%r12)
    .set i, i + 1
    .endr
    ld      %r0, 112(%r1)
    std     %r0, {LR}(%r12)
    ld      %r0, {GUEST_R13}(%r13)
    std     %r0, 13 * 8(%r12)
    .set i, 14
    .rept 18
    std     i, i * 8(%r12)
    .set i, i + 1
    .endr
    li      %r0, 0
    std     %r0, 0(%r12)
    std     %r0, {CTR}(%r12)
    std     %r0, {XER}(%r12)
    mfcr    %r0
    rlwinm  %r0, %r0, 0, 8, 19
    std     %r0, {CR}(%r12)
    mfsrr0  %r0
    std     %r0, {PC}(%r12)
    mfsrr1  %r0
    std     %r0, {MSR}(%r12)
    b       leave_guest

# sc 1 in problem state: no hcall. Put back what was used and treat it as an interrupt of the guest.
hcall_from_problem_state:
    ld      %r0, 112(%r1)
    mtlr    %r0
    ld      %r1, {GUEST_R1}(%r13)
    std     %r12, {SCRATCH}(%r13)
    li      %r12, 0xc00
    # r0 is the caller's to lose at an hcall, and it made one.
    b       exception_srr

.macro save_gprs_and_state srr0, srr1
    # r11 = where to; r12 = vector; r12 and r11 are in scratch, r13 in HSPRG1
    std     %r0, 0(%r11)
    std     %r1, 8(%r11)
    .set i, 2
    .rept 9
    std     i, i * 8(%r11)
    .set i, i + 1
    .endr
    ld      %r0, {SCRATCH} + 8(%r13)
    std     %r0, 11 * 8(%r11)
    ld      %r0, {SCRATCH}(%r13)
    std     %r0, 12 * 8(%r11)
    mfspr   %r0, {HSPRG1}
    std     %r0, 13 * 8(%r11)
    .set i, 14
    .rept 18
    std     i, i * 8(%r11)
    .set i, i + 1
    .endr
    mfspr   %r0, \srr0
    std     %r0, {PC}(%r11)
    mfspr   %r0, \srr1
    std     %r0, {MSR}(%r11)
    mflr    %r0
    std     %r0, {LR}(%r11)
    mfctr   %r0
    std     %r0, {CTR}(%r11)
    mfxer   %r0
    std     %r0, {XER}(%r11)
.endm

# Any interrupt but an hcall.
#   in   r12 = vector, r13 = PerCpu; r12 in scratch, r13 in HSPRG1
.macro exception kind, srr0, srr1
exception_\kind:
    std     %r11, {SCRATCH} + 8(%r13)
    # Before anything sets the condition register: whose was it?
    mfcr    %r11
    std     %r11, {CRASH} + {CR}(%r13)
    mfspr   %r11, \srr1
    rldicl. %r11, %r11, 4, 63
    bne-    1f
    ld      %r11, {CONTEXT}(%r13)
    save_gprs_and_state \srr0, \srr1
    ld      %r0, {CRASH} + {CR}(%r13)
    std     %r0, {CR}(%r11)
    ld      %r1, {HANDLER_SP}(%r13)
    b       call_exception
1:
    .ifc \kind, srr
    cmpdi   %r12, 0x200
    beq     machine_check_here
    .endif
crash_\kind:
    addi    %r11, %r13, {CRASH}
    save_gprs_and_state \srr0, \srr1
    ld      %r1, {EMERGENCY_SP}(%r13)
    b       call_exception
.endm
    exception srr, 26, 27
    exception hsrr, {HSRR0}, {HSRR1}

# A machine check of the hypervisor's own. If it is a probe's, the probe goes on where it has failed.
#   in   as of exception; r7 to r10 are the probe's
machine_check_here:
    ld      %r11, {PROBING}(%r13)
    cmpdi   %r11, 0
    beq     crash_srr
    # SRR1 42: a load or store caused it.
    mfsrr1  %r11
    andis.  %r11, %r11, 0x20
    beq     crash_srr
    mflr    %r0
    bcl     20, 31, 1f
1:  mflr    %r11
    mtlr    %r0
    addi    %r11, %r11, probe_failed - 1b
    mtsrr0  %r11
    mtsrr1  %r9
    mfspr   %r13, {HSPRG1}
    rfid

# Registers of devices that may not answer, real address r4, 1, 2, 4 or 8 bytes (r5). A machine check takes SRR0
# and SRR1, by which an hcall returns: they are kept.
#   u64 ppc64_probe_load(PerCpu *, u64 address, u64 bytes): the value, all ones if nothing answers.
#   void ppc64_probe_store(PerCpu *, u64 address, u64 bytes, u64 value): nothing is stored if nothing answers.
.macro probe_begin
    mr      %r10, %r3
    mfsrr0  %r7
    mfsrr1  %r8
    mfmsr   %r9
    li      %r0, 1
    std     %r0, {PROBING}(%r10)
    cmpdi   %cr0, %r5, 4
    cmpdi   %cr1, %r5, 1
.endm

.global ppc64_probe_load
.type ppc64_probe_load, @function
ppc64_probe_load:
    probe_begin
    beq     %cr0, 4f
    bgt     %cr0, 8f
    beq     %cr1, 1f
    lhzcix  %r3, 0, %r4
    b       9f
1:  lbzcix  %r3, 0, %r4
    b       9f
4:  lwzcix  %r3, 0, %r4
    b       9f
8:  ldcix   %r3, 0, %r4
    # The load has come, or its machine check, before anything after this.
9:  twi     0, %r3, 0
    isync
    b       probe_done

.global ppc64_probe_store
.type ppc64_probe_store, @function
ppc64_probe_store:
    probe_begin
    beq     %cr0, 4f
    bgt     %cr0, 8f
    beq     %cr1, 1f
    sthcix  %r6, 0, %r4
    b       9f
1:  stbcix  %r6, 0, %r4
    b       9f
4:  stwcix  %r6, 0, %r4
    b       9f
8:  stdcix  %r6, 0, %r4
9:  sync
    b       probe_done

probe_failed:
    mtsrr0  %r7
    mtsrr1  %r8
    li      %r3, -1
probe_done:
    li      %r0, 0
    std     %r0, {PROBING}(%r10)
    blr

call_exception:
    mr      %r3, %r13
    mr      %r4, %r12
    mr      %r5, %r11
    ld      %r12, {EXCEPTION}(%r13)
    cmpdi   %r12, 0
    beq     .
    mtctr   %r12
    bctrl
    cmpdi   %r3, 0
    beq     resume_guest

# Back to the caller of ppc64_enter_guest with r3.
leave_guest:
    ld      %r1, {ENTER_SP}(%r13)
    pop_frame
    blr

# u64 ppc64_enter_guest(PerCpu *): runs PerCpu.context.
.global ppc64_enter_guest
.type ppc64_enter_guest, @function
ppc64_enter_guest:
    push_frame
    mr      %r13, %r3
    std     %r1, {ENTER_SP}(%r13)
    # Handlers get a frame of 144 bytes below, with a back chain to here.
    stdu    %r1, -144(%r1)
    std     %r1, {HANDLER_SP}(%r13)
# Loads the guest from its context and goes there.
resume_guest:
    ld      %r12, {CONTEXT}(%r13)
    ld      %r0, {PC}(%r12)
    mtspr   {HSRR0}, %r0
    ld      %r0, {MSR}(%r12)
    mtspr   {HSRR1}, %r0
    ld      %r0, {LR}(%r12)
    mtlr    %r0
    ld      %r0, {CTR}(%r12)
    mtctr   %r0
    ld      %r0, {XER}(%r12)
    mtxer   %r0
    ld      %r0, {CR}(%r12)
    mtcrf   0xff, %r0
    .set i, 0
    .rept 12
    ld      i, i * 8(%r12)
    .set i, i + 1
    .endr
    .set i, 13
    .rept 19
    ld      i, i * 8(%r12)
    .set i, i + 1
    .endr
    ld      %r12, 12 * 8(%r12)
    hrfid
.size ppc64_enter_guest, . - ppc64_enter_guest

# u64 ppc64_nap(PerCpu *): sleeps, returns SRR1 of the wake-up. Nap may lose everything but hypervisor
# special registers, so what Rust counts on is on the stack.
.global ppc64_nap
.type ppc64_nap, @function
ppc64_nap:
    push_frame
    # The order is the architecture's: all stores done before the thread sleeps.
    std     %r1, {NAP_SP}(%r3)
    ptesync
    ld      %r0, {NAP_SP}(%r3)
1:  cmpd    %r0, %r0
    bne     1b
    nap
    b       .
# A wake-up: r12, r13 as a vector left them; nothing else can be trusted.
ppc64_wake:
    ld      %r1, {NAP_SP}(%r13)
    cmpdi   %r1, 0
    beq     exception_srr
    li      %r0, 0
    std     %r0, {NAP_SP}(%r13)
    mfsrr1  %r3
    pop_frame
    # The wake-up cleared MSR[RI]; a machine check may return again from here on.
    li      %r0, 2
    mtmsrd  %r0, 1
    blr
.size ppc64_nap, . - ppc64_nap
