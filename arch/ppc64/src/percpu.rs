//! What belongs to one thread: found through HSPRG0 by the vectors, by [`PerCpu::current`] elsewhere.
#![expect(unsafe_code, reason = "finds the thread's own area through HSPRG0")]

use crate::context::{GuestContext, Regs};
use crate::mfspr;
use core::cell::{Cell, UnsafeCell};
use core::mem::offset_of;

/// How many threads the hypervisor runs; more of them stay parked.
pub const MAX_THREADS: usize = 32;
/// Bytes of a thread's stack.
pub const STACK_BYTES: usize = 24 * 1024;
/// Bytes of the stack that the first thread boots on, besides its own.
pub const BOOT_STACK_BYTES: usize = 256 * 1024;
/// Bytes of the stack for interrupts that hit the hypervisor itself, and for machine checks.
pub const EMERGENCY_BYTES: usize = 8 * 1024;

/// What an hcall handler answers: r3 for the guest, and 0 to go on in the guest or the value that
/// [`crate::guest::enter`] is to return.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The guest's r3.
    pub r3: i64,
    /// 0 to go on.
    pub leave: u64,
}

/// Serves an hcall: thread, token (r3), and r4 to r12, which come back as the guest's outputs.
pub type HcallFn = extern "C" fn(cpu: &PerCpu, token: u64, regs: &mut [u64; 9]) -> Answer;
/// Serves any other interrupt: thread, vector, registers (the guest's, or the hypervisor's own when
/// MSR\[HV\] is set in them). Returns 0 to go on in the guest, else what `enter` is to return.
pub type ExceptionFn = extern "C" fn(cpu: &PerCpu, vector: u64, regs: &mut Regs) -> u64;

/// A thread's own data. The assembly knows the layout.
#[repr(C, align(128))]
#[derive(Debug)]
pub struct PerCpu {
    /// r12 and r11 while a vector finds its way.
    scratch: [u64; 2],
    /// The guest's r1 during an hcall.
    guest_r1: u64,
    /// The guest's r13 during an hcall.
    guest_r13: u64,
    /// Stack for handlers while a guest runs: below the frame of `enter`.
    handler_sp: u64,
    /// The stack pointer in `enter`'s frame.
    enter_sp: u64,
    /// The stack pointer in `nap`'s frame; 0 while the thread is awake.
    nap_sp: u64,
    /// 1 while a register is asked that may not answer: see the vectors.
    probing: u64,
    /// The top of the emergency stack.
    emergency_sp: u64,
    hcall: Cell<Option<HcallFn>>,
    exception: Cell<Option<ExceptionFn>>,
    /// The context of the virtual processor that runs.
    context: Cell<u64>,
    /// The hypervisor's own registers when an interrupt hit it.
    crash: UnsafeCell<Regs>,
    /// The number of the thread: 0 is the one that booted.
    pub index: u64,
    /// What the `hypervisor` crate keeps for the thread: an address, 0 for none.
    pub owner_data: Cell<u64>,
}

/// Offsets that the assembly uses.
pub mod offset {
    #![expect(missing_docs, reason = "named after the fields")]
    use super::{PerCpu, offset_of};
    pub const SCRATCH: usize = offset_of!(PerCpu, scratch);
    pub const GUEST_R1: usize = offset_of!(PerCpu, guest_r1);
    pub const GUEST_R13: usize = offset_of!(PerCpu, guest_r13);
    pub const HANDLER_SP: usize = offset_of!(PerCpu, handler_sp);
    pub const ENTER_SP: usize = offset_of!(PerCpu, enter_sp);
    pub const NAP_SP: usize = offset_of!(PerCpu, nap_sp);
    pub const PROBING: usize = offset_of!(PerCpu, probing);
    pub const EMERGENCY_SP: usize = offset_of!(PerCpu, emergency_sp);
    pub const HCALL: usize = offset_of!(PerCpu, hcall);
    pub const EXCEPTION: usize = offset_of!(PerCpu, exception);
    pub const CONTEXT: usize = offset_of!(PerCpu, context);
    pub const CRASH: usize = offset_of!(PerCpu, crash);
    pub const INDEX: usize = offset_of!(PerCpu, index);
}

impl PerCpu {
    /// Zero, as in `.bss`.
    pub const ZERO: Self = Self {
        scratch: [0; 2],
        guest_r1: 0,
        guest_r13: 0,
        handler_sp: 0,
        enter_sp: 0,
        nap_sp: 0,
        probing: 0,
        emergency_sp: 0,
        hcall: Cell::new(None),
        exception: Cell::new(None),
        context: Cell::new(0),
        crash: UnsafeCell::new(Regs::ZERO),
        index: 0,
        owner_data: Cell::new(0),
    };

    /// Returns the calling thread's area.
    #[must_use]
    #[inline]
    pub fn current() -> &'static PerCpu {
        let address = mfspr!(HSPRG0);
        // SAFETY: the boot code points HSPRG0 at the thread's own `PerCpu` before any Rust code runs
        // and nothing changes it.
        unsafe { &*(address as *const PerCpu) }
    }

    /// Names the handlers of this thread's interrupts. Until then any interrupt stops the thread.
    pub fn set_handlers(&self, hcall: HcallFn, exception: ExceptionFn) {
        self.hcall.set(Some(hcall));
        self.exception.set(Some(exception));
    }

    /// Says which context [`crate::guest::enter`] runs.
    pub(crate) fn set_context(&self, context: *mut GuestContext) {
        self.context.set(context as u64);
    }
}
