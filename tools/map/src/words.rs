//! Numbers and classes in words.

use crate::{Bar, Function, Generation, Role};
use ioda::RidRule;
use pci::Place;

/// Bytes with the largest unit that leaves a whole number.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let step = (bytes.trailing_zeros() / 10).min(6);
    let step = if bytes == 0 { 0 } else { step };
    format!("{} {}", bytes >> (step * 10), UNITS[step as usize])
}

pub(crate) fn generation(generation: Generation) -> &'static str {
    match generation {
        Generation::Ioda1 => "P7IOC (IODA1)",
        Generation::Ioda2 => "PHB3 (IODA2)",
    }
}

pub(crate) fn rids(rule: RidRule) -> String {
    match rule {
        RidRule::AnySet => "any set".into(),
        RidRule::OneSelection { max_bus_shift } => format!(
            "an aligned range of 1 to {} buses, or of it one device, one function",
            1u32 << max_bus_shift.min(8)
        ),
    }
}

/// What a class code means. Source: PCI Code and ID Assignment Specification 1.11.
fn class(class: u32) -> String {
    let name = match class >> 8 {
        0x0101 => "IDE",
        0x0104 => "RAID",
        0x0106 => "SATA",
        0x0107 => "SAS",
        0x0108 => "NVMe",
        0x0200 => "Ethernet",
        0x0207 => "InfiniBand",
        0x0300 => "display",
        0x0302 => "3D",
        0x0604 => "bridge",
        0x0c03 => "USB",
        0x0c04 => "Fibre Channel",
        0x1200 => "accelerator",
        _ => return format!("class {class:06x}"),
    };
    name.into()
}

/// A function in one line.
pub(crate) fn function(function: &Function) -> String {
    let path = function.path.to_string();
    let place = path.rsplit('/').next().unwrap_or("");
    match (&function.found, function.role) {
        (Some(found), _) => {
            let (vendor, device) = found.id;
            let mut text = format!("{} {vendor:04x}:{device:04x} ", found.bdf);
            match found.below {
                Some((first, last, ..)) if first == last => {
                    text += &format!("bridge, bus {first:02x}");
                }
                Some((first, last, ..)) => {
                    text += &format!("bridge, buses {first:02x} to {last:02x}");
                }
                None => text += &class(found.class),
            }
            text
        }
        (None, Role::Bridge) => match model(function) {
            "" if function.depth() == 0 => format!("{place} root port"),
            "" => format!("{place} bridge"),
            model => format!("{place} {model}, bridge"),
        },
        (None, Role::Device) => format!("{place} {}", model(function)).trim_end().to_owned(),
    }
}

/// What QEMU puts there, without its properties.
fn model(function: &Function) -> &str {
    let want = function
        .want
        .as_ref()
        .and_then(|want| want.model.as_deref());
    want.and_then(|model| model.split(',').next()).unwrap_or("")
}

pub(crate) fn bar(bar: &Bar) -> String {
    let place = match bar.place {
        Place::M32 => "M32".into(),
        Place::M64(window) => format!("M64 window {}", window.0),
    };
    format!(
        "BAR {}: {} at bus {:#x}, {place}",
        bar.index,
        bytes(bar.bytes),
        bar.pci
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_largest_unit_that_fits() {
        for (number, text) in [
            (0, "0 bytes"),
            (512, "512 bytes"),
            (1 << 10, "1 KiB"),
            (1536, "1536 bytes"),
            (3 << 20, "3 MiB"),
            (1 << 63, "8 EiB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }
}
