//! The ends: of a case that panics or faults, and of the machine.

use crate::print::{self, println};
use crate::suite;
use core::panic::PanicInfo;
use powernv::{ChassisControl, IpmiBt, IsaDevice};
use ppc64::context::Regs;
use ppc64::percpu::Answer;
use ppc64::{PerCpu, spr::timebase};

/// The service processor's port on every machine with one.
const IPMI_BT: IsaDevice = IsaDevice {
    port: 0xe4,
    irq: Some(10),
    clock_hz: None,
};

/// Says why, turns the machine off where that can be done, and parks the thread.
pub(crate) fn machine(reason: &str) -> ! {
    println!("bulkhead| STOP {reason}");
    let start = timebase();
    let mut bt = IpmiBt::new(print::lpc(), &IPMI_BT);
    // A second for the service processor to take the request; without one the thread waits for its end.
    let _ = bt.chassis(ChassisControl::PowerDown, || {
        timebase().wrapping_sub(start) > 512_000_000
    });
    ppc64::power::park()
}

/// No case makes hcalls.
pub(crate) extern "C" fn hcall(_cpu: &PerCpu, _token: u64, _regs: &mut [u64; 9]) -> Answer {
    suite::fail_for_good(format_args!("an hcall"), "unexpected-interrupt")
}

/// An interrupt: the state it left is not one to run on in.
pub(crate) extern "C" fn exception(_cpu: &PerCpu, vector: u64, regs: &mut Regs) -> u64 {
    let why = format_args!(
        "vector {vector:#x} at {:#x}, DAR {:#x}",
        regs.pc,
        ppc64::mfspr!(DAR)
    );
    let reason = if vector == 0x200 {
        "machine-check"
    } else {
        "unexpected-interrupt"
    };
    suite::fail_for_good(why, reason)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    match info.location() {
        Some(at) => suite::fail(format_args!(
            "{} at {}:{}",
            info.message(),
            at.file(),
            at.line()
        )),
        None => suite::fail(format_args!("{}", info.message())),
    }
    println!("panic: {}", info.message());
    machine("panic")
}
