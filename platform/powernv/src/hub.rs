//! POWER7's I/O hubs out of the device tree: [`IoHub`], [`io_hubs`].
//!
//! The nodes are what firmware makes of the hub records that the service processor leaves it; Source: skiboot as of
//! 2018, `hdata/iohub.c`. On POWER8 and later there are none.

use arrayvec::ArrayVec;

use crate::error::TreeError;
use crate::machine::RealRange;
use crate::node::Node;

/// Hubs kept account of: two links on each of four sockets' two chips.
pub const MAX_HUBS: usize = 16;
/// A hub's interrupt sources have seven bits above the nine of a unit's number.
const MAX_BUID_EXT: u32 = 0x7f;
/// Links of a processor chip.
const LINKS: u32 = 2;
/// A chip id has six bits.
const MAX_CHIP_ID: u32 = 63;
/// Bytes of a hub's first window, of which `reg` has the registers, and of its second.
const FIRST_BYTES: u64 = 8 << 30;
const SECOND_BYTES: u64 = 384 << 30;

/// A P7IOC, as its `io-hub` node tells of it: each value possible by itself, and no two hubs in each other's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoHub {
    /// `ibm,chip-id`: the processor chip that it hangs on.
    pub chip: u8,
    /// `ibm,gx-index`: which of that chip's links, 0 or 1.
    pub gx: u8,
    /// `ibm,gx-bar-1`: real address of the first window, registers and I/O space.
    pub gx_bar1: u64,
    /// `ibm,gx-bar-2`: real address of the second window, memory space.
    pub gx_bar2: u64,
    /// `ibm,buid-ext`: the 7 bits above the 9 of an interrupt source's unit.
    pub buid_ext: u8,
    /// `ibm,br1-presence-detect`: 0x80 for the first of six bridges, 0x40 for the second; absent: all are there.
    pub presence: Option<u8>,
}

impl IoHub {
    fn windows(&self) -> [RealRange; 2] {
        [
            RealRange {
                base: self.gx_bar1,
                size: FIRST_BYTES,
            },
            RealRange {
                base: self.gx_bar2,
                size: SECOND_BYTES,
            },
        ]
    }

    fn read(node: &Node<'_>) -> Result<Self, TreeError> {
        let below = |property, end: u32| match node.need_cell(property)? {
            value if value < end => Ok(value as u8),
            value => Err(node.absurd(property, value.into())),
        };
        let bar = |property, bytes| {
            let base = node.address(property)?.ok_or(TreeError::Missing {
                node: HUB,
                property,
            })?;
            RealRange::new(base, bytes).ok_or_else(|| node.absurd(property, base))?;
            // Address 0 is memory: the service processor has not set the window.
            if base == 0 {
                return Err(node.absurd(property, base));
            }
            Ok(base)
        };
        let presence = match node.cell("ibm,br1-presence-detect")? {
            None => None,
            Some(mask) => Some(
                u8::try_from(mask)
                    .map_err(|_| node.absurd("ibm,br1-presence-detect", mask.into()))?,
            ),
        };
        Ok(Self {
            chip: below("ibm,chip-id", MAX_CHIP_ID.saturating_add(1))?,
            gx: below("ibm,gx-index", LINKS)?,
            gx_bar1: bar("ibm,gx-bar-1", FIRST_BYTES)?,
            gx_bar2: bar("ibm,gx-bar-2", SECOND_BYTES)?,
            buid_ext: below("ibm,buid-ext", MAX_BUID_EXT.saturating_add(1))?,
            presence,
        })
    }
}

const HUB: &str = "io-hub";

/// The P7IOCs of the machine whose flattened device tree is at the start of `blob`, by rising chip and link; none on
/// machines that have no such hubs. What a hub's driver asks of these values besides is for it to check.
///
/// # Errors
/// [`TreeError`] for the first thing that is missing, malformed or impossible; two hubs on one link, with the same
/// interrupt sources, or with windows that meet.
pub fn io_hubs(blob: &[u8]) -> Result<ArrayVec<IoHub, MAX_HUBS>, TreeError> {
    let (root, _) = Node::root(blob)?;
    let mut hubs = ArrayVec::<IoHub, MAX_HUBS>::new();
    for node in root.children()? {
        let node = node?.called(HUB);
        if !node.is("ibm,p7ioc")? || !node.usable()? {
            continue;
        }
        let hub = IoHub::read(&node)?;
        for other in &hubs {
            check_apart(other, &hub)?;
        }
        hubs.try_push(hub)
            .map_err(|_| TreeError::TooMany("I/O hubs"))?;
    }
    hubs.sort_unstable_by_key(|hub| (hub.chip, hub.gx));
    Ok(hubs)
}

fn check_apart(first: &IoHub, second: &IoHub) -> Result<(), TreeError> {
    if (first.chip, first.gx) == (second.chip, second.gx) {
        return Err(TreeError::Duplicate {
            what: "I/O hub's link",
            value: second.gx.into(),
        });
    }
    if first.buid_ext == second.buid_ext {
        return Err(TreeError::Duplicate {
            what: "I/O hub's interrupt sources",
            value: second.buid_ext.into(),
        });
    }
    for theirs in first.windows() {
        for own in second.windows() {
            if theirs.overlaps(&own) {
                return Err(TreeError::Overlap {
                    what: "I/O hubs",
                    first: theirs.base,
                    second: own.base,
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vm_fdt::FdtWriter;

    /// A property's name and value.
    type Value = (&'static str, Vec<u8>);

    fn cell(value: u32) -> Vec<u8> {
        value.to_be_bytes().to_vec()
    }
    fn cells(value: u64) -> Vec<u8> {
        value.to_be_bytes().to_vec()
    }

    /// A hub of chip `chip` as firmware describes it.
    fn hub(chip: u32) -> Vec<Value> {
        vec![
            ("compatible", b"ibm,p7ioc\0ibm,ioda-hub\0".to_vec()),
            ("ibm,chip-id", cell(chip)),
            ("ibm,gx-index", cell(0)),
            ("ibm,gx-bar-1", cells((0x3e0 + u64::from(chip)) << 36)),
            ("ibm,gx-bar-2", cells((0x100 + u64::from(chip)) << 40)),
            ("ibm,buid-ext", cell(0x20 + chip)),
            ("ibm,br1-presence-detect", cell(0xf0)),
        ]
    }

    fn tree(hubs: &[Vec<Value>]) -> Vec<u8> {
        let mut tree = FdtWriter::new().expect("a tree");
        let root = tree.begin_node("").expect("its root");
        for (number, hub) in hubs.iter().enumerate() {
            let node = tree
                .begin_node(&format!("io-hub@{number:x}"))
                .expect("a node");
            for (name, value) in hub {
                tree.property(name, value).expect("a property");
            }
            tree.end_node(node).expect("its end");
        }
        tree.end_node(root).expect("its end");
        tree.finish().expect("the bytes")
    }

    fn with(name: &'static str, value: &[u8]) -> Vec<u8> {
        let mut hub = hub(1);
        for property in &mut hub {
            if property.0 == name {
                property.1 = value.to_vec();
            }
        }
        tree(&[hub])
    }

    #[test]
    fn hubs_are_read_in_full_by_rising_chip() {
        let mut second = hub(2);
        second.retain(|(name, _)| *name != "ibm,br1-presence-detect");
        let hubs = io_hubs(&tree(&[second, hub(1)])).expect("two good hubs");
        let first = IoHub {
            chip: 1,
            gx: 0,
            gx_bar1: 0x3e10_0000_0000,
            gx_bar2: 0x1_0100_0000_0000,
            buid_ext: 0x21,
            presence: Some(0xf0),
        };
        let second = IoHub {
            chip: 2,
            gx: 0,
            gx_bar1: 0x3e20_0000_0000,
            gx_bar2: 0x1_0200_0000_0000,
            buid_ext: 0x22,
            presence: None,
        };
        assert_eq!(hubs[..], [first, second]);
    }

    #[test]
    fn machines_without_hubs_have_none() {
        let power8 = include_bytes!("../testdata/powernv8.dtb");
        assert!(io_hubs(power8).expect("a good tree").is_empty());
        let foreign = vec![("compatible", b"ibm,p5ioc2\0".to_vec())];
        let mut disabled = hub(1);
        disabled.push(("status", b"disabled\0".to_vec()));
        assert!(
            io_hubs(&tree(&[foreign, disabled]))
                .expect("good")
                .is_empty()
        );
    }

    #[test]
    fn each_property_but_the_mask_must_be_there_and_whole() {
        for (name, value) in hub(1).into_iter().skip(1) {
            let mut without = hub(1);
            without.retain(|property| property.0 != name);
            let found = io_hubs(&tree(&[without]));
            if name == "ibm,br1-presence-detect" {
                assert_eq!(found.expect("all six")[0].presence, None);
            } else {
                let missing = TreeError::Missing {
                    node: "io-hub",
                    property: name,
                };
                assert_eq!(found, Err(missing));
            }
            for cut in [&value[..value.len() - 1], &[]] {
                let number = name.starts_with("ibm,gx-bar") && cut.is_empty();
                let expected = if number {
                    TreeError::Absurd {
                        node: "io-hub",
                        property: name,
                        value: 0,
                    }
                } else {
                    TreeError::Malformed {
                        node: "io-hub",
                        property: name,
                    }
                };
                assert_eq!(io_hubs(&with(name, cut)), Err(expected), "{name}");
            }
        }
    }

    #[test]
    fn absurd_values_are_named() {
        for (name, bytes, value) in [
            ("ibm,chip-id", cell(64), 64),
            ("ibm,gx-index", cell(2), 2),
            ("ibm,gx-bar-1", cells(0), 0),
            ("ibm,gx-bar-1", cells(u64::MAX - 7), u64::MAX - 7),
            ("ibm,gx-bar-2", cells(1 << 50), 1 << 50),
            ("ibm,buid-ext", cell(0x80), 0x80),
            ("ibm,br1-presence-detect", cell(0x100), 0x100),
        ] {
            let absurd = TreeError::Absurd {
                node: "io-hub",
                property: name,
                value,
            };
            assert_eq!(io_hubs(&with(name, &bytes)), Err(absurd));
        }
        let said = io_hubs(&with("ibm,gx-index", &cell(7)))
            .expect_err("absurd")
            .to_string();
        assert!(
            said.contains("io-hub") && said.contains("ibm,gx-index") && said.contains('7'),
            "{said}"
        );
    }

    #[test]
    fn hubs_share_no_link_no_sources_and_no_addresses() {
        assert!(matches!(
            io_hubs(&tree(&[hub(1), hub(1)])),
            Err(TreeError::Duplicate { .. })
        ));
        let changed = |name: &str, value: Vec<u8>| {
            let mut other = hub(2);
            other
                .iter_mut()
                .filter(|property| property.0 == name)
                .for_each(|property| {
                    property.1 = value.clone();
                });
            io_hubs(&tree(&[hub(1), other]))
        };
        assert!(matches!(
            changed("ibm,buid-ext", cell(0x21)),
            Err(TreeError::Duplicate { value: 0x21, .. })
        ));
        let inside = 0x3e10_0000_0000 + FIRST_BYTES - 1;
        assert!(matches!(
            changed("ibm,gx-bar-2", cells(inside)),
            Err(TreeError::Overlap { .. })
        ));
        assert!(changed("ibm,gx-bar-2", cells(inside + 1)).is_ok());
    }

    #[test]
    fn more_hubs_than_are_kept_account_of_are_refused() {
        let hubs: Vec<_> = (0..=MAX_HUBS as u32).map(hub).collect();
        assert_eq!(
            io_hubs(&tree(&hubs[1..])).map(|hubs| hubs.len()),
            Ok(MAX_HUBS)
        );
        assert_eq!(io_hubs(&tree(&hubs)), Err(TreeError::TooMany("I/O hubs")));
    }

    proptest! {
        #[test]
        fn damaged_trees_are_refused_or_read(
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let mut blob = tree(&[hub(1), hub(2)]);
            for (at, value) in damage {
                *at.get_mut(&mut blob) = value;
            }
            let _ = io_hubs(&blob);
        }
    }
}
