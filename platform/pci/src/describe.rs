//! Reading what a function is, and silencing it: [`describe`].

use crate::caps::CapSet;
use crate::config::{
    BAR0, COMMAND, ConfigSpace, HEADER_TYPE, INTERRUPT_PIN, REVISION, ROM, SUBSYSTEM, bridge,
    command,
};
use crate::scan::MULTIFUNCTION;
use crate::{
    Bar, BarKind, BridgePort, Function, Isolation, MsiCap, MsixCap, MsixTable, Path, Role,
};
use ioda::{Bdf, CfgError, CfgOffset, CfgWidth};

/// What kind of port a bridge is, by its PCI Express capability.
pub(crate) fn port_of(
    config: &mut ConfigSpace<'_>,
    express: Option<CfgOffset>,
) -> Result<BridgePort, CfgError> {
    let Some(flags) = express.and_then(|cap| cap.plus(2)) else {
        return Ok(BridgePort::Conventional);
    };
    Ok(match config.read16(flags)? >> 4 & 0xf {
        4 | 6 => BridgePort::Down,
        5 => BridgePort::Up,
        _ => BridgePort::Conventional,
    })
}

/// Makes what comes up through the port go to the host: with its own requester id, and never across to a sibling.
///
/// PCI Express Base 3.1, "ACS": source validation, request and completion redirect, upstream forwarding.
pub(crate) fn isolate_peers(
    config: &mut ConfigSpace<'_>,
    acs: Option<CfgOffset>,
) -> Result<(), CfgError> {
    const WANTED: u16 = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4;
    let (Some(capability), Some(control)) =
        (acs.and_then(|at| at.plus(4)), acs.and_then(|at| at.plus(6)))
    else {
        return Ok(());
    };
    let offered = config.read16(capability)?;
    config.write16(control, offered & WANTED)
}

/// Silences a function and reads what it is.
pub(crate) fn describe(
    config: &mut ConfigSpace<'_>,
    ids: u32,
    bdf: Bdf,
    path: Path,
    (parent, isolation): (Option<usize>, Isolation),
) -> Result<Function, CfgError> {
    let header = config.read8(HEADER_TYPE)? & !MULTIFUNCTION;
    let is_bridge = header == 1;
    // A bridge decodes nothing before its windows are set; its error reporting stays as the host set it.
    let kept = if is_bridge {
        (command::PARITY | command::SERR) as u16
    } else {
        0
    };
    let before = config.read16(COMMAND)?;
    config.write16(COMMAND, before & kept)?;
    let caps = CapSet::read(config)?;
    let class = config.read32(REVISION)?;
    let subsystem = if is_bridge {
        0
    } else {
        config.read32(SUBSYSTEM)?
    };
    let bars = if header <= 1 {
        size_bars(config, if is_bridge { 2 } else { 6 }, path)?
    } else {
        [None; 6]
    };
    config.write32(if is_bridge { bridge::ROM } else { ROM }, 0)?;
    let pin = config.read8(INTERRUPT_PIN)?;
    if !is_bridge {
        // Between the functions of one device, as between a switch's ports.
        isolate_peers(config, caps.acs)?;
    }
    Ok(Function {
        bdf,
        path,
        parent,
        vendor: ids as u16,
        device: (ids >> 16) as u16,
        subsystem: (subsystem as u16, (subsystem >> 16) as u16),
        class: class >> 8,
        revision: class as u8,
        role: Role::Endpoint,
        isolation,
        bars,
        intx: pin.checked_sub(1).filter(|pin| *pin < 4),
        msi: read_msi(config, caps.msi)?,
        msix: read_msix(config, caps.msix, &bars, path)?,
        has_flr: has_flr(config, &caps)?,
        caps,
    })
}

/// Sizes the first `count` BARs, leaving them at 0.
fn size_bars(
    config: &mut ConfigSpace<'_>,
    count: u16,
    path: Path,
) -> Result<[Option<Bar>; 6], CfgError> {
    let mut bars = [None; 6];
    let mut is_upper = false;
    for index in 0..count {
        if core::mem::take(&mut is_upper) {
            continue;
        }
        let Some(at) = bar_offset(index) else { break };
        let low = probe(config, at)?;
        let upper = bar_offset(index.saturating_add(1)).filter(|_| index.saturating_add(1) < count);
        let bar = match (low & 7, upper) {
            (0 | 2, _) | (4 | 6, None) if low == 0 => None,
            (flags, _) if flags & 1 != 0 => sized(
                BarKind::Io,
                u64::from(low & !3 | 0xffff_0000) | 0xffff_ffff_0000_0000,
                3 & low,
            ),
            (0, _) => sized(
                BarKind::Mem32,
                u64::from(low & !0xf) | 0xffff_ffff_0000_0000,
                low & 0xf,
            ),
            (4, Some(upper)) => {
                is_upper = true;
                let mask = u64::from(probe(config, upper)?) << 32 | u64::from(low & !0xf);
                let kind = if low & 8 != 0 {
                    BarKind::Mem64Prefetch
                } else {
                    BarKind::Mem64
                };
                sized(kind, mask, low & 0xf)
            }
            _ => {
                log::warn!("{path}: BAR {index} has type bits {low:#x}, it is left alone");
                None
            }
        };
        if let Some(slot) = bars.get_mut(usize::from(index)) {
            *slot = bar;
        }
    }
    Ok(bars)
}

pub(crate) fn bar_offset(index: u16) -> Option<CfgOffset> {
    CfgOffset::new(index.checked_mul(4)?.checked_add(BAR0)?)
}

/// Writes all ones, reads what stays, and leaves 0.
fn probe(config: &mut ConfigSpace<'_>, at: CfgOffset) -> Result<u32, CfgError> {
    config.write32(at, u32::MAX)?;
    let mask = config.read32(at)?;
    config.write32(at, 0)?;
    Ok(mask)
}

/// A BAR whose writable bits are `mask`: a run of ones down to its size, else it is none.
fn sized(kind: BarKind, mask: u64, flags: u32) -> Option<Bar> {
    let bytes = mask & mask.wrapping_neg();
    (mask == bytes.wrapping_neg() && (16..=1 << 50).contains(&bytes)).then_some(Bar {
        kind,
        bytes,
        flags,
    })
}

fn read_msi(
    config: &mut ConfigSpace<'_>,
    at: Option<CfgOffset>,
) -> Result<Option<MsiCap>, CfgError> {
    let Some((at, control)) = at.and_then(|at| Some((at, at.plus(2)?))) else {
        return Ok(None);
    };
    let flags = config.read16(control)?;
    config.write16(
        control,
        flags & !crate::msi::MSI_ENABLE & !crate::msi::MSI_COUNT,
    )?;
    Ok(Some(MsiCap {
        at,
        vectors: 1 << (flags >> 1 & 7).min(5),
        has_64bit: flags & 1 << 7 != 0,
        has_mask: flags & 1 << 8 != 0,
    }))
}

fn read_msix(
    config: &mut ConfigSpace<'_>,
    at: Option<CfgOffset>,
    bars: &[Option<Bar>; 6],
    path: Path,
) -> Result<Option<MsixCap>, CfgError> {
    let places = at.and_then(|at| Some((at, at.plus(2)?, at.plus(4)?)));
    let Some((at, control, table)) = places else {
        return Ok(None);
    };
    let flags = config.read16(control)?;
    config.write16(control, flags & !crate::msi::MSIX_ENABLE)?;
    let vectors = (flags & 0x7ff).saturating_add(1);
    let word = config.read32(table)?;
    let table = MsixTable {
        bar: word as u8 & 7,
        offset: word & !7,
    };
    let end = u64::from(table.offset).saturating_add(u64::from(vectors).saturating_mul(16));
    let bar = bars.get(usize::from(table.bar)).copied().flatten();
    if bar.is_none_or(|bar| bar.kind == BarKind::Io || end > bar.bytes) {
        log::warn!("{path}: its MSI-X table is in no BAR, it gets no MSI-X");
        return Ok(None);
    }
    Ok(Some(MsixCap { at, vectors, table }))
}

fn has_flr(config: &mut ConfigSpace<'_>, caps: &CapSet) -> Result<bool, CfgError> {
    const EXPRESS_FLR: u32 = 1 << 28;
    const ADVANCED_FLR: u8 = 1 << 1;
    if let Some(capabilities) = caps.express.and_then(|cap| cap.plus(4)) {
        return Ok(config.read(capabilities, CfgWidth::Word)? & EXPRESS_FLR != 0);
    }
    match caps.advanced.and_then(|cap| cap.plus(3)) {
        Some(capabilities) => Ok(config.read8(capabilities)? & ADVANCED_FLR != 0),
        None => Ok(false),
    }
}
