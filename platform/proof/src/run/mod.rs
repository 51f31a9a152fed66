//! Running programs: [`run_program`], [`run_seed`].
//!
//! `steps` and `resources` do what a step says, to the driver and to the specification; `checks` compares what came of it;
//! `sweep` then tries what can be reached.

mod checks;
mod messages;
mod resources;
mod steps;
mod sweep;
mod transactions;

use crate::machine::{self, BARS, FUNCTIONS, Machine, Pool};
use crate::op::Op;
use crate::spec::{Facts, Spec};
use crate::{Chip, Sabotage};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use core::fmt;

/// How much is tried after each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// All pairs of requester and address that the program has to do with.
    Full,
    /// A sample of so many DMAs, half as many messages, and all that is near what the step changed.
    Sample(u32),
}

/// What a program did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Steps.
    pub steps: u64,
    /// DMAs, messages, loads, stores and config cycles.
    pub transactions: u64,
    /// Those of them that got through.
    pub granted: u64,
    /// Driver calls that did something.
    pub done: u64,
    /// Driver calls that were refused, as they had to be.
    pub refused: u64,
    /// Functions that went to another partition.
    pub moves: u64,
}

impl core::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.transactions += other.transactions;
        self.granted += other.granted;
        self.done += other.done;
        self.refused += other.refused;
        self.moves += other.moves;
    }
}

/// What went wrong, where.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Whose driver.
    pub chip: Chip,
    /// The seed, if the program came from one.
    pub seed: Option<u64>,
    /// The program up to the step that failed.
    pub program: Vec<Op>,
    /// What was not as it must be.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.chip)?;
        if let Some(seed) = self.seed {
            write!(f, ", seed {seed}")?;
        }
        match self.program.last() {
            Some(op) => write!(f, ", step {}, {op:?}: ", self.program.len())?,
            None => f.write_str(", start: ")?,
        }
        f.write_str(&self.what)
    }
}

impl core::error::Error for Failure {}

/// Driver, model and specification, and what the devices have been told.
struct Run {
    spec: Spec,
    machine: Box<dyn Machine>,
    pool: Pool,
    rng: ChaCha8Rng,
    effort: Effort,
    summary: Summary,
    /// The first word behind each BAR.
    registers: [[u32; BARS]; FUNCTIONS.len()],
    /// The interrupt line register.
    lines: [u8; FUNCTIONS.len()],
    /// Tables whose end of use the bridge did not confirm.
    retired: Vec<usize>,
    nonce: u32,
}

impl Run {
    fn new(
        chip: Chip,
        seed: u64,
        effort: Effort,
        sabotage: Option<&'static Sabotage>,
    ) -> Result<Self, String> {
        let pool = Pool::take(chip);
        let machine = machine::start(chip, &pool, sabotage)?;
        Ok(Self {
            spec: Spec::new(Facts::of(chip)),
            machine,
            pool,
            rng: ChaCha8Rng::seed_from_u64(seed),
            effort,
            summary: Summary::default(),
            registers: Default::default(),
            lines: Default::default(),
            retired: Vec::new(),
            nonce: 0,
        })
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.rng.next_u64() % end.max(1) as u64) as usize
    }

    fn step(&mut self, op: Op) -> Result<(), String> {
        self.summary.steps += 1;
        self.act(op)?;
        self.check_machine()?;
        self.sweep()?;
        self.check_machine()
    }
}

/// Runs `program` on a new machine, with all that can be tried tried after each step.
///
/// # Errors
/// What went wrong.
pub fn run_program(
    chip: Chip,
    program: &[Op],
    sabotage: Option<&'static Sabotage>,
) -> Result<Summary, Box<Failure>> {
    let fail = |steps: usize, what| {
        Box::new(Failure {
            chip,
            seed: None,
            program: program.iter().copied().take(steps).collect(),
            what,
        })
    };
    let mut run = Run::new(chip, 0, Effort::Full, sabotage).map_err(|what| fail(0, what))?;
    for (index, op) in program.iter().enumerate() {
        run.step(*op).map_err(|what| fail(index + 1, what))?;
    }
    Ok(run.summary)
}

/// Runs a program of `steps` steps made from `seed`, with a sample of what can be tried tried after each.
///
/// The same seed is the same program and the same tries, everywhere.
///
/// # Errors
/// What went wrong.
pub fn run_seed(chip: Chip, seed: u64, steps: u64) -> Result<Summary, Box<Failure>> {
    run_seed_with(chip, seed, steps, Effort::Sample(24), None)
}

/// As [`run_seed`], with another effort, or with somebody between the driver and its registers.
///
/// # Errors
/// What went wrong.
pub fn run_seed_with(
    chip: Chip,
    seed: u64,
    steps: u64,
    effort: Effort,
    sabotage: Option<&'static Sabotage>,
) -> Result<Summary, Box<Failure>> {
    let fail = |program, what| {
        Box::new(Failure {
            chip,
            seed: Some(seed),
            program,
            what,
        })
    };
    let mut program = Vec::new();
    let mut ops = ChaCha8Rng::seed_from_u64(seed);
    let mut run =
        Run::new(chip, seed ^ SWEEPS, effort, sabotage).map_err(|what| fail(Vec::new(), what))?;
    for _ in 0..steps {
        let op = Op::from_bits(ops.next_u64());
        program.push(op);
        if let Err(what) = run.step(op) {
            return Err(fail(program, what));
        }
    }
    Ok(run.summary)
}

/// What makes the sequence of tries another one than that of steps.
const SWEEPS: u64 = 0x5eed;
