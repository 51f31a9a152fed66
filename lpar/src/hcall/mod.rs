//! Every hcall: one type per hcall, one file per LoPAR function set, one table.
//!
//! [`serve`] finds the row of a token and runs it. Dispatch, trace names, `docs/hcalls.md` and
//! `ibm,hypertas-functions` all come from [`HCALLS`].

pub mod cpu;
pub mod dispatch;
mod doc;
pub mod hpt;
pub mod llan;
pub mod memory;
pub mod mode;
pub mod rtas;
pub mod tce;
pub mod term;
pub mod xics;

pub use doc::{Markdown, function_sets};

use crate::{HResult, Lpar, Refusal, Vcpu};
use papr_abi::HError;

/// The arguments r4 to r12, and after the call the outputs in the same registers.
pub type Args = [u64; 9];

/// LoPAR's classes of hcalls by how soon they must return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// On the path of every I/O or interrupt: bounded, no lock that another partition can hold long.
    Critical,
    /// Everything else.
    Normal,
}

/// What is known of an hcall besides how to serve it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// r3 of the call.
    pub token: u64,
    /// LoPAR's name.
    pub name: &'static str,
    /// See [`Class`].
    pub class: Class,
    /// The string of `ibm,hypertas-functions` that announces it; empty when none does.
    pub function_set: &'static str,
}

impl Row {
    /// Makes the row.
    #[must_use]
    pub const fn new(
        token: u64,
        name: &'static str,
        class: Class,
        function_set: &'static str,
    ) -> Self {
        Self {
            token,
            name,
            class,
            function_set,
        }
    }
}

/// What the calling processor does once its hcall has been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Goes on in the guest.
    Return,
    /// Looks at its attention bits, then goes on.
    Attend,
    /// Sets MSR\[EE\], then goes on (H_CEDE after an H_PROD).
    EnableInterrupts,
    /// Sets SPRG0, then goes on (H_SET_SPRG0).
    SetSprg0(u64),
    /// Waits for a prod, or when MSR\[EE\] is set for an interrupt, then goes on (H_CONFER to itself).
    AwaitProd,
    /// Sets MSR\[EE\] and waits for an interrupt or a prod, then goes on (H_CEDE).
    Cede,
    /// Gives its time away once, to whom [`Vcpu::conferee`] names, then goes on (H_CONFER).
    Yield,
    /// Takes over the partition's new interrupt modes, then goes on (H_SET_MODE).
    ReloadMode,
    /// Takes a system reset (0x100) instead of going on.
    SystemReset,
    /// Stops until start-cpu (stop-self).
    StopSelf,
    /// The whole partition starts anew (system-reboot).
    Restart,
    /// The whole partition is off (power-off).
    PowerOff,
    /// The whole partition is stopped, having crashed (ibm,os-term).
    Crashed,
}

/// The calling virtual processor and its partition.
#[derive(Debug)]
pub struct Caller<'a> {
    /// The partition, shared with its other processors.
    pub lpar: &'a Lpar,
    /// The processor that made the call.
    pub vcpu: &'a Vcpu,
    /// r4 to r12: arguments in, outputs out. Use [`Caller::out`].
    pub regs: &'a mut Args,
    /// What comes after the answer.
    pub after: After,
}

impl Caller<'_> {
    /// Sets output register r`4 + N`.
    #[inline]
    pub fn out<const N: usize>(&mut self, value: u64) {
        const { assert!(N < 9) };
        if let Some(reg) = self.regs.get_mut(N) {
            *reg = value;
        }
    }
}

/// An hcall. Its doc comment is its contract: source, arguments with register, width and unit,
/// outputs, errors in the order in which they are checked.
pub trait Hcall: Sized {
    /// Its row in the table.
    const ROW: Row;
    /// Checks what the numbers alone can show.
    ///
    /// # Errors
    /// What the hcall's own contract says.
    fn decode(args: &Args) -> Result<Self, Refusal>;
    /// Does it, or refuses and changes nothing.
    ///
    /// # Errors
    /// What the hcall's own contract says.
    fn run(self, caller: &mut Caller<'_>) -> HResult;
}

/// A row with the code that serves it.
#[derive(Debug)]
pub struct Entry {
    /// The row.
    pub row: Row,
    /// Decodes and runs.
    pub serve: fn(&mut Caller<'_>) -> HResult,
}

const fn entry<H: Hcall>() -> Entry {
    Entry {
        row: H::ROW,
        serve: |caller| H::decode(caller.regs)?.run(caller),
    }
}

/// Every hcall served, by rising token.
pub static HCALLS: &[Entry] = &[
    entry::<hpt::Remove>(),
    entry::<hpt::Enter>(),
    entry::<hpt::Read>(),
    entry::<hpt::ClearMod>(),
    entry::<hpt::ClearRef>(),
    entry::<hpt::Protect>(),
    entry::<tce::GetTce>(),
    entry::<tce::PutTce>(),
    entry::<cpu::SetSprg0>(),
    entry::<cpu::SetDabr>(),
    entry::<memory::PageInit>(),
    entry::<memory::LogicalCiLoad>(),
    entry::<memory::LogicalCiStore>(),
    entry::<memory::LogicalCacheLoad>(),
    entry::<memory::LogicalCacheStore>(),
    entry::<memory::LogicalIcbi>(),
    entry::<memory::LogicalDcbf>(),
    entry::<term::GetTermChar>(),
    entry::<term::PutTermChar>(),
    entry::<xics::Eoi>(),
    entry::<xics::Cppr>(),
    entry::<xics::Ipi>(),
    entry::<xics::Ipoll>(),
    entry::<xics::Xirr>(),
    entry::<dispatch::RegisterVpa>(),
    entry::<dispatch::Cede>(),
    entry::<dispatch::Confer>(),
    entry::<dispatch::Prod>(),
    entry::<dispatch::GetPpp>(),
    entry::<dispatch::Purr>(),
    entry::<llan::VioSignal>(),
    entry::<llan::RegisterLogicalLan>(),
    entry::<llan::FreeLogicalLan>(),
    entry::<llan::AddLogicalLanBuffer>(),
    entry::<llan::SendLogicalLan>(),
    entry::<hpt::BulkRemove>(),
    entry::<llan::MulticastCtrl>(),
    entry::<tce::StuffTce>(),
    entry::<tce::PutTceIndirect>(),
    entry::<llan::ChangeLogicalLanMac>(),
    entry::<cpu::GetCpuCharacteristics>(),
    entry::<llan::FreeLogicalLanBuffer>(),
    entry::<llan::IllanAttributes>(),
    entry::<xics::XirrX>(),
    entry::<cpu::Random>(),
    entry::<mode::SetMode>(),
    entry::<dispatch::SignalSysReset>(),
    entry::<rtas::Rtas>(),
];

#[cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "fails when compiled, if at all")
)]
const _: () = {
    let mut i = 1;
    while i < HCALLS.len() {
        assert!(
            HCALLS[i - 1].row.token < HCALLS[i].row.token,
            "HCALLS is not sorted"
        );
        i += 1;
    }
};

/// Tokens below this are found by one load; LoPAR's own all are.
const DIRECT: usize = 0x480;

/// How many rows come before those of all others.
#[cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "evaluated by the compiler")
)]
const BELOW: usize = {
    let mut below = 0;
    while below < HCALLS.len() && HCALLS[below].row.token < DIRECT as u64 {
        below += 1;
    }
    below
};

/// The tokens of all others.
#[cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "evaluated by the compiler")
)]
const OTHERS: [u64; HCALLS.len() - BELOW] = {
    let mut tokens = [0; HCALLS.len() - BELOW];
    let mut i = 0;
    while i < tokens.len() {
        tokens[i] = HCALLS[BELOW + i].row.token;
        i += 1;
    }
    tokens
};

/// For each token / 4 its row.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
static BY_TOKEN: [Option<&Entry>; DIRECT / 4] = {
    let mut table = [None; DIRECT / 4];
    let mut i = 0;
    while i < HCALLS.len() {
        let token = HCALLS[i].row.token as usize;
        assert!(token.is_multiple_of(4));
        if token < DIRECT {
            table[token / 4] = Some(&HCALLS[i]);
        }
        i += 1;
    }
    table
};

/// Finds the row of `token`.
#[must_use]
#[inline]
pub fn find(token: u64) -> Option<&'static Entry> {
    if token < DIRECT as u64 {
        if token & 3 != 0 {
            return None;
        }
        return *BY_TOKEN.get((token >> 2) as usize)?;
    }
    let other = OTHERS.iter().position(|other| *other == token)?;
    HCALLS.get(BELOW.wrapping_add(other))
}

/// Serves hcall `token` of `vcpu` of `lpar`: returns r3 and what comes after; outputs are in `regs`.
#[inline]
pub fn serve(lpar: &Lpar, vcpu: &Vcpu, token: u64, regs: &mut Args) -> (i64, After) {
    let Some(entry) = find(token) else {
        lpar.note_unknown(vcpu, token);
        return (HError::Function.code(), After::Return);
    };
    let mut caller = Caller {
        lpar,
        vcpu,
        regs,
        after: After::Return,
    };
    match (entry.serve)(&mut caller) {
        Ok(()) => (0, caller.after),
        Err(refusal) => (refused(lpar, vcpu, entry, refusal), caller.after),
    }
}

#[cold]
#[inline(never)]
fn refused(lpar: &Lpar, vcpu: &Vcpu, entry: &Entry, refusal: Refusal) -> i64 {
    if refusal.is_notable() {
        lpar.note_refusal(vcpu, entry.row.name, refusal);
        let who = (lpar.lpid, vcpu.server);
        let observer = lpar.machine.observer;
        observer.refused(who, entry.row.token, refusal.code.code());
    }
    refusal.code.code()
}
