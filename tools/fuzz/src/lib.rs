//! Fuzz targets: for each reader of hostile input a function of bytes that panics when an invariant breaks.
//!
//! - [`TARGETS`]: all of them. The same bodies run under `cargo fuzz` (`tools/fuzz/libfuzzer`), in the plain
//!   harness ([`plain`]), and over the committed corpus in this crate's test.
//! - [`hcalls`] and [`rtas`]: programs of calls against a partition on a machine of fakes ([`mod@bench`]), which keeps a
//!   copy of all that the calls may change and compares.
//! - [`config_space`]: programs of accesses to a function of the model of a bridge, through the partition's filter.
//! - [`bundles`], [`machine_tree`], [`guest_tree`], [`kernel`], [`mod@frames`]: the formats.
//! - [`seeds`]: makes the corpus.
//!
//! docs/fuzzing.md tells how to run them and what each asserts.
#![forbid(unsafe_code)]

pub mod bench;
pub mod bundles;
pub mod config_space;
pub mod frames;
pub mod guest_tree;
pub mod hcalls;
pub mod kernel;
pub mod machine_tree;
pub mod plain;
pub mod rtas;
pub mod seeds;

/// One fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// What it is given to.
    pub about: &'static str,
    /// Runs it once; panics when an invariant breaks.
    pub run: fn(&[u8]),
    /// Makes its seeds: name and bytes of each.
    pub seeds: fn() -> Vec<(String, Vec<u8>)>,
}

/// The steps of the program that `u` holds, as they are asked for: up to `most`, fewer if it runs out.
pub fn steps<'a, S: arbitrary::Arbitrary<'a>>(
    u: &mut arbitrary::Unstructured<'a>,
    most: usize,
) -> impl Iterator<Item = S> {
    std::iter::from_fn(|| (!u.is_empty()).then(|| S::arbitrary(u).ok())?).take(most)
}

/// Every target.
pub static TARGETS: &[Target] = &[
    Target {
        name: "hcalls",
        about: "programs of hcalls of a partition",
        run: hcalls::target,
        seeds: seeds::hcalls,
    },
    Target {
        name: "rtas",
        about: "programs of RTAS calls, argument blocks included",
        run: rtas::target,
        seeds: seeds::rtas,
    },
    Target {
        name: "config_space",
        about: "a partition's accesses to the configuration space of its function",
        run: config_space::target,
        seeds: seeds::config_space,
    },
    Target {
        name: "bundle",
        about: "the bundle of partitions",
        run: bundles::target,
        seeds: seeds::bundle,
    },
    Target {
        name: "machine_tree",
        about: "the machine's device tree",
        run: machine_tree::target,
        seeds: seeds::machine_tree,
    },
    Target {
        name: "guest_tree",
        about: "partitions to make device trees for",
        run: guest_tree::target,
        seeds: seeds::guest_tree,
    },
    Target {
        name: "kernel",
        about: "kernels to load",
        run: kernel::target,
        seeds: seeds::kernel,
    },
    Target {
        name: "frames",
        about: "the serial line between programs and the hypervisor",
        run: frames::target,
        seeds: seeds::frames,
    },
];

/// Finds a target by its name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
