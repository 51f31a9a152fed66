//! P7IOCs over the machine's PHB3s: their driver and the model of their registers, joined by `relay`. One hub with one
//! bridge stands for each PHB3.

use crate::bridge::{Bridge, StartError, poll, start_phb3};
use crate::devices::bridges;
use crate::memory::{self, keep};
use alloc::vec::Vec;
use core::fmt;
use ioda::{
    Bdf, Caps, DmaModel, DmaWindow, Inject, InjectAccess, InjectRepeat, InjectTarget, Injection,
    Ioda, IrqBackend, MmioIo, MsiBlock, MsiSource, PeNumber, PhbId, Seen,
};
use ioda_model::{Device, Fabric, P7ioc, P7iocBlock};
use lock::Mutex;
use lpar::eeh::EehError;
use lpar::machine::DeviceMemory;
use p7ioc::hub::{Facts, Hub, HubEvent, Processor, Units};
use p7ioc::{Cause, ErrorLog};
use papr_abi::RealAddr;
use phb3::Bases;
use realio::{DeviceRegisters, IO, Registers, SideBand};
use relay::{Relay, RelayPort, RelayRegs, Trees};

/// A bridge, exclusively.
pub(crate) type Host = p7ioc::Phb<RelayRegs<Registers, SideBand>>;
/// What all threads use of it without a lock.
pub(crate) type HostPort = RelayPort<Registers, SideBand>;

/// Registers of devices, but for those of stopped endpoints, which read as all ones.
#[derive(Debug)]
pub(crate) struct Guarded;

/// Registers of devices, for partitions' calls.
pub(crate) static DEVICE_MEMORY: &dyn DeviceMemory = &Guarded;
/// And for the image itself.
pub(crate) static DEVICE_REGISTERS: Guarded = Guarded;

/// Makes one access to the device register at `real`; `None` if its segment's endpoint is stopped: the machine would not
/// take a load from there well.
fn reach<T>(real: u64, access: impl FnOnce() -> T) -> Option<T> {
    let place = bridges().iter().find_map(|bridge| {
        let m32 = bridge.port.m32();
        let offset = real
            .checked_sub(m32.real)
            .filter(|offset| *offset < m32.bytes())?;
        let segment = u16::try_from(offset >> m32.segment_shift).ok()?;
        Some((bridge.port.relay(), segment))
    });
    match place {
        Some((relay, segment)) => relay.reach(segment, access),
        None => Some(access()),
    }
}

impl DeviceMemory for Guarded {
    fn load(&self, at: RealAddr, bytes: u64) -> u64 {
        reach(at.0, || IO.load(at, bytes))
            .unwrap_or_else(|| u64::MAX.wrapping_shr(64u32.saturating_sub(bytes as u32 * 8)))
    }
    fn store(&self, at: RealAddr, bytes: u64, value: u64) {
        // Dropped where it is not made.
        let _ = reach(at.0, || IO.store(at, bytes, value));
    }
}

impl MmioIo for Guarded {
    fn read32(&self, real: u64) -> u32 {
        reach(real, || DeviceRegisters.read32(real)).unwrap_or(u32::MAX)
    }
    fn write32(&self, real: u64, value: u32) {
        let _ = reach(real, || DeviceRegisters.write32(real, value));
    }
}

/// Opens a bridge and starts its hub and the PHB3 below; it is not started itself.
pub(crate) fn open(
    place: u8,
    id: PhbId,
    bases: Bases,
    side_band: SideBand,
) -> Result<(&'static HostPort, Host), StartError> {
    let bridge =
        relay::bridge_of(id.index)
            .filter(|_| id.chip == 0)
            .ok_or(StartError::Unsupported(
                "a P7IOC stands for one of the first chip's first three bridges",
            ))?;
    let (real_port, mut real) = start_phb3(id, bases, side_band, relay::numbering(id.index))?;
    poll(|| real.poll())?;
    let m32 = real.pbcq().layout().m32;
    if m32.bytes >> 31 == 0 {
        return Err(StartError::Unsupported(
            "the 32-bit window has less than 2 GiB",
        ));
    }
    let trees = memory::take_table(Trees::ENTRIES, Trees::ALIGN).ok_or(StartError::Memory)?;
    let trees = Trees::new(trees).ok_or(StartError::Memory)?;
    // As the chip has it, wrong class and all.
    let root = Device::bridge(0x1014, 0x03b9, 4).with_config(0x08, 4, 0x1200_0001);
    let model = P7ioc::new(bridge, Fabric::new(root));
    let relay = keep(Relay::new(model, real, real_port, trees));
    relay.attach();
    let units = keep(Units::new(
        relay.regs(P7iocBlock::Bus),
        relay.regs(P7iocBlock::Crossbar),
        relay.regs(P7iocBlock::Global),
    ));
    let facts = Facts {
        chip: id.chip,
        gx: 0,
        processor: Processor::Power7,
        gx_bar1: P7ioc::BAR1,
        gx_bar2: P7ioc::BAR2,
        buid_ext: P7ioc::BUID_EXT,
        presence: Some(0x80u8.wrapping_shr(bridge.into())),
    };
    let mut hub = Hub::new(facts, units).map_err(|error| {
        log::error!("phb{place}: {error}");
        StartError::Unsupported("the hub")
    })?;
    poll(|| hub.poll())?;
    let mut layout = facts
        .phbs()
        .next()
        .ok_or(StartError::Unsupported("no bridge"))?;
    // PCI addresses from 3 GiB on are where the real bridge has them.
    layout.m32 = m32
        .real
        .wrapping_add(relay::M32_OFFSET)
        .wrapping_sub(layout.m32_real() - layout.m32);
    let port = keep(p7ioc::Port::new(relay.regs(P7iocBlock::Aib), &layout));
    let hub_port = hub
        .port(bridge)
        .ok_or(StartError::Unsupported("no bridge"))?;
    let mut host = p7ioc::Phb::new(layout, relay.regs(P7iocBlock::Asb), port, hub_port);
    poll(|| host.poll())?;
    HUBS.lock().push(Watched {
        place,
        hub,
        model: relay.model(),
        seen: Seen::new(),
    });
    leave_out_lossy(&mut host);
    Ok((keep(RelayPort::new(relay, port, host.caps().m32)), host))
}

/// QEMU's PHB3 forgets a rejected message whose number has bit 5 set (10.0, `phb3_msi_reject`): those stay unused.
fn leave_out_lossy(host: &mut Host) {
    const BLOCK: u16 = 32;
    /// An endpoint that no function gets before a hundred others have theirs.
    const PARK: PeNumber = PeNumber(126);
    let mut blocks = [const { None::<MsiBlock> }; 8];
    for block in &mut blocks {
        *block = host.msi_alloc(PARK, BLOCK).ok();
    }
    for block in blocks.into_iter().flatten() {
        if block.data & BLOCK == 0 && host.msi_free(&block).is_err() {
            log::warn!("messages {:#x} stay unused", block.data);
        }
    }
}

/// What a plan may count on: there are no 64-bit windows below.
pub(crate) fn plan_caps(host: &Host) -> Caps {
    Caps {
        m64: None,
        ..*host.caps()
    }
}

/// Says where a bridge is.
pub(crate) fn report(place: u8, host: &Host, port: &HostPort) {
    let caps = host.caps();
    let DmaModel::SharedSlots { count, slot_shift } = caps.dma else {
        return;
    };
    log::info!(
        "phb{place}: P7IOC bridge {} (registers by the model, over a PHB3), {} segments of {:#x} bytes at {:#x}, bus {:#x}; \
         {count} DMA slots of {:#x}; interrupts {:#x}..{:#x}",
        host.layout().bridge,
        caps.m32.segments,
        1u64.wrapping_shl(caps.m32.segment_shift.into()),
        caps.m32.real,
        caps.m32.pci,
        1u64.wrapping_shl(slot_shift.into()),
        port.irqs().start,
        port.irqs().end
    );
    for complaint in port.relay().model().complaints() {
        log::warn!("phb{place}: the model complains: {complaint}");
    }
}

/// What a function has to be given for messages of `block` to arrive.
pub(crate) fn message_block(port: &HostPort, bdf: Bdf, block: MsiBlock) -> Option<MsiBlock> {
    port.relay()
        .message_block(bdf, &block)
        .map_err(|refusal| log::warn!("{bdf}: messages: {refusal}"))
        .ok()
}

/// A hub, and what was last seen of its errors.
struct Watched {
    place: u8,
    hub: Hub<RelayRegs<Registers, SideBand>>,
    model: &'static P7ioc,
    seen: Seen<HubEvent, 32>,
}

static HUBS: Mutex<Vec<Watched>> = Mutex::new(Vec::new());

/// Tells what is new of the hubs, and ends what stops nothing.
pub(crate) fn watch_hubs() {
    let Some(mut hubs) = HUBS.try_lock() else {
        return;
    };
    for Watched {
        place, hub, seen, ..
    } in hubs.iter_mut()
    {
        seen.look(hub.scan(), |event| match event {
            // The bridge's own word says more.
            HubEvent::Bridge(_) => {}
            HubEvent::Info(_) => log::warn!("the hub of phb{place}: {event}"),
            HubEvent::Dead(_) | HubEvent::Fenced(..) => {
                log::error!("the hub of phb{place}: {event}");
            }
        });
        for event in hub.scan() {
            if let HubEvent::Info(error) = event {
                hub.clear(&error);
            }
        }
    }
}

/// Has the model of `bridge` shut itself off.
pub(crate) fn shut_off(bridge: &Bridge) -> Result<(), EehError> {
    let hubs = HUBS.lock();
    let watched = hubs.iter().find(|watched| watched.place == bridge.index);
    let watched = watched.ok_or(EehError::Unsupported)?;
    watched.model.fence();
    Ok(())
}

/// Why an endpoint is stopped.
pub(crate) fn why(host: &mut Host, pe: PeNumber) -> impl fmt::Display + use<> {
    Why {
        cause: host.pest(pe).map(Cause).ok(),
        latched: host.error_log(),
    }
}

/// Why a bridge is off, or what it has met otherwise.
pub(crate) fn why_off(host: &mut Host) -> impl fmt::Display + use<> {
    Why {
        cause: None,
        latched: host.error_log(),
    }
}

/// The bridge's note of the error that stopped an endpoint, and all that it has latched.
struct Why {
    cause: Option<Cause>,
    latched: Option<ErrorLog>,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cause) = self.cause {
            write!(f, "{cause}; ")?;
        }
        match &self.latched {
            Some(latched) => latched.fmt(f),
            None => f.write_str("it is being reset"),
        }
    }
}

/// Injects an error into DMA through `window`, which stops its endpoint; returns whether it does.
pub(crate) fn make_error(host: &mut Host, window: &DmaWindow) -> bool {
    let injection = Injection {
        target: InjectTarget::Dma(window.tve),
        access: InjectAccess::Write,
        repeat: InjectRepeat::Once,
    };
    host.inject(window.pe, injection)
        .inspect_err(|error| log::error!("{}: {error}", window.pe))
        .is_ok()
}
