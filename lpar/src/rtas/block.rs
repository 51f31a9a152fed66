//! The argument block: found, bounded and read once before anything is done.

use super::{CALLS, Entry, Failure, Inputs};
use crate::hcall::Caller;
use crate::{GuestRam, OutsideRam};
use papr_abi::GuestRealAddr;
use papr_abi::rtas::{HEADER_CELLS, MAX_INPUTS, MAX_OUTPUTS, Status};

/// Why a block was not even looked into; no status can be stored then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockError {
    /// It is not aligned, or not all in the partition's memory.
    Place,
    /// It has more inputs or outputs than any call, or no output.
    Shape,
}

impl From<OutsideRam> for BlockError {
    fn from(OutsideRam: OutsideRam) -> Self {
        Self::Place
    }
}

/// The outputs of a call after its status.
#[derive(Debug)]
pub struct Outputs {
    asked: usize,
    cells: [u32; MAX_OUTPUTS - 1],
}

impl Outputs {
    /// Returns how many outputs the caller has room for, status included.
    #[must_use]
    pub const fn asked(&self) -> usize {
        self.asked
    }

    /// Sets the `N`th output, counted from 1 as the status is output 0.
    pub fn set<const N: usize>(&mut self, value: u32) {
        const { assert!(N > 0 && N < MAX_OUTPUTS) };
        if let Some(cell) = self.cells.get_mut(N - 1) {
            *cell = value;
        }
    }
}

fn cell(block: GuestRealAddr, index: u64) -> Result<GuestRealAddr, OutsideRam> {
    let offset = index.checked_mul(4).ok_or(OutsideRam)?;
    block
        .0
        .checked_add(offset)
        .map(GuestRealAddr)
        .ok_or(OutsideRam)
}

fn load(ram: &GuestRam, block: GuestRealAddr, index: u64) -> Result<u32, OutsideRam> {
    Ok(ram.load(cell(block, index)?, 4)? as u32)
}

/// Serves the RTAS call whose argument block is at `block`: stores its outputs and status there, and
/// sets `caller.after`. A call that does not exist, or has another number of inputs or outputs, gets
/// status -3.
///
/// The partition may change the block all the time: every cell is read at most once, and outputs
/// go where the header that was read says.
///
/// # Errors
/// See [`BlockError`]; nothing is then done or stored.
pub fn serve(caller: &mut Caller<'_>, block: GuestRealAddr) -> Result<(), BlockError> {
    let machine = &caller.lpar.machine;
    let since = machine.clock.timebase();
    let ram = &caller.lpar.ram;
    let token = load(ram, block, 0)?;
    let inputs = load(ram, block, 1)? as usize;
    let asked = load(ram, block, 2)? as usize;
    if inputs > MAX_INPUTS || asked > MAX_OUTPUTS || asked == 0 {
        return Err(BlockError::Shape);
    }
    let first_output = HEADER_CELLS + inputs as u64;
    // All of the block must be there before the call is made, not only when its outputs are stored.
    ram.real(block, (first_output + asked as u64) * 4)?;
    let mut values: Inputs = [0; MAX_INPUTS];
    for (index, value) in (HEADER_CELLS..).zip(values.iter_mut().take(inputs)) {
        *value = load(ram, block, index)?;
    }
    let mut outputs = Outputs {
        asked,
        cells: [0; MAX_OUTPUTS - 1],
    };
    let result = match find(token) {
        Some(entry) => run(caller, entry, inputs, &values, &mut outputs)
            .map_err(|failure| (entry.row.name, failure)),
        None => Err(("RTAS", Failure::parameter("no such call"))),
    };
    let status = match result {
        Ok(status) => {
            for (index, value) in (first_output + 1..).zip(outputs.cells.iter().take(asked - 1)) {
                ram.store(cell(block, index)?, 4, u64::from(*value))?;
            }
            status
        }
        Err((name, failure)) => {
            caller.lpar.note_rtas_failure(caller.vcpu, name, failure);
            failure.status
        }
    };
    let who = (caller.lpar.lpid, caller.vcpu.server);
    let [input, ..] = values;
    let observer = machine.observer;
    observer.rtas(who, token, input, status as i32, since);
    let status = u64::from(status as i32 as u32);
    Ok(ram.store(cell(block, first_output)?, 4, status)?)
}

/// Finds the row of the call with `token`.
#[must_use]
pub fn find(token: u32) -> Option<&'static Entry> {
    let place = CALLS.binary_search_by_key(&token, |entry| entry.row.token());
    CALLS.get(place.ok()?)
}

fn run(
    caller: &mut Caller<'_>,
    entry: &Entry,
    inputs: usize,
    values: &Inputs,
    outputs: &mut Outputs,
) -> super::RtasResult {
    let row = &entry.row;
    let fewest = row.inputs.saturating_sub(row.optional_inputs);
    if !(fewest..=row.inputs).contains(&inputs)
        || !(row.outputs.0..=row.outputs.1).contains(&outputs.asked)
    {
        return Err(Failure::new(
            Status::Parameter,
            "another number of arguments",
        ));
    }
    (entry.serve)(caller, values, outputs)
}
