//! Random programs of crate `ioda-proof`, from seeds that the host runs as well: the same must come of them.

use crate::print::println;
use cases::Case;
use ioda_proof::{Chip, run_seed};

/// Steps of a program.
const STEPS: u64 = 100;

/// Makes cases of seeds.
macro_rules! seeds {
    ($($chip:ident: $($name:ident = $seed:literal),*;)*) => {
        /// A program from each seed, for each chip.
        pub(crate) const CASES: &[&[Case]] = &[$(&[$(Case {
            name: concat!("selftest::seeds::", stringify!($name)),
            run: || run(Chip::$chip, $seed),
        }),*]),*];
    };
}

seeds! {
    P7ioc: p7ioc_1 = 1, p7ioc_2 = 2, p7ioc_3 = 3, p7ioc_4 = 4;
    Phb3: phb3_1 = 1, phb3_2 = 2, phb3_3 = 3, phb3_4 = 4;
}

/// Runs a program and prints what came of it, for the host to compare.
fn run(chip: Chip, seed: u64) {
    match run_seed(chip, seed, STEPS) {
        Ok(summary) => println!(
            "  seed {chip} {seed}, {STEPS} steps: {} transactions, {} granted; {} calls done, {} refused",
            summary.transactions, summary.granted, summary.done, summary.refused
        ),
        Err(failure) => panic!("{failure}"),
    }
}
