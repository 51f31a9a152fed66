//! Programs that are the same everywhere: on a host, and big-endian in firmware.

use crate::{Chip, Summary, run_lpars_seed, run_seed};

/// Runs programs of `steps` steps from seeds 0 to `seeds` less one.
fn run(chip: Chip, seeds: u64, steps: u64) -> Summary {
    let mut all = Summary::default();
    for seed in 0..seeds {
        match run_seed(chip, seed, steps) {
            Ok(summary) => all += summary,
            Err(failure) => panic!("{failure}"),
        }
    }
    // A program that does nothing proves nothing.
    assert!(
        all.granted > all.steps && all.done > all.steps / 4,
        "{all:?}"
    );
    all
}

fn programs_from_seeds_keep_to_the_specification_on_p7ioc() {
    run(Chip::P7ioc, 8, 100);
}

fn programs_from_seeds_keep_to_the_specification_on_phb3() {
    run(Chip::Phb3, 8, 100);
}

fn a_seed_is_the_same_program_each_time() {
    for chip in Chip::ALL {
        assert_eq!(run(chip, 2, 60), run(chip, 2, 60));
    }
}

fn partitions_from_seeds_keep_apart_on_both_chips() {
    for chip in Chip::ALL {
        match run_lpars_seed(chip, 1, 60) {
            Ok(summary) => assert!(summary.granted > 20 && summary.done > 5, "{summary:?}"),
            Err(failure) => panic!("{failure}"),
        }
    }
}

cases::cases!(
    partitions_from_seeds_keep_apart_on_both_chips,
    programs_from_seeds_keep_to_the_specification_on_p7ioc,
    programs_from_seeds_keep_to_the_specification_on_phb3,
    a_seed_is_the_same_program_each_time,
);
