//! The Bulkhead image: what runs on every thread from reset to the machine's end. It decides nothing
//! that a crate beside it could decide: it probes, wires and runs.
//!
//! - `bulkhead_main`: the thread that boots; `bulkhead_secondary`: all others.
//! - [`probe`], [`memory`], [`console`]: the machine. [`bridge`], [`host`], [`devices`], [`sources`]: its bridges and PCI functions. [`errors`]: what they err in; [`freeze`]: or are made to. [`partition`]: its partitions. [`map`]: all of it as lines. [`operator`]: what the monitor is told of it.
//! - [`ethernet`]: the virtual network between partitions.
//! - [`thread`], [`traps`], [`idle`]: a thread with its virtual processor. [`pool`], [`shared`], [`soft`]: threads that virtual
//!   processors share, such a one, and its interrupts.
//! - [`program`]: what a program at the serial line is told. [`trace`]: what happened when. [`usage`]: what that took. [`stop`]: the ends.
#![no_std]
#![no_main]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

extern crate alloc;

mod bridge;
mod clock;
mod console;
mod devices;
mod errors;
mod ethernet;
mod freeze;
mod guest_image;
mod host;
mod idle;
mod map;
mod memory;
mod operator;
mod partition;
mod pool;
mod presenter;
mod probe;
mod program;
mod shared;
mod soft;
mod sources;
mod stop;
mod thread;
mod trace;
mod traps;
mod usage;

use ppc64::PerCpu;
use ppc64::{msr, power};

/// What the boot code calls on the first thread.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "called by name from assembly")]
extern "C" fn bulkhead_main(fdt: u64, cpu: &PerCpu) -> ! {
    cpu.set_handlers(traps::hcall, traps::exception);
    power::reset_thread();
    probe::early_console();
    log::info!(
        "Bulkhead {}, a partition hypervisor for POWER",
        env!("CARGO_PKG_VERSION")
    );
    if !power::is_power8() {
        log::error!(
            "processor family {:#x}: only POWER8 is supported",
            power::processor_family()
        );
        stop::machine(stop::Reason::BadMachine);
    }
    let info = probe::machine(fdt, image_end());
    probe::banner(info);
    presenter::ICP.start(info.threads().map(|thread| (thread.pir, thread.icp)));
    stop::crash_if_asked(info.bootargs);
    clock::CLOCK.start();
    devices::start(info);
    partition::start_all(info);
    console::flush();
    boot::release();
    thread::run(cpu)
}

/// What the boot code calls on every other thread once the first has released them.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "called by name from assembly")]
extern "C" fn bulkhead_secondary(cpu: &PerCpu) -> ! {
    power::reset_thread();
    thread::run(cpu)
}

/// Returns the first address after the image and its `.bss`.
fn image_end() -> u64 {
    #[expect(unsafe_code, reason = "a symbol of the linker script")]
    unsafe extern "C" {
        static __image_end: u8;
    }
    &raw const __image_end as u64
}

const _: () = assert!(msr::HV == 1 << 60);
