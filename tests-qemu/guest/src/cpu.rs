//! The processor: its special registers, its area for the vectors, its stacks.
//!
//! [`PerCpu`] is what `entry.S` works on; `trap` decides what an interrupt means.
#![expect(unsafe_code, reason = "special registers and assembly entry points")]

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::mem::offset_of;

/// MSR[EE]: external and decrementer interrupts are taken.
pub(crate) const MSR_EE: u64 = 1 << 15;
/// MSR[PR]: problem state.
pub(crate) const MSR_PR: u64 = 1 << 14;
/// MSR[IR] and MSR[DR]: translation of instructions and of data.
pub(crate) const MSR_IR_DR: u64 = 0x30;
/// Timebase ticks in a millisecond (512 MHz).
pub(crate) const TICKS_PER_MS: u64 = 512_000;
/// How long anything may take that must come: a busy host makes everything late.
pub(crate) const PATIENCE: u64 = 30_000 * TICKS_PER_MS;
/// How many processors the payload has areas for.
pub(crate) const MAX_CPUS: usize = 4;
/// The decrementer's largest value, some 4 s away.
pub(crate) const DEC_FAR: u64 = 0x7fff_ffff;
/// Real addresses where the vectors are: as they are with AIL 0, 3 and 2.
const VECTOR_BASES: [u64; 3] = [0, 0x4000, 0x1_8000];

/// What the vectors of one processor save and need.
#[repr(C)]
pub(crate) struct PerCpu {
    pub(crate) gpr: [u64; 32],
    pub(crate) srr0: u64,
    pub(crate) srr1: u64,
    pub(crate) dar: u64,
    pub(crate) dsisr: u64,
    cr: u64,
    pub(crate) lr: u64,
    ctr: u64,
    xer: u64,
    /// The vector's offset, such as 0x500.
    pub(crate) vector: u64,
    /// The MSR when the vector began.
    pub(crate) msr: u64,
    stack: *const u8,
    trap_stack: *const u8,
    /// 0 is the processor that booted.
    pub(crate) number: usize,
}

struct Areas(UnsafeCell<[PerCpu; MAX_CPUS]>);
// SAFETY: each processor reaches its own element alone, by SPRG3.
unsafe impl Sync for Areas {}

const STACK_BYTES: usize = 0x8000;
#[repr(C, align(4096))]
struct Stacks(UnsafeCell<[[u8; STACK_BYTES]; 2 * MAX_CPUS]>);
// SAFETY: reached through stack pointers only, each processor in parts of its own.
unsafe impl Sync for Stacks {}

static STACKS: Stacks = Stacks(UnsafeCell::new([[0; STACK_BYTES]; 2 * MAX_CPUS]));
static AREAS: Areas = Areas(UnsafeCell::new([area(0), area(1), area(2), area(3)]));

const fn area(number: usize) -> PerCpu {
    let top = (&raw const STACKS)
        .cast::<u8>()
        .wrapping_add((2 * number + 1) * STACK_BYTES);
    PerCpu {
        gpr: [0; 32],
        srr0: 0,
        srr1: 0,
        dar: 0,
        dsisr: 0,
        cr: 0,
        lr: 0,
        ctr: 0,
        xer: 0,
        vector: 0,
        msr: 0,
        stack: top,
        trap_stack: top.wrapping_add(STACK_BYTES),
        number,
    }
}

global_asm!(
    include_str!("entry.S"),
    percpu = sym AREAS,
    main = sym crate::rust_main,
    secondary = sym crate::smp::secondary_main,
    trap = sym crate::trap::trap,
    msr_ir_dr = const MSR_IR_DR,
    pc_gpr = const offset_of!(PerCpu, gpr),
    pc_srr0 = const offset_of!(PerCpu, srr0),
    pc_srr1 = const offset_of!(PerCpu, srr1),
    pc_dar = const offset_of!(PerCpu, dar),
    pc_dsisr = const offset_of!(PerCpu, dsisr),
    pc_cr = const offset_of!(PerCpu, cr),
    pc_lr = const offset_of!(PerCpu, lr),
    pc_ctr = const offset_of!(PerCpu, ctr),
    pc_xer = const offset_of!(PerCpu, xer),
    pc_vector = const offset_of!(PerCpu, vector),
    pc_msr = const offset_of!(PerCpu, msr),
    pc_stack = const offset_of!(PerCpu, stack),
    pc_trap_stack = const offset_of!(PerCpu, trap_stack),
);

unsafe extern "C" {
    static vector_block: u8;
    static vector_block_end: u8;
    static guest_secondary_entry: u8;
    static guest_end: u8;
}

/// Copies the vectors to where interrupts go.
pub(crate) fn install_vectors() {
    let from = &raw const vector_block;
    let bytes = (&raw const vector_block_end).addr() - from.addr();
    for base in VECTOR_BASES {
        let to = core::ptr::with_exposed_provenance_mut::<u8>(
            usize::try_from(base).unwrap_or(0) + 0x100,
        );
        // SAFETY: real memory below 1 MiB is the payload's own and holds nothing but the vectors;
        // the first 0x100 bytes, which hold no vector, are left out (address 0 is no valid pointer).
        unsafe { core::ptr::copy_nonoverlapping(from.add(0x100), to, bytes - 0x100) };
    }
    sync_instructions(from.addr() as u64);
}

/// Lets other threads run before this one goes on: QEMU takes the lowest priority as a turn given away.
pub(crate) fn give_way() {
    // SAFETY: priority hints.
    unsafe { asm!("or 31,31,31", "or 2,2,2", options(nostack, nomem)) }
}

/// Makes stores to instructions visible to their fetching. POWER8 snoops, so one `icbi` does.
pub(crate) fn sync_instructions(address: u64) {
    // SAFETY: orders and invalidates, and changes nothing.
    unsafe {
        asm!("sync", "icbi 0, {0}", "sync", "isync", in(reg_nonzero) address, options(nostack))
    };
}

/// First real address past the payload, a multiple of 64 KiB.
pub(crate) fn image_end() -> u64 {
    (&raw const guest_end).addr() as u64
}

/// What start-cpu takes for processor `number`: the entry address and the value of r3.
pub(crate) fn secondary_start(number: usize) -> (u64, u64) {
    let r3 = AREAS.0.get().cast::<PerCpu>().wrapping_add(number).addr();
    ((&raw const guest_secondary_entry).addr() as u64, r3 as u64)
}

/// The number of the processor that asks.
pub(crate) fn this_cpu() -> usize {
    let area: *const PerCpu;
    // SAFETY: SPRG3 holds the address of this processor's area since its entry.
    unsafe { asm!("mfsprg {}, 3", out(reg) area, options(nomem, nostack)) };
    // SAFETY: the area lives for ever and its number never changes.
    unsafe { (*area).number }
}

macro_rules! read_register {
    ($(#[$doc:meta])* $name:ident, $instruction:literal) => {
        $(#[$doc])*
        pub(crate) fn $name() -> u64 {
            let value: u64;
            // SAFETY: reads a register; memory and flags stay as they are.
            unsafe { asm!($instruction, out(reg) value, options(nomem, nostack)) };
            value
        }
    };
}
read_register!(/// The timebase, in ticks of 1/512 us.
    timebase, "mftb {}");
read_register!(/// The time that this processor had a thread, ticks.
    purr, "mfspr {}, 309");
read_register!(/// The machine state register.
    msr, "mfmsr {}");
read_register!(/// SPRG0.
    sprg0, "mfsprg {}, 0");
read_register!(/// SPRG2.
    sprg2, "mfsprg {}, 2");

/// Sets the decrementer, in timebase ticks, at most [`DEC_FAR`].
pub(crate) fn set_dec(ticks: u64) {
    // SAFETY: an expired decrementer is taken by `trap`.
    unsafe { asm!("mtdec {}", in(reg) ticks, options(nomem, nostack)) };
}

/// Opens or closes MSR[EE] to external and decrementer interrupts.
pub(crate) fn set_ee(ee: u64) {
    // SAFETY: changes EE and RI alone; the vectors are in place. Interrupts may write statics, hence no `nomem`.
    unsafe { asm!("mtmsrd {}, 1", in(reg) ee & MSR_EE, options(nostack)) };
}

/// Writes the whole MSR.
///
/// # Safety
/// 1. The code and data of the payload stay reachable under the new MSR, at the same addresses.
pub(crate) unsafe fn set_msr(value: u64) {
    // SAFETY: duty 1.
    unsafe { asm!("mtmsrd {}", "isync", in(reg) value, options(nostack)) };
}

/// Executes `rfid`-free waiting for `ticks` timebase ticks.
pub(crate) fn spin(ticks: u64) {
    let start = timebase();
    while timebase().wrapping_sub(start) < ticks {}
}
/// Spins until `condition` holds; whether it did before [`PATIENCE`] ran out.
pub(crate) fn until(condition: impl Fn() -> bool) -> bool {
    let start = timebase();
    while !condition() {
        if timebase() - start > PATIENCE {
            return false;
        }
    }
    true
}

/// Special registers that are the partition's: FSCR, DSCR, TAR, AMR, VRSAVE, BESCR.
pub(crate) fn partition_registers() -> [u64; 6] {
    let (a, b, c, d, e, f): (u64, u64, u64, u64, u64, u64);
    // SAFETY: reads registers.
    unsafe {
        asm!(
            "mfspr {0}, 153", "mfspr {1}, 17", "mfspr {2}, 815", "mfspr {3}, 29", "mfspr {4}, 256", "mfspr {5}, 806",
            out(reg) a, out(reg) b, out(reg) c, out(reg) d, out(reg) e, out(reg) f, options(nomem, nostack)
        );
    }
    [a, b, c, d, e, f]
}

/// Sets them.
pub(crate) fn set_partition_registers([a, b, c, d, e, f]: [u64; 6]) {
    // SAFETY: none of them matters to privileged code in real mode that uses no facility.
    unsafe {
        asm!(
            "mtspr 153, {0}", "mtspr 17, {1}", "mtspr 815, {2}", "mtspr 29, {3}", "mtspr 256, {4}", "mtspr 806, {5}",
            in(reg) a, in(reg) b, in(reg) c, in(reg) d, in(reg) e, in(reg) f, options(nomem, nostack)
        );
    }
}
