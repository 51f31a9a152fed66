//! Every RTAS call: success, every failure, the edges. Made through H_RTAS as a partition does.

mod block;
mod clock;
mod config_space;
mod eeh;
mod epow;
mod interrupts;
mod life;
mod messages;
mod non_volatile;
mod parameters;

use super::*;
use crate::hcall::After;
use crate::machine::{CivilTime, Failed};
use crate::pci::{CONFIG_ADDRESS, ConfigError, MsiAddress, MsiKind};
use crate::testing::RAM_BYTES;
use crate::testing::bench::{BUIDS, Bench, FOREIGN, LSI, MSI, PIRS, call, call_on, logged};
use crate::{Vcpu, VcpuState};
use papr_abi::rtas::HEADER_CELLS;
use papr_abi::{Irq, token};
use proptest::prelude::*;

const BLOCK: u64 = 0x1000;
const BUFFER: u32 = 0x2000;

const OK: i32 = 0;
const HARDWARE: i32 = -1;
const PARAMETER: i32 = -3;

/// Makes the call `name`: its outputs, status first, and what comes after.
fn rtas(bench: &Bench, name: &str, inputs: &[u32], outputs: usize) -> (Vec<i32>, After) {
    rtas_on(bench, 0, name, inputs, outputs)
}

fn rtas_on(
    bench: &Bench,
    server: usize,
    name: &str,
    inputs: &[u32],
    outputs: usize,
) -> (Vec<i32>, After) {
    let entry = CALLS.iter().find(|entry| entry.row.name == name).unwrap();
    let header = [entry.row.token(), inputs.len() as u32, outputs as u32];
    let cells = header.iter().chain(inputs).copied();
    let cells = cells.chain(std::iter::repeat_n(0x5a5a_5a5a, outputs + 1));
    for (at, cell) in (BLOCK..).step_by(4).zip(cells) {
        bench.write(at, 4, cell.into());
    }
    let (code, _, after) = call_on(bench, server, token::H_RTAS, &[BLOCK]);
    assert_eq!(code, 0);
    let first = BLOCK + 4 * (HEADER_CELLS + inputs.len() as u64);
    let cell = |index: usize| bench.read(first + 4 * index as u64, 4) as i32;
    assert_eq!(cell(outputs), 0x5a5a_5a5a, "wrote past its outputs");
    ((0..outputs).map(cell).collect(), after)
}

/// As [`rtas`], for calls that return to the caller: the status alone.
fn status(bench: &Bench, name: &str, inputs: &[u32], outputs: usize) -> i32 {
    let (outputs, after) = rtas(bench, name, inputs, outputs);
    assert_eq!(after, After::Return);
    outputs[0]
}

fn function(number: usize) -> [u32; 3] {
    let buid = BUIDS[number].0;
    [CONFIG_ADDRESS, (buid >> 32) as u32, buid as u32]
}
