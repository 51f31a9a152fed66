//! The devices: four functions of three devices below a switch.

use crate::Chip;
use crate::spec::Facts;
use alloc::format;
use alloc::string::String;
use ioda::{Bdf, CfgOffset, CfgWidth, Ioda, Rid};
use ioda_model::{Device, Fabric};

/// The functions' requester ids.
pub(crate) const FUNCTIONS: [Rid; 4] = [
    Rid::new(3, 0, 0),
    Rid::new(3, 0, 1),
    Rid::new(4, 0, 0),
    Rid::new(5, 0, 0),
];
/// The first function's index in the fabric.
const FIRST: usize = 5;
/// The 32-bit segment of each.
const SEGMENTS: [u16; 4] = [2, 3, 4, 126];
/// BARs of each: 32 bits and 1 MiB, 64 bits and 16 MiB.
pub(crate) const BARS: usize = 2;
/// log2 of the distance of the 64-bit ones.
const WIDE_SHIFT: u8 = 28;

/// The index of the function with this requester id.
pub(crate) fn function_of(rid: Rid) -> Option<usize> {
    let found = FUNCTIONS.iter().position(|function| *function == rid);
    found.map(|index| FIRST + index)
}

/// PCI address of a BAR.
fn bar_pci(facts: &Facts, function: usize, bar: usize) -> u64 {
    if bar == 0 {
        facts.m32.pci + (u64::from(SEGMENTS[function]) << facts.m32.shift)
    } else {
        facts.m64.0 + ((function as u64) << WIDE_SHIFT)
    }
}

/// Real address of a BAR.
pub(crate) fn bar_real(facts: &Facts, function: usize, bar: usize) -> u64 {
    let pci = bar_pci(facts, function, bar);
    if bar == 0 {
        pci - facts.m32.pci + facts.m32.real
    } else {
        pci
    }
}

/// A root port, a switch with three ports down; the first device has two functions.
pub(super) fn fabric(chip: Chip) -> Fabric {
    let root = match chip {
        // The chip says a wrong class.
        Chip::P7ioc => Device::bridge(0x1014, 0x03b9, 4).with_config(0x08, 4, 0x1200_0001),
        Chip::Phb3 => Device::bridge(0x1014, 0x03dc, 4),
    };
    let mut fabric = Fabric::new(root);
    let up = fabric.add(0, 0, Device::bridge(0x104c, 0x8232, 5));
    let [first, second, third] =
        [0, 8, 16].map(|devfn| fabric.add(up, devfn, Device::bridge(0x104c, 0x8233, 6)));
    let device = || {
        Device::endpoint(0x1234, 0x11e8, 0x00_ff00)
            .with_bar32(0, 1 << 20)
            .with_bar64(2, 1 << 24)
            .with_express(0, 0)
            .with_msi(3)
    };
    fabric.add(first, 0, device().multifunction());
    fabric.add(first, 1, device().multifunction());
    fabric.add(second, 0, device());
    fabric.add(third, 0, device());
    fabric
}

/// Numbers buses and places all BARs, decoding and mastering, as whoever enumerates the bus does.
pub(crate) fn place(chip: Chip, ioda: &mut dyn Ioda) -> Result<(), String> {
    let facts = Facts::of(chip);
    let mut write = |bdf: Bdf, at: u16, value: u32| {
        ioda.cfg_write(bdf, CfgOffset::at(at), CfgWidth::Word, value)
            .map_err(|error| format!("placing {bdf}: {error:?}"))
    };
    let bridges = [
        (Bdf::new(0, 0, 0), 0x0005_0100, None),
        (Bdf::new(1, 0, 0), 0x0005_0201, Some(0..4)),
        (Bdf::new(2, 0, 0), 0x0003_0302, Some(0..2)),
        (Bdf::new(2, 1, 0), 0x0004_0402, Some(2..3)),
        (Bdf::new(2, 2, 0), 0x0005_0502, Some(3..4)),
    ];
    for (bdf, buses, below) in bridges {
        write(bdf, 0x18, buses)?;
        // The root port forwards everything while its windows are closed.
        if let Some(below) = below {
            let last = below.end - 1;
            let narrow = bar_pci(&facts, below.start, 0) as u32 >> 16;
            let narrow_end = (bar_pci(&facts, last, 0) + (1 << facts.m32.shift) - 1) as u32;
            write(bdf, 0x20, narrow_end & 0xfff0_0000 | narrow & 0xfff0)?;
            let wide = bar_pci(&facts, below.start, 1);
            let wide_end = bar_pci(&facts, last, 1) + (1 << WIDE_SHIFT) - 1;
            let low = wide as u32 >> 16 & 0xfff0;
            write(bdf, 0x24, wide_end as u32 & 0xfff0_0000 | low)?;
            write(bdf, 0x28, (wide >> 32) as u32)?;
            write(bdf, 0x2c, (wide_end >> 32) as u32)?;
        }
        write(bdf, 0x04, 0x6)?;
    }
    for (function, rid) in FUNCTIONS.into_iter().enumerate() {
        let wide = bar_pci(&facts, function, 1);
        write(rid, 0x10, bar_pci(&facts, function, 0) as u32)?;
        write(rid, 0x18, wide as u32)?;
        write(rid, 0x1c, (wide >> 32) as u32)?;
        write(rid, 0x04, 0x6)?;
    }
    Ok(())
}
