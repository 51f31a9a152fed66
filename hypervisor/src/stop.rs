//! The ends of the machine: power-off, panic, machine check, unexpected interrupt. Each prints one
//! line `STOP <reason>` that programs recognise, powers the machine off where it can, and parks.
#![expect(
    unsafe_code,
    reason = "breaks locks of threads that will not go on; reads the image"
)]

use crate::console;
use ::console::Line;
use core::fmt::Write;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use lock::Mutex;
use ppc64::PerCpu;
use ppc64::context::Regs;
use symtab::Symbols;

/// Why the machine stops.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reason {
    /// All partitions are off.
    PowerOff,
    /// A defect of the hypervisor.
    Panic,
    /// A machine check in the hypervisor.
    MachineCheck,
    /// An interrupt that cannot be.
    UnexpectedInterrupt,
    /// The machine lacks what Bulkhead needs.
    BadMachine,
    /// There is no bundle, or it asks for what cannot be given.
    BadBundle,
}

impl Reason {
    const fn name(self) -> &'static str {
        match self {
            Self::PowerOff => "power-off",
            Self::Panic => "panic",
            Self::MachineCheck => "machine-check",
            Self::UnexpectedInterrupt => "unexpected-interrupt",
            Self::BadMachine => "bad-machine",
            Self::BadBundle => "bad-bundle",
        }
    }
}

static STOPPING: AtomicBool = AtomicBool::new(false);

/// Returns whether the machine is being stopped: threads then leave their guests and park.
pub(crate) fn stopping() -> bool {
    STOPPING.load(SeqCst)
}

/// Stops the machine. Of several threads the first does it.
pub(crate) fn machine(reason: Reason) -> ! {
    if STOPPING.swap(true, SeqCst) {
        ppc64::power::park();
    }
    console::seize();
    let mut text = Line::<64>::new();
    let _ = write!(text, "STOP {}", reason.name());
    console::line(text.as_str());
    console::flush();
    crate::probe::power_off();
    ppc64::power::park()
}

/// Frees `lock`, whose holder will not go on.
pub(crate) fn break_lock<T>(lock: &Mutex<T>) {
    if lock.is_locked() {
        // SAFETY: the machine is stopping: no thread runs on in what the lock protects.
        unsafe { lock.force_unlock() }
    }
}

fn say(args: core::fmt::Arguments<'_>) {
    let mut text = Line::<200>::new();
    let _ = text.write_fmt(args);
    console::line(text.as_str());
}

unsafe extern "C" {
    static __text_start: u8;
    static __text_end: u8;
    static __symbols_start: u8;
    static __symbols_end: u8;
}

fn symbols() -> Option<Symbols<'static>> {
    let start = &raw const __symbols_start;
    let bytes = (&raw const __symbols_end as usize).saturating_sub(start as usize);
    // SAFETY: the linker script keeps this room in the image for the table; nothing writes it.
    Symbols::parse(unsafe { core::slice::from_raw_parts(start, bytes) })
}

fn is_code(address: u64) -> bool {
    (&raw const __text_start as u64..&raw const __text_end as u64).contains(&address)
}

fn show_frame(symbols: Option<&Symbols<'_>>, address: u64) {
    match symbols.and_then(|table| table.find(address)) {
        Some(symbol) => say(format_args!(
            "  {address:#010x} {symbol}+{:#x}",
            symbol.offset
        )),
        None => say(format_args!("  {address:#010x}")),
    }
}

fn backtrace(cpu: &PerCpu, pc: Option<u64>, sp: u64) {
    let symbols = symbols();
    say(format_args!("back-trace:"));
    if let Some(pc) = pc {
        show_frame(symbols.as_ref(), pc);
    }
    for address in ppc64::trace::frames(sp, boot::stack(cpu.index, sp), 32).filter(|&a| is_code(a))
    {
        show_frame(symbols.as_ref(), address);
    }
}

/// An interrupt that the hypervisor cannot go on from: shows all, stops the machine.
pub(crate) fn crash(cpu: &PerCpu, what: &str, vector: u64, regs: &Regs) -> ! {
    if stopping() {
        ppc64::power::park();
    }
    console::seize();
    say(format_args!(
        "cpu{} (PIR {:#x}): {what}: vector {vector:#x}",
        cpu.index,
        ppc64::power::pir()
    ));
    say(format_args!(
        "pc {:016x} msr {:016x} lr {:016x} ctr {:016x} cr {:08x} xer {:08x}",
        regs.pc, regs.msr, regs.lr, regs.ctr, regs.cr, regs.xer
    ));
    say(format_args!(
        "dar {:016x} dsisr {:08x} hdar {:016x} hdsisr {:08x} heir {:08x}",
        ppc64::mfspr!(DAR),
        ppc64::mfspr!(DSISR),
        ppc64::mfspr!(HDAR),
        ppc64::mfspr!(HDSISR),
        ppc64::mfspr!(HEIR)
    ));
    for (row, four) in regs.gpr.chunks_exact(4).enumerate() {
        if let [a, b, c, d] = four {
            say(format_args!(
                "r{:<2} {a:016x} {b:016x} {c:016x} {d:016x}",
                row * 4
            ));
        }
    }
    let [_, sp, ..] = regs.gpr;
    backtrace(cpu, Some(regs.pc), sp);
    machine(if vector == 0x200 {
        Reason::MachineCheck
    } else {
        Reason::UnexpectedInterrupt
    })
}

/// Fails as the machine's boot arguments ask for with `bulkhead.crash=panic`, `machine-check` or
/// `interrupt`: shows that a failure is told as it should be.
#[expect(clippy::panic, reason = "what was asked for")]
pub(crate) fn crash_if_asked(bootargs: &str) {
    /// No chip has anything there: bits 0:15 of a real address are not decoded.
    const NOWHERE: u64 = 0x00ff_0000_0000_0000;
    let asked = bootargs
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix("bulkhead.crash="));
    match asked {
        Some("panic") => panic!("asked for by the boot arguments"),
        Some("machine-check") => {
            let read = powernv::PhysIo::read64(&realio::IO, NOWHERE);
            log::error!("the load from nowhere gave {read:#x}");
        }
        Some("interrupt") => ppc64::trace::trap(),
        Some(other) => log::warn!("boot arguments: bulkhead.crash={other} is unknown"),
        None => {}
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let cpu = PerCpu::current();
    if stopping() {
        ppc64::power::park();
    }
    console::seize();
    match info.location() {
        Some(at) => say(format_args!(
            "cpu{}: panic at {}:{}: {}",
            cpu.index,
            at.file(),
            at.line(),
            info.message()
        )),
        None => say(format_args!("cpu{}: panic: {}", cpu.index, info.message())),
    }
    backtrace(cpu, None, ppc64::trace::stack_pointer());
    machine(Reason::Panic)
}
