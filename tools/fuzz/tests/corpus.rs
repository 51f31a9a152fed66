//! Every target over its committed corpus, and over random changes of it that are the same each time.

use fuzz_targets::TARGETS;
use fuzz_targets::plain::{Random, mutate};
use std::path::{Path, PathBuf};

/// Random inputs for each target.
const RUNS: usize = 3000;
/// Most bytes of all corpora together.
const MOST_BYTES: u64 = 1 << 20;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = corpora().join(name);
    let entries = std::fs::read_dir(&folder).expect("each target has a corpus");
    let mut inputs: Vec<(PathBuf, Vec<u8>)> = entries
        .map(|entry| {
            let file = entry.expect("readable").path();
            let bytes = std::fs::read(&file).expect("readable");
            (file, bytes)
        })
        .collect();
    inputs.sort();
    inputs
}

/// Shows the input of a target that panics.
struct Shown<'a>(&'a str, &'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let hex: Vec<String> = self.1.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("{}: the input is {}", self.0, hex.concat());
        }
    }
}

fn run(name: &str, runs: usize) {
    let target = fuzz_targets::find(name).expect("a target");
    let inputs = corpus(name);
    for (file, bytes) in &inputs {
        let file = file.display().to_string();
        let _shown = Shown(&file, bytes);
        (target.run)(bytes);
    }
    let inputs: Vec<Vec<u8>> = inputs.into_iter().map(|(_, bytes)| bytes).collect();
    let mut random = Random::new(0x5eed);
    for _ in 0..runs {
        let input = mutate(&mut random, &inputs);
        let _shown = Shown(name, &input);
        (target.run)(&input);
    }
}

#[test]
fn programs_of_hcalls_keep_their_contracts() {
    run("hcalls", RUNS);
}

#[test]
fn programs_of_rtas_calls_keep_their_contracts() {
    run("rtas", RUNS);
}

#[test]
fn accesses_to_configuration_space_move_nothing() {
    run("config_space", RUNS / 4);
}

#[test]
fn bundles_that_are_accepted_are_in_range_and_canonical_when_packed() {
    run("bundle", RUNS);
}

#[test]
fn machine_trees_that_are_accepted_are_consistent() {
    run("machine_tree", RUNS);
}

#[test]
fn frames_are_found_and_read_as_they_were_written() {
    run("frames", RUNS);
}

#[test]
fn guest_trees_say_what_they_were_made_from() {
    run("guest_tree", RUNS / 4);
}

#[test]
fn kernels_that_are_loaded_lie_in_memory() {
    run("kernel", RUNS);
}

#[test]
fn the_corpora_hold_every_seed_and_are_small() {
    let mut bytes = 0;
    for target in TARGETS {
        let inputs = corpus(target.name);
        bytes += inputs
            .iter()
            .map(|(_, bytes)| bytes.len() as u64)
            .sum::<u64>();
        for (name, seed) in (target.seeds)() {
            let file = corpora().join(target.name).join(format!("seed-{name}"));
            let stored = std::fs::read(&file).unwrap_or_default();
            assert!(
                stored == seed,
                "{} is not the seed of today",
                file.display()
            );
        }
    }
    assert!(bytes < MOST_BYTES, "{bytes} bytes");
}
