//! Random programs, made and made smaller by `proptest`. What failed once is kept in `proptest-regressions`.

use ioda_proof::{Chip, Op, run_program};
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
