//! Two partitions on one bridge: nothing crosses, whatever they ask.

use ioda_proof::{Chip, Mistake, run_lpars_seed, run_lpars_with};
use proptest::prelude::*;

/// Steps of a program, and programs tried before a mistake counts as unnoticed: each is noticed by a fifth of all at least.
const STEPS: u64 = 60;
const PROGRAMS: u64 = 48;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn partitions_on_a_p7ioc_reach_what_is_theirs_alone(seed in any::<u64>()) {
        run_lpars_seed(Chip::P7ioc, seed, STEPS).map_err(|failure| TestCaseError::fail(failure.to_string()))?;
    }

    #[test]
    fn partitions_on_a_phb3_reach_what_is_theirs_alone(seed in any::<u64>()) {
        run_lpars_seed(Chip::Phb3, seed, STEPS).map_err(|failure| TestCaseError::fail(failure.to_string()))?;
    }
}

#[test]
fn mistakes_in_what_connects_partitions_are_noticed() {
    for chip in Chip::ALL {
        let unnoticed: Vec<Mistake> = Mistake::ALL
            .into_iter()
            .filter(|mistake| {
                (0..PROGRAMS).all(|seed| run_lpars_with(chip, seed, STEPS, Some(*mistake)).is_ok())
            })
            .collect();
        assert_eq!(unnoticed, [], "{chip}");
    }
}
