//! Programs of RTAS calls: argument blocks anywhere in memory, every token, every buffer.
//!
//! Read as [`crate::hcalls`] are, whose steps may stand between the calls. [`Expected`] reads the argument block
//! before the call, from the bench's copy, and [`check`] compares what became of it.

use crate::bench::fakes::{BUIDS, FOREIGN, MSIS, OWN_IRQS};
use crate::bench::{Bench, NVRAM_BYTES, RAM_BYTES, code};
use crate::hcalls::{self, spec};
use crate::steps;
use arbitrary::{Arbitrary, Result, Unstructured};
use lpar::hcall::Args;
use lpar::pci::CONFIG_ADDRESS;
use lpar::rtas::{CALLS, Entry};
use papr_abi::rtas::{HEADER_CELLS, MAX_INPUTS, MAX_OUTPUTS, Status};
use papr_abi::{GuestRealAddr, HError, token};

/// The most steps of a program.
const MAX_STEPS: usize = 96;

/// An input of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// A small number.
    Small(u8),
    /// Any number.
    Any(u32),
    /// A place in memory.
    Place(u16),
    /// A place near the end of memory.
    End(i8),
    /// The upper half of the id of a host bridge, off by `1`s.
    BuidHigh(u8),
    /// The lower half of the id of host bridge 0 or 1, or of none.
    BuidLow(u8),
    /// A configuration address: low bits of the register, high bits of it, and perhaps stray bits between.
    Config(u8, u8, u8),
    /// An interrupt source.
    Irq(u8),
}

impl Cell {
    fn value(self) -> u32 {
        match self {
            Self::Small(value) => value.into(),
            Self::Any(value) => value,
            Self::Place(at) => u32::from(at) << 1,
            Self::End(offset) => (RAM_BYTES as u32).wrapping_add_signed(offset.into()),
            Self::BuidHigh(offset) => ((BUIDS[0] >> 32) as u32).wrapping_add((offset / 64).into()),
            Self::BuidLow(number) => (BUIDS[0] as u32).wrapping_add((number % 4).into()),
            Self::Config(low, high, stray) => {
                let stray = if stray < 16 { 1 << (8 + stray) } else { 0 };
                CONFIG_ADDRESS ^ (u32::from(low) | u32::from(high & 15) << 28 | stray)
            }
            Self::Irq(number) => {
                let own = OWN_IRQS.get(usize::from(number) % (OWN_IRQS.len() + 1));
                *own.unwrap_or(&FOREIGN)
            }
        }
    }

    fn encode(self, out: &mut Vec<u8>) {
        match self {
            Self::Small(a) => out.extend([0, a]),
            Self::Any(value) => {
                out.push(1);
                out.extend(value.to_le_bytes());
            }
            Self::Place(at) => {
                out.push(2);
                out.extend(at.to_le_bytes());
            }
            Self::End(a) => out.extend([3, a as u8]),
            Self::BuidHigh(a) => out.extend([4, a]),
            Self::BuidLow(a) => out.extend([5, a]),
            Self::Config(a, b, c) => out.extend([6, a, b, c]),
            Self::Irq(a) => out.extend([7, a]),
        }
    }
}

impl<'a> Arbitrary<'a> for Cell {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u8::arbitrary(u)? % 8 {
            0 => Self::Small(u.arbitrary()?),
            1 => Self::Any(u.arbitrary()?),
            2 => Self::Place(u.arbitrary()?),
            3 => Self::End(u.arbitrary()?),
            4 => Self::BuidHigh(u.arbitrary()?),
            5 => Self::BuidLow(u.arbitrary()?),
            6 => Self::Config(u.arbitrary()?, u.arbitrary()?, u.arbitrary()?),
            _ => Self::Irq(u.arbitrary()?),
        })
    }
}

/// One step of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An RTAS call.
    Call {
        /// The processor, modulo their number.
        server: u8,
        /// Where the block is, in units of 4 bytes less this call's `skew`.
        block: u16,
        /// Off from there, so that it need not be aligned: 0 mostly.
        skew: u8,
        /// Its place in the table; past the table it is a token that does not exist.
        row: u8,
        /// What the numbers of inputs (low half) and outputs (high half) are more than the call has: 0 mostly.
        shape: u8,
        /// The inputs; what is missing is zero.
        inputs: Vec<Cell>,
    },
    /// Something else.
    Other(hcalls::Step),
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        if u8::arbitrary(u)? % 8 == 7 {
            return Ok(Self::Other(u.arbitrary()?));
        }
        let (server, block, skew) = (u.arbitrary()?, u.arbitrary()?, u.arbitrary()?);
        let (row, shape) = (u.arbitrary()?, u.arbitrary()?);
        let count = u8::arbitrary(u)? % 8;
        let inputs = (0..count).map(|_| u.arbitrary()).collect::<Result<_>>()?;
        Ok(Self::Call {
            server,
            block,
            skew,
            row,
            shape,
            inputs,
        })
    }
}

impl Step {
    /// Writes what is read as this step.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Other(step) => {
                out.push(7);
                step.encode(out);
            }
            Self::Call {
                server,
                block,
                skew,
                row,
                shape,
                inputs,
            } => {
                out.extend([0, *server]);
                out.extend(block.to_le_bytes());
                out.extend([*skew, *row, *shape, inputs.len() as u8]);
                inputs.iter().for_each(|cell| cell.encode(out));
            }
        }
    }
}

/// Writes a program: what of the machine is broken, and the steps.
#[must_use]
pub fn encode(broken: u8, steps: &[Step]) -> Vec<u8> {
    let mut out = vec![broken];
    steps.iter().for_each(|step| step.encode(&mut out));
    out
}

/// Runs the program that `data` holds.
///
/// # Panics
/// When an invariant breaks.
pub fn target(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let mut bench = Bench::new(u.arbitrary().unwrap_or(0));
    let mut last = [0; 9];
    for step in steps(&mut u, MAX_STEPS) {
        match &step {
            Step::Other(step) => hcalls::run(&mut bench, step, &mut last),
            Step::Call {
                server,
                block,
                skew,
                row,
                shape,
                inputs,
            } => {
                let at = u64::from(*block) * 4;
                write_block(&mut bench, at, *row, *shape, inputs);
                // Mostly the block is where it was written.
                let skew = match *skew {
                    0..240 => 0,
                    skew => u64::from(skew).wrapping_sub(247),
                };
                let mut args: Args = [0; 9];
                args[0] = at.wrapping_add(skew);
                hcalls::call(&mut bench, (*server).into(), token::H_RTAS, args, &mut last);
            }
        }
    }
    bench.finish();
}

fn write_block(bench: &mut Bench, at: u64, row: u8, shape: u8, inputs: &[Cell]) {
    let entry = CALLS.get(usize::from(row) % (CALLS.len() + 1));
    let (token, count, outputs) = entry
        .map_or((u32::from(row) << 5, 0, 1), |Entry { row, .. }| {
            (row.token(), row.inputs as u32, row.outputs.1 as u32)
        });
    let count = count.wrapping_add((shape & 15).into());
    let outputs = outputs.wrapping_sub((shape >> 4).into());
    let cells = [token, count, outputs].into_iter();
    let inputs = inputs.iter().map(|cell| cell.value());
    for (at, value) in (at..).step_by(4).zip(cells.chain(inputs)) {
        bench.store_cell(at, value);
    }
}

/// An argument block as it was before the call.
#[derive(Debug)]
pub struct Expected {
    /// Where it is, when the call can be made at all.
    at: Option<u64>,
    entry: Option<&'static Entry>,
    inputs: [u32; MAX_INPUTS],
    first_output: u64,
    asked: u64,
}

impl Expected {
    /// Reads the block at `at`.
    #[must_use]
    pub fn of(bench: &Bench, at: u64) -> Self {
        let cell = |index: u64| {
            let value = bench.peek(at.checked_add(4 * index)?, 4)?;
            Some(value as u32)
        };
        let mut this = Self {
            at: None,
            entry: None,
            inputs: [0; MAX_INPUTS],
            first_output: 0,
            asked: 0,
        };
        let (Some(token), Some(count), Some(asked)) = (cell(0), cell(1), cell(2)) else {
            return this;
        };
        let (count, asked) = (u64::from(count), u64::from(asked));
        let possible = count <= MAX_INPUTS as u64 && (1..=MAX_OUTPUTS as u64).contains(&asked);
        if !possible || cell(HEADER_CELLS + count + asked - 1).is_none() {
            return this;
        }
        for (index, input) in (0..count).zip(&mut this.inputs) {
            *input = cell(HEADER_CELLS + index).expect("before the last one");
        }
        let entry = CALLS.iter().find(|entry| entry.row.token() == token);
        this.entry = entry.filter(|entry| {
            let (fewest, most) = entry.row.outputs;
            let most_inputs = entry.row.inputs as u64;
            let fewest_inputs = most_inputs - entry.row.optional_inputs as u64;
            (fewest_inputs..=most_inputs).contains(&count)
                && (fewest..=most).contains(&(asked as usize))
        });
        this.at = Some(at);
        this.first_output = HEADER_CELLS + count;
        this.asked = asked;
        this
    }
}

/// Calls that change nothing but their outputs and buffers, whatever their status.
const CHANGE_NOTHING: [&str; 20] = [
    "display-character",
    "get-time-of-day",
    "set-time-of-day",
    "query-cpu-stopped-state",
    "ibm,get-system-parameter",
    "ibm,get-xive",
    "event-scan",
    "check-exception",
    "get-sensor-state",
    // No function of the bench has EEH.
    "ibm,set-eeh-option",
    "ibm,get-config-addr-info2",
    "ibm,read-slot-reset-state2",
    "ibm,set-slot-reset",
    "ibm,configure-pe",
    "ibm,slot-error-detail",
    "nvram-fetch",
    "nvram-store",
    "ibm,read-pci-config",
    "ibm,query-interrupt-source-number",
    "ibm,os-term",
];

/// Checks what H_RTAS answered.
///
/// # Panics
/// When the call breaks its contract.
pub fn check(bench: &mut Bench, before: &spec::Before, expected: &Expected, status: i64) {
    let Some(at) = expected.at else {
        return assert_eq!(status, code(HError::Parameter), "{expected:x?}");
    };
    assert_eq!(status, 0, "{expected:x?}");
    let status_at = at + 4 * expected.first_output;
    let status = bench.lpar.ram.load(GuestRealAddr(status_at), 4);
    let status = status.expect("inside") as u32 as i32;
    let name = expected.entry.map_or("", |entry| entry.row.name);
    let failed_halfway = name == "ibm,change-msi" && status == Status::Hardware as i32;
    if CHANGE_NOTHING.contains(&name) || status < 0 && !failed_halfway {
        before.assert_unchanged(bench);
    }
    if expected.entry.is_none() {
        assert_eq!(status, Status::Parameter as i32, "{expected:x?}");
    }
    assert!(
        matches!(status, 0 | 1 | -1 | -3 | -9999),
        "{status} of {expected:x?}"
    );
    buffers(bench, name, &expected.inputs, status);
    if status >= 0 {
        let outputs = status_at + 4..status_at + 4 * expected.asked;
        bench.accept(outputs.start, outputs.end - outputs.start);
        let output = |n: u64| bench.peek(status_at + 4 * n, 4).expect("inside");
        outputs_of(name, &expected.inputs, status, output);
    }
    bench.expect(status_at, 4, u64::from(status as u32));
}

/// Brings memory and NVRAM up to date with what a call did by its buffer.
fn buffers(bench: &mut Bench, name: &str, inputs: &[u32; MAX_INPUTS], status: i32) {
    let [first, buffer, third, ..] = inputs.map(u64::from);
    let inside = |bytes: u64| buffer < RAM_BYTES && bytes <= RAM_BYTES - buffer;
    match name {
        "nvram-fetch" | "nvram-store" => {
            let nvram = u64::from(NVRAM_BYTES);
            let fits = first <= nvram && third <= nvram - first && inside(third);
            assert_eq!(status == 0, fits, "{name} of {inputs:x?}");
            for n in 0..third * u64::from(fits) {
                let index = (first + n) as usize;
                if name == "nvram-fetch" {
                    bench.expect(buffer + n, 1, bench.nvram[index].into());
                } else {
                    bench.nvram[index] = bench.peek(buffer + n, 1).expect("inside") as u8;
                }
            }
        }
        "ibm,get-system-parameter" => {
            let known = matches!(first, 20 | 55);
            let fits = third == 0 || inside(third);
            let expected = match (known, fits) {
                (false, _) => Status::Parameter,
                (_, false) => Status::SystemParameter,
                _ => Status::Success,
            };
            assert_eq!(status, expected as i32, "{inputs:x?}");
            if status == 0 {
                parameter(bench, first, buffer, third);
            }
        }
        _ => {}
    }
}

/// A system parameter as it must be in its buffer of `bytes`.
fn parameter(bench: &mut Bench, number: u64, buffer: u64, bytes: u64) {
    let text: &[u8] = match number {
        55 => b"fuzz\0",
        _ => b"MaxEntCap=200,DesMem=0,DesProcs=2,MaxPlatProcs=2\0",
    };
    let length = (text.len() as u16).to_be_bytes();
    for (at, &byte) in (buffer..buffer + bytes).zip(length.iter().chain(text)) {
        bench.expect(at, 1, byte.into());
    }
}

/// Checks outputs: canonical, and nobody else's.
fn outputs_of(name: &str, inputs: &[u32; MAX_INPUTS], status: i32, output: impl Fn(u64) -> u64) {
    let own = |irq: u64| OWN_IRQS.iter().any(|&own| u64::from(own) == irq);
    match name {
        "ibm,read-pci-config" => {
            assert!(
                output(1) >> (8 * inputs[3] - 1) >> 1 == 0,
                "too wide: {:#x}",
                output(1)
            );
        }
        "ibm,query-interrupt-source-number" if status == 0 => {
            assert!(
                own(output(1)) && output(2) <= 1,
                "foreign source {:#x}",
                output(1)
            );
        }
        "ibm,change-msi" => {
            assert!(output(1) <= MSIS.into(), "{} messages", output(1));
        }
        "ibm,get-xive" => {
            let foreign = output(1) == u64::from(u32::MAX) && output(2) == 0xff;
            let irq = u64::from(inputs[0]);
            assert!(own(irq) && output(1) < 2 || !own(irq) && foreign);
            assert!(output(2) <= 0xff);
        }
        "query-cpu-stopped-state" => assert!(output(1) <= 2),
        "get-time-of-day" => {
            assert!((1970..=2199).contains(&output(1)));
            assert!((1..=12).contains(&output(2)) && (1..=31).contains(&output(3)));
            assert!(output(4) < 24 && output(5) < 60 && output(6) < 60);
            assert!(output(7) < 1_000_000_000);
        }
        "nvram-fetch" | "nvram-store" => assert_eq!(output(1), inputs[2].into()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_what_is_read() {
        let inputs = vec![
            Cell::Small(1),
            Cell::Any(0x0123_4567),
            Cell::Place(0x1234),
            Cell::End(-2),
            Cell::BuidHigh(3),
            Cell::Config(4, 1, 20),
            Cell::Irq(3),
        ];
        let call = Step::Call {
            server: 1,
            block: 0x300,
            skew: 0,
            row: 4,
            shape: 0,
            inputs,
        };
        let steps = [
            call,
            Step::Other(hcalls::Step::Terminal { typed: 1, room: 2 }),
        ];
        let data = encode(0, &steps);
        let mut u = Unstructured::new(&data[1..]);
        for step in &steps {
            assert_eq!(&Step::arbitrary(&mut u).expect("enough bytes"), step);
        }
        assert!(u.is_empty());
    }
}
