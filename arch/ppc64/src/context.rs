//! All registers of a virtual processor while it does not run.
//!
//! Source of the list: Power ISA 2.07 Book III-S and `hv-mode` practice: everything that a
//! partition can read or write and that a thread has only once. Transactional memory's are not there:
//! no partition has the facility (HFSCR), so none has a value in them. The time base itself is the
//! machine's: no partition has an offset of its own yet.
#![expect(unsafe_code, reason = "special registers of the guest")]

use crate::slb::Slb;
use crate::spr::timebase;
use crate::{mfspr, mtspr};
use core::mem::offset_of;

/// The registers that every exit from a guest saves; the vectors know this layout.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct Regs {
    /// r0 to r31.
    pub gpr: [u64; 32],
    /// The next instruction.
    pub pc: u64,
    /// The machine state register.
    pub msr: u64,
    /// The link register.
    pub lr: u64,
    /// The count register.
    pub ctr: u64,
    /// The condition register, in the low 32 bits.
    pub cr: u64,
    /// The fixed-point exception register.
    pub xer: u64,
}

impl Regs {
    /// All zero.
    pub const ZERO: Self = Self {
        gpr: [0; 32],
        pc: 0,
        msr: 0,
        lr: 0,
        ctr: 0,
        cr: 0,
        xer: 0,
    };
}

/// Floating point, vector and vector-scalar state.
#[repr(C, align(16))]
#[derive(Clone, Debug)]
pub struct FpRegs {
    /// VSR 0 to 63; the first half of 0 to 31 are the floating point registers, 32 to 63 the vector
    /// registers.
    pub vsr: [[u64; 2]; 64],
    /// The vector status and control register, as stored by `stvx`.
    pub vscr: [u64; 2],
    /// The floating point status and control register.
    pub fpscr: u64,
    reserved: u64,
}

impl FpRegs {
    /// All zero.
    pub const ZERO: Self = Self {
        vsr: [[0; 2]; 64],
        vscr: [0; 2],
        fpscr: 0,
        reserved: 0,
    };
}

macro_rules! sprs {
    ($($(#[$doc:meta])* $field:ident = $name:ident;)*) => {
        /// The special purpose registers that belong to the partition.
        #[derive(Clone, Debug, Default)]
        pub struct Sprs {
            $($(#[$doc])* pub $field: u64,)*
        }
        impl Sprs {
            /// Reads them all from the thread.
            pub fn save(&mut self) {
                $(self.$field = mfspr!($name);)*
            }
            /// Writes them all to the thread.
            ///
            /// # Safety
            /// 1. The thread is in hypervisor real mode and about to enter the partition.
            pub unsafe fn load(&self) {
                $(
                    // SAFETY: none of these registers affects hypervisor real mode.
                    unsafe { mtspr!($name, self.$field) };
                )*
            }
        }
    };
}

sprs! {
    /// Data stream control.
    dscr = DSCR;
    /// Data storage interrupt status.
    dsisr = DSISR;
    /// Data address.
    dar = DAR;
    /// Save/restore 0.
    srr0 = SRR0;
    /// Save/restore 1.
    srr1 = SRR1;
    /// Come-from address.
    cfar = CFAR;
    /// Authority mask.
    amr = AMR;
    /// Instruction authority mask.
    iamr = IAMR;
    /// User authority mask override.
    uamor = UAMOR;
    /// Available coprocessors.
    acop = ACOP;
    /// Process id.
    pid = PID;
    /// Facility status and control.
    fscr = FSCR;
    /// Problem state priority boost.
    pspb = PSPB;
    /// Vector registers in use.
    vrsave = VRSAVE;
    /// Software register 0.
    sprg0 = SPRG0;
    /// Software register 1.
    sprg1 = SPRG1;
    /// Software register 2.
    sprg2 = SPRG2;
    /// Software register 3.
    sprg3 = SPRG3;
    /// Event-based branch handler.
    ebbhr = EBBHR;
    /// Event-based branch return.
    ebbrr = EBBRR;
    /// Branch event status and control.
    bescr = BESCR;
    /// Target address.
    tar = TAR;
    /// Program priority.
    ppr = PPR;
    /// Workload optimisation.
    wort = WORT;
    /// Data address watchpoint.
    dawr = DAWR;
    /// Data address watchpoint extension.
    dawrx = DAWRX;
    /// Completed instruction breakpoint.
    ciabr = CIABR;
    /// Directed privileged doorbells pending.
    dpdes = DPDES;
    /// Processor utilisation: time that the partition had the thread.
    purr = PURR;
    /// The same, scaled by the clock.
    spurr = SPURR;
    /// Virtual time base: as the time base, while the partition runs.
    vtb = VTB;
    /// Instructions completed.
    ic = IC;
    /// Performance monitor control 2.
    mmcr2 = MMCR2;
    /// Performance monitor control A.
    mmcra = MMCRA;
    /// Performance monitor control 1.
    mmcr1 = MMCR1;
    /// Sampled instruction event.
    sier = SIER;
    /// Sampled instruction address.
    siar = SIAR;
    /// Sampled data address.
    sdar = SDAR;
    /// Performance counter 1.
    pmc1 = PMC1;
    /// Performance counter 2.
    pmc2 = PMC2;
    /// Performance counter 3.
    pmc3 = PMC3;
    /// Performance counter 4.
    pmc4 = PMC4;
    /// Performance counter 5.
    pmc5 = PMC5;
    /// Performance counter 6.
    pmc6 = PMC6;
    /// Performance monitor control 0: last, as it may start the counters.
    mmcr0 = MMCR0;
}

/// A virtual processor's registers.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct GuestContext {
    /// What every exit saves.
    pub regs: Regs,
    /// Floating point and vectors.
    pub fp: FpRegs,
    /// Special registers.
    pub sprs: Sprs,
    /// The run latch (CTRL), whose read and write numbers differ.
    pub ctrl: u64,
    /// When the decrementer expires, in time base ticks.
    pub dec_expiry: u64,
    /// Segment lookaside buffer.
    pub slb: Slb,
}

/// Offsets that the assembly uses.
pub(crate) mod offset {
    use super::{FpRegs, GuestContext, Regs, offset_of};
    pub(crate) const PC: usize = offset_of!(Regs, pc);
    pub(crate) const MSR: usize = offset_of!(Regs, msr);
    pub(crate) const LR: usize = offset_of!(Regs, lr);
    pub(crate) const CTR: usize = offset_of!(Regs, ctr);
    pub(crate) const CR: usize = offset_of!(Regs, cr);
    pub(crate) const XER: usize = offset_of!(Regs, xer);
    pub(crate) const VSCR: usize = offset_of!(FpRegs, vscr);
    pub(crate) const FPSCR: usize = offset_of!(FpRegs, fpscr);
    const _: () = assert!(offset_of!(GuestContext, regs) == 0 && offset_of!(Regs, gpr) == 0);
}

impl GuestContext {
    /// Makes the context of a processor that begins at `pc` with `msr`, everything else zero.
    #[must_use]
    pub fn new(pc: u64, msr: u64) -> Self {
        let mut context = Self {
            regs: Regs::ZERO,
            fp: FpRegs::ZERO,
            sprs: Sprs::default(),
            ctrl: 0,
            dec_expiry: timebase().wrapping_add(0x7fff_ffff),
            slb: Slb::EMPTY,
        };
        context.regs.pc = pc;
        context.regs.msr = msr;
        context
    }

    /// Saves what [`crate::guest::enter`] does not: special registers, run latch, decrementer, SLB,
    /// floating point.
    pub fn save(&mut self) {
        self.sprs.save();
        self.ctrl = mfspr!(CTRL_READ);
        // The decrementer counts down 32 bits, signed, at the rate of the time base.
        let left = mfspr!(DEC) as u32 as i32;
        self.dec_expiry = timebase().wrapping_add_signed(i64::from(left));
        self.slb.save();
        crate::fp::save(&mut self.fp);
    }

    /// Loads what [`GuestContext::save`] saved.
    ///
    /// # Safety
    /// 1. The thread is in hypervisor real mode and about to enter this partition.
    pub unsafe fn load(&self) {
        // SAFETY: the duty of this function.
        unsafe { self.sprs.load() };
        // SAFETY: the run latch only feeds performance monitoring.
        unsafe { mtspr!(CTRL, self.ctrl) };
        let left = self.dec_expiry.wrapping_sub(timebase()) as i64;
        let left = left.clamp(i64::from(i32::MIN), i64::from(i32::MAX));
        // SAFETY: the decrementer interrupts only with MSR[EE] = 1, which the hypervisor never sets.
        unsafe { mtspr!(DEC, left as u64) };
        self.slb.load();
        crate::fp::load(&self.fp);
    }
}
