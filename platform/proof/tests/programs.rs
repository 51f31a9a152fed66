//! Random programs, made and made smaller by `proptest`. What failed once is kept in `proptest-regressions`.

use ioda_proof::{Chip, Op, run_program, run_seed};
use proptest::collection::vec;
use proptest::prelude::*;

/// Programs of each chip.
const PROGRAMS: u32 = 48;

fn program() -> impl Strategy<Value = Vec<Op>> {
    vec(any::<u64>().prop_map(Op::from_bits), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(PROGRAMS))]

    #[test]
    fn programs_of_a_p7ioc_reach_what_they_may_alone(program in program()) {
        run_program(Chip::P7ioc, &program, None).map_err(|failure| TestCaseError::fail(failure.to_string()))?;
    }

    #[test]
    fn programs_of_a_phb3_reach_what_they_may_alone(program in program()) {
        run_program(Chip::Phb3, &program, None).map_err(|failure| TestCaseError::fail(failure.to_string()))?;
    }
}

/// A function that nobody owns answered with a byte of all ones: the driver took it for one that is not there.
#[test]
fn a_register_that_reads_as_ones_lets_nobodys_endpoint_go_on() {
    run_seed(Chip::P7ioc, 218, 200).expect("it may");
}
