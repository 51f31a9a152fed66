//! `selftest`: an image that runs the tests of bridges and drivers where they will work: big-endian, with soft
//! floats, without an operating system.
//!
//! Started in the hypervisor's place, it prints `test NAME ... ok` for each case and `N passed, N failed` at the end.
//! The cases are the host's: see crate `cases`. One that panics is counted, and the next runs on a fresh stack.
//! The boot arguments `selftest=failing` and `selftest=against-qemu` have it run [`failing`]'s and [`against`]'s in their
//! place.
//!
//! [`suite`] runs them; [`machine`] finds memory and console; [`stop`] has the ends.
#![no_std]
#![no_main]

extern crate alloc;

mod against;
mod failing;
mod machine;
mod print;
mod seeds;
mod stop;
mod suite;

// The entry, which nothing here calls.
use boot as _;
use ppc64::{PerCpu, power};
use print::println;

/// The tests of the crates below, as their hosts have them, and programs from seeds.
const TABLES: &[&[&[cases::Case]]] = &[
    ioda::CASES,
    ioda_model::CASES,
    ioda_proof::CASES,
    p7ioc::CASES,
    phb3::CASES,
    pci::CASES,
    seeds::CASES,
];

/// What the boot code calls on the first thread.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "called by name from assembly")]
extern "C" fn bulkhead_main(fdt: u64, cpu: &PerCpu) -> ! {
    cpu.set_handlers(stop::hcall, stop::exception);
    power::reset_thread();
    let bootargs = machine::start(fdt).bootargs;
    let mode = bootargs
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix("selftest="));
    match mode {
        None => suite::run(TABLES),
        Some("against-qemu") => suite::run(against::CASES),
        Some("failing") => suite::run(failing::CASES),
        Some(other) => {
            println!("boot arguments: selftest={other} is unknown");
            stop::machine("bad-machine")
        }
    }
}

/// What the boot code would call on every other thread; they are never released.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "called by name from assembly")]
extern "C" fn bulkhead_secondary(_cpu: &PerCpu) -> ! {
    power::park()
}
