//! Programs of hcalls: what a partition, its devices and its hardware may do one after another.
//!
//! The bytes are read by `arbitrary`, in order and one choice a byte, so that [`Step::encode`] can write seeds and a
//! small change of the bytes is a small change of the program. After each call [`spec`] checks what it answered and
//! did; in the end all memory is compared.

pub mod argument;
pub mod spec;

use crate::bench::{Bench, PIRS};
use crate::steps;
use arbitrary::{Arbitrary, Result, Unstructured};
use argument::Argument;
use lpar::VcpuState;
use lpar::hcall::{Args, HCALLS};

/// The most steps of a program.
const MAX_STEPS: usize = 96;

/// One step of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An hcall of processor `server`, by its place in the table; past the table it is a token that does not exist.
    Call {
        /// The processor, modulo their number.
        server: u8,
        /// Its place in the table.
        row: u8,
        /// r4 and on; the rest is zero.
        arguments: Vec<Argument>,
    },
    /// The guest fills memory: doublewords from the start of a page, each `step` more than the one before.
    Fill {
        /// The page, 4 KiB each.
        page: u8,
        /// How many doublewords into it, of 8 bytes.
        offset: u8,
        /// How many doublewords, less one.
        count: u8,
        /// The first.
        value: Argument,
        /// The difference.
        step: u16,
    },
    /// A device interrupts.
    Interrupt {
        /// Which processor.
        thread: u8,
        /// The source.
        irq: Argument,
        /// How favoured.
        priority: u8,
    },
    /// The hypervisor kicks a processor and leaves it `attention`.
    Kick {
        /// Which processor.
        thread: u8,
        /// Its MFRR.
        mfrr: u8,
        /// What it has to look at.
        attention: u8,
    },
    /// The hardware uses an entry of the page table.
    Touch {
        /// Its index.
        index: u16,
        /// The bits to set, low byte.
        bits: u8,
    },
    /// The operator types, and the terminal's buffer has this much room.
    Terminal {
        /// How many bytes were typed.
        typed: u8,
        /// The room.
        room: u8,
    },
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u8::arbitrary(u)? % 16 {
            0 | 1 => Self::Fill {
                page: u.arbitrary()?,
                offset: u.arbitrary()?,
                count: u.arbitrary()?,
                value: u.arbitrary()?,
                step: u.arbitrary()?,
            },
            2 => Self::Interrupt {
                thread: u.arbitrary()?,
                irq: u.arbitrary()?,
                priority: u.arbitrary()?,
            },
            3 => Self::Kick {
                thread: u.arbitrary()?,
                mfrr: u.arbitrary()?,
                attention: u.arbitrary()?,
            },
            4 => Self::Touch {
                index: u.arbitrary()?,
                bits: u.arbitrary()?,
            },
            5 => Self::Terminal {
                typed: u.arbitrary()?,
                room: u.arbitrary()?,
            },
            _ => {
                let (server, row) = (u.arbitrary()?, u.arbitrary()?);
                let count = u8::arbitrary(u)? % 10;
                let arguments = (0..count).map(|_| u.arbitrary()).collect::<Result<_>>()?;
                Self::Call {
                    server,
                    row,
                    arguments,
                }
            }
        })
    }
}

impl Step {
    /// Writes what is read as this step.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Fill {
                page,
                offset,
                count,
                value,
                step,
            } => {
                out.extend([0, *page, *offset, *count]);
                value.encode(out);
                out.extend(step.to_le_bytes());
            }
            Self::Interrupt {
                thread,
                irq,
                priority,
            } => {
                out.extend([2, *thread]);
                irq.encode(out);
                out.push(*priority);
            }
            Self::Kick {
                thread,
                mfrr,
                attention,
            } => out.extend([3, *thread, *mfrr, *attention]),
            Self::Touch { index, bits } => {
                out.push(4);
                out.extend(index.to_le_bytes());
                out.push(*bits);
            }
            Self::Terminal { typed, room } => out.extend([5, *typed, *room]),
            Self::Call {
                server,
                row,
                arguments,
            } => {
                out.extend([6, *server, *row, arguments.len() as u8]);
                arguments.iter().for_each(|one| one.encode(out));
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
        run(&mut bench, &step, &mut last);
    }
    bench.finish();
}

/// Does one step; `last` holds the registers after the last call.
pub fn run(bench: &mut Bench, step: &Step, last: &mut Args) {
    match step {
        Step::Call {
            server,
            row,
            arguments,
        } => {
            let mut args = [0; 9];
            for (reg, argument) in args.iter_mut().zip(arguments) {
                *reg = argument.value(last);
            }
            // Not in the table: next to one that is.
            let token = HCALLS
                .get(usize::from(*row))
                .map_or(u64::from(*row) << 2 | args[8] << 10, |entry| {
                    entry.row.token
                });
            call(bench, usize::from(*server), token, args, last);
        }
        Step::Fill {
            page,
            offset,
            count,
            value,
            step,
        } => {
            let first = u64::from(*page) * 4096 + u64::from(*offset) * 8;
            let value = value.value(last);
            for number in 0..=u64::from(*count) {
                let word = value.wrapping_add(number.wrapping_mul(u64::from(*step)));
                bench.store(first + number * 8, word);
            }
        }
        Step::Interrupt {
            thread,
            irq,
            priority,
        } => bench
            .machine
            .present(usize::from(*thread), irq.value(last) as u32, *priority),
        Step::Kick {
            thread,
            mfrr,
            attention,
        } => {
            bench.machine.interrupt(usize::from(*thread), *mfrr);
            bench.lpar.vcpus[usize::from(*thread) % PIRS.len()].request((*attention & 7).into());
        }
        Step::Touch { index, bits } => bench.touch((*index).into(), u64::from(*bits) << 1),
        Step::Terminal { typed, room } => {
            let keys = [b'k'; 40];
            let typed = &keys[..usize::from(*typed).min(keys.len())];
            bench.machine.terminal(typed, (*room).into());
        }
    }
}

/// Makes one hcall of a processor that runs, and checks it.
pub fn call(bench: &mut Bench, server: usize, token: u64, args: Args, last: &mut Args) {
    let server = server % PIRS.len();
    if bench.lpar.vcpus[server].state() != VcpuState::Running {
        return;
    }
    let before = spec::Before::of(bench, server, token, args);
    let (status, regs, after) = bench.call(server, token, &args);
    spec::check(bench, &before, status, &regs, after);
    bench.follow(server, after);
    *last = regs;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_what_is_read() {
        let steps = [
            Step::Fill {
                page: 3,
                offset: 1,
                count: 200,
                value: Argument::Page(4),
                step: 0x1000,
            },
            Step::Interrupt {
                thread: 1,
                irq: Argument::Xirr(7, 2),
                priority: 5,
            },
            Step::Kick {
                thread: 0,
                mfrr: 4,
                attention: 1,
            },
            Step::Touch {
                index: 0x1234,
                bits: 0xc0,
            },
            Step::Terminal { typed: 3, room: 9 },
            Step::Call {
                server: 1,
                row: 5,
                arguments: argument::samples(),
            },
        ];
        // Nine arguments are the most.
        let mut steps = steps.to_vec();
        if let Some(Step::Call { arguments, .. }) = steps.last_mut() {
            arguments.truncate(9);
        }
        let data = encode(2, &steps);
        let mut u = Unstructured::new(&data[1..]);
        for step in &steps {
            assert_eq!(&Step::arbitrary(&mut u).expect("enough bytes"), step);
        }
        assert!(u.is_empty());
    }
}
