//! Finds out what machine this is: device tree, console, clock, power switch.

use crate::memory::reserved_bytes;
use crate::stop::{self, Reason};
use crate::{console, memory};
use powernv::{
    ChassisControl, EccbLpc, IpmiBt, IsaDevice, MachineInfo, Pcb, RealRange, TREE_HEADER_BYTES,
    Uart, Xscom, tree_bytes,
};
use ppc64::spr::timebase;
use realio::{IO, Io};
use realmem::Range;
use spin::Once;

static INFO: Once<MachineInfo<'static>> = Once::new();
static LPC: Once<EccbLpc<Io>> = Once::new();

/// Where every POWER8 system has its first chip's XSCOM window, for a console before the device tree
/// was understood. Source: skiboot `include/chip.h`, QEMU powernv8; the tree decides afterwards.
const DEFAULT_XSCOM: u64 = 0x0003_fc00_0000_0000;
/// The ECCB's first register; `isa@b0020` in the tree.
const DEFAULT_ECCB: Pcb = Pcb(0xb0020);
/// The first serial port.
const DEFAULT_UART: IsaDevice = IsaDevice {
    port: 0x3f8,
    irq: Some(4),
    clock_hz: None,
};

fn lpc(xscom: u64, eccb: Pcb) -> EccbLpc<Io> {
    EccbLpc::new(Xscom::new(IO, xscom), eccb)
}

/// Starts the console where every POWER8 has it, so that even a missing device tree gets a message.
pub(crate) fn early_console() {
    if let Ok(Some(uart)) = Uart::new(lpc(DEFAULT_XSCOM, DEFAULT_ECCB), &DEFAULT_UART) {
        console::start(uart);
    }
}

/// Reads the device tree at `fdt`, moves the console to where it says, takes over the memory, and
/// returns what was found. Stops the machine when it is none that Bulkhead knows.
pub(crate) fn machine(fdt: u64, image_end: u64) -> &'static MachineInfo<'static> {
    let refuse = |what: core::fmt::Arguments<'_>| -> ! {
        log::error!("device tree at {fdt:#x}: {what}");
        stop::machine(Reason::BadMachine)
    };
    /// Below here is memory on every POWER machine, so a header can be looked for.
    const LOW_MEMORY: u64 = 1 << 30;
    if fdt < image_end || fdt & 7 != 0 || fdt > LOW_MEMORY - (1 << 20) {
        refuse(format_args!("no tree can be there"));
    }
    let header = reserved_bytes(Range {
        start: fdt,
        end: fdt + TREE_HEADER_BYTES as u64,
    });
    let bytes = match tree_bytes(header) {
        Ok(bytes) => bytes as u64,
        Err(error) => refuse(format_args!("{error}")),
    };
    let tree = Range {
        start: fdt,
        end: fdt + bytes,
    };
    let info = match MachineInfo::from_fdt(reserved_bytes(tree)) {
        Ok(info) => INFO.call_once(|| info),
        Err(error) => refuse(format_args!("{error}")),
    };
    console::set_timebase_hz(info.cpu.timebase_hz.into());
    if let Some(found) = &info.lpc
        && let Some(chip) = info.chip(found.chip)
    {
        let lpc = LPC.call_once(|| lpc(chip.xscom.base, found.eccb));
        match found.uart.as_ref().map(|device| Uart::new(*lpc, device)) {
            Some(Ok(Some(uart))) => console::start(uart),
            Some(Ok(None)) | None => {
                log::warn!("device tree names no working UART: the console stays at 3f8")
            }
            Some(Err(error)) => log::warn!("UART: {error}"),
        }
    }
    let all = info.memory.iter().map(|memory| range(&memory.range));
    let used = [
        Range {
            start: 0,
            end: image_end,
        },
        tree,
    ];
    let kept = used
        .into_iter()
        .chain(info.initrd.iter().map(range))
        .chain(info.reserved.iter().map(range));
    if memory::start(all, kept).is_err() {
        refuse(format_args!("not enough memory, or in too many pieces"));
    }
    info
}

/// Turns the tree's range into the allocator's.
pub(crate) fn range(range: &RealRange) -> Range {
    Range {
        start: range.base,
        end: range.end(),
    }
}

/// Returns the LPC bus, when the tree has one.
pub(crate) fn lpc_bus() -> Option<&'static EccbLpc<Io>> {
    LPC.get()
}

/// Returns the machine, once [`machine`] has read its tree.
pub(crate) fn info() -> Option<&'static MachineInfo<'static>> {
    INFO.get()
}

/// Turns the machine off by its service processor, if it has one. Returns when it has none or it
/// does not do it.
pub(crate) fn power_off() {
    let (Some(lpc), Some(device)) = (
        lpc_bus(),
        info()
            .and_then(|info| info.lpc.as_ref())
            .and_then(|lpc| lpc.ipmi_bt),
    ) else {
        return;
    };
    let start = timebase();
    let mut bt = IpmiBt::new(*lpc, &device);
    // One second for the service processor to take the request; the machine may be gone before.
    let _ = bt.chassis(ChassisControl::PowerDown, || {
        timebase().wrapping_sub(start) > 512_000_000
    });
    let start = timebase();
    while timebase().wrapping_sub(start) < 512_000_000 {
        ppc64::power::relax();
    }
}

/// Logs what the machine is made of.
pub(crate) fn banner(info: &MachineInfo<'_>) {
    const MIB: u64 = 1 << 20;
    log::info!(
        "{}: {} cores, {} threads, PVR {:#010x}, time base {} MHz",
        info.model,
        info.cores.len(),
        info.threads().count(),
        info.cpu.pvr,
        info.cpu.timebase_hz / 1_000_000
    );
    for core in &info.cores {
        for thread in &core.threads {
            log::info!(
                "  thread {:#x} on chip {}, interrupts at {:#x}",
                thread.pir,
                core.chip,
                thread.icp
            );
        }
    }
    for memory in &info.memory {
        log::info!(
            "  memory {:#x}..{:#x} ({} MiB) on chip {}",
            memory.range.base,
            memory.range.end(),
            memory.range.size / MIB,
            memory.chip
        );
    }
}
