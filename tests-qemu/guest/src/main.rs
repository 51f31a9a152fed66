//! `guest-test`: a partition payload that tries every hcall and RTAS call, and prints what it found.
//!
//! Entered as a kernel is: r3 the flattened device tree, r4 = r5 = 0, real mode, big-endian, at 4 MiB.
//! Each case prints `test NAME ... ok` or `test NAME ... FAILED: why`; the last line is
//! `guest-test: N passed, N failed`. [`options`] tells what the command line may choose.
//!
//! `suite` runs the cases, which are in one file per function set of LoPAR; `hcall` and `rtas` make
//! the calls; `trap` takes the interrupts; `tree` knows the platform.
#![no_std]
#![no_main]

mod aim;
mod attack;
mod bench;
mod cases;
mod console;
mod cpu;
mod endings;
mod floods;
mod hcall;
mod mmu;
mod options;
mod owner;
mod pci;
mod race;
mod rtas;
mod share;
mod smp;
mod suite;
mod trap;
mod tree;

use console::println;
use options::Mode;
use rtas::power_off;
use tree::Platform;

/// Called by `guest_entry` with the registers it was entered with.
#[expect(unsafe_code, reason = "the tree is given by address")]
extern "C" fn rust_main(tree: *const u8, initrd: u64, open_firmware: u64) -> ! {
    cpu::install_vectors();
    cpu::set_dec(cpu::DEC_FAR);
    println!(
        "guest-test: entered with r3 0x{:x} r4 0x{:x} r5 0x{:x} msr 0x{:x}",
        tree.addr(),
        initrd,
        open_firmware,
        cpu::msr()
    );
    if open_firmware != 0 {
        println!(
            "guest-test: entered through Open Firmware (r5 != 0); it takes a flat device tree (r5 = 0). Stopped."
        );
        loop {}
    }
    // SAFETY: r5 = 0 promises a flattened device tree in r3.
    let Some(platform) = (unsafe { Platform::read(tree) }) else {
        println!("guest-test: r3 is no device tree. Stopped.");
        loop {}
    };
    rtas::prepare(&platform);
    println!(
        "guest-test: {} MiB, {} cpus, {} PTE groups, {} host bridges, {} functions",
        platform.memory_end >> 20,
        platform.cpus,
        platform.ptegs,
        platform.bridges().len(),
        platform.functions().len()
    );
    match platform.options.mode {
        Mode::Test | Mode::Pseries => {
            suite::run(&platform, cases::TABLES);
        }
        Mode::Frozen => {
            suite::run(&platform, cases::FROZEN);
        }
        Mode::Fenced => {
            suite::run(&platform, cases::FENCED);
        }
        Mode::Eeh => {
            suite::run(&platform, cases::STOPPED);
        }
        Mode::Bench => bench::run(&platform),
        Mode::Handover => bench::handover::run(&platform),
        Mode::Latency => bench::latency::run(&platform),
        Mode::Wait => endings::wait(),
        Mode::Reboot => endings::reboot(&platform),
        Mode::OsTerm => endings::os_term(&platform),
        Mode::Orderly => endings::orderly(&platform),
        Mode::Aim => aim::aim(&platform),
        Mode::Victim => aim::victim(&platform),
        Mode::Owner => owner::run(&platform),
        Mode::Echo => endings::echo(),
        Mode::Share => share::run(&platform),
        Mode::Attack => attack::run(&platform),
        Mode::Flood => endings::flood(),
        Mode::Floods => floods::flood(&platform),
        Mode::Watch => floods::watch(&platform),
        Mode::Race => {
            suite::run(&platform, race::TABLES);
        }
    }
    power_off()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("guest-test: panic: {}", info);
    power_off()
}
