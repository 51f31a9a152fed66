//! RTAS: the calls that a partition makes through its argument block.
//!
//! As the hcalls: one type per call, one file per function set, one table. The `/rtas` node of the
//! device tree is made from [`CALLS`]; the block itself is read and checked in `block`.
//!
//! Source: LoPAR 2.9, "RTAS Call Function Definition".

mod block;
mod cpu;
mod eeh;
mod errlog;
mod event;
mod nvram;
mod panel;
mod parameter;
mod pci;
mod power;
pub(crate) mod time;
mod xics;

use crate::hcall::Caller;
pub use block::{BlockError, Outputs, find, serve};
pub(crate) use event::EPOW_SENSOR;
pub(crate) use panel::LINE_CHARACTERS;
pub use panel::Panel;
use papr_abi::rtas::{MAX_INPUTS, Status, TOKEN_BASE};

#[cfg(test)]
mod tests;

/// The inputs of a call; those that it does not have are zero.
pub type Inputs = [u32; MAX_INPUTS];

/// Why a call failed: the status for the partition and the cause for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The status that the partition sees.
    pub status: Status,
    /// The cause, for people.
    pub cause: &'static str,
}

impl Failure {
    /// Makes a failure with `status` because of `cause`.
    #[must_use]
    pub const fn new(status: Status, cause: &'static str) -> Self {
        Self { status, cause }
    }

    const fn parameter(cause: &'static str) -> Self {
        Self::new(Status::Parameter, cause)
    }
}

/// What a call results in; the other outputs are set through [`Outputs::set`].
pub type RtasResult = Result<Status, Failure>;

/// What is known of a call besides how to serve it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its token less [`TOKEN_BASE`].
    pub index: u32,
    /// LoPAR's name, and its property in `/rtas`.
    pub name: &'static str,
    /// How many inputs it has.
    pub inputs: usize,
    /// How many of these, at the end, may be missing.
    pub optional_inputs: usize,
    /// The fewest and the most outputs, status included, that it may be called with.
    pub outputs: (usize, usize),
}

impl Row {
    const fn new(index: u32, name: &'static str, inputs: usize, outputs: usize) -> Self {
        Self {
            index,
            name,
            inputs,
            optional_inputs: 0,
            outputs: (outputs, outputs),
        }
    }

    /// The value of its property in `/rtas` and of the first cell of its argument blocks.
    #[must_use]
    pub const fn token(&self) -> u32 {
        TOKEN_BASE + self.index
    }
}

/// An RTAS call. Its doc comment is its contract.
pub trait Call: Sized {
    /// Its row in the table.
    const ROW: Row;
    /// Checks what the numbers alone can show.
    ///
    /// # Errors
    /// What the call's own contract says.
    fn decode(inputs: &Inputs) -> Result<Self, Failure>;
    /// Does it, or fails and changes nothing.
    ///
    /// # Errors
    /// What the call's own contract says.
    fn run(self, caller: &mut Caller<'_>, outputs: &mut Outputs) -> RtasResult;
}

/// A row with the code that serves it.
#[derive(Debug)]
pub struct Entry {
    /// The row.
    pub row: Row,
    /// Decodes and runs.
    pub serve: fn(&mut Caller<'_>, &Inputs, &mut Outputs) -> RtasResult,
}

const fn entry<C: Call>() -> Entry {
    Entry {
        row: C::ROW,
        serve: |caller, inputs, outputs| C::decode(inputs)?.run(caller, outputs),
    }
}

/// Every call served, by rising token.
pub static CALLS: &[Entry] = &[
    entry::<panel::DisplayCharacter>(),
    entry::<time::GetTimeOfDay>(),
    entry::<time::SetTimeOfDay>(),
    entry::<power::PowerOff>(),
    entry::<power::SystemReboot>(),
    entry::<cpu::QueryCpuStoppedState>(),
    entry::<cpu::StartCpu>(),
    entry::<cpu::StopSelf>(),
    entry::<parameter::GetSystemParameter>(),
    entry::<xics::SetXive>(),
    entry::<xics::GetXive>(),
    entry::<xics::IntOff>(),
    entry::<xics::IntOn>(),
    entry::<event::CheckException>(),
    entry::<event::EventScan>(),
    entry::<nvram::NvramFetch>(),
    entry::<nvram::NvramStore>(),
    entry::<pci::ReadPciConfig>(),
    entry::<pci::WritePciConfig>(),
    entry::<pci::QueryInterruptSourceNumber>(),
    entry::<pci::ChangeMsi>(),
    entry::<event::GetSensorState>(),
    entry::<power::OsTerm>(),
    entry::<eeh::SetEehOption>(),
    entry::<eeh::GetConfigAddrInfo2>(),
    entry::<eeh::ReadSlotResetState2>(),
    entry::<eeh::SetSlotReset>(),
    entry::<eeh::ConfigurePe>(),
    entry::<eeh::SlotErrorDetail>(),
];

#[cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "fails when compiled, if at all")
)]
const _: () = {
    let mut i = 1;
    while i < CALLS.len() {
        assert!(
            CALLS[i - 1].row.index < CALLS[i].row.index,
            "CALLS is not sorted"
        );
        i += 1;
    }
};
