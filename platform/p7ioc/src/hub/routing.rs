//! The crossbar's routing rules: which port a request goes to.
//!
//! 48 rules; a rule names ports and says which bits of an address, a source number or a type must be what. The
//! last sends everything else to the global registers.

use super::layout::{IO_BYTES, M64_BYTES};
use super::regs::bit;
use super::{Facts, Layout};

/// Rules of the crossbar.
pub(crate) const RULES: u16 = 48;
/// The last: all that no other takes, to port 1.
pub(crate) const REST: u64 = 0x4000_8000_0000_0000;

const ADDRESS: u64 = bit(16);
const BUID: u64 = bit(17);
const TYPE: u64 = bit(18);
/// Types whose upper half is this are broadcasts that have caches forget, and answers to interrupts.
const INVALIDATE: u64 = 0x80;
const INTERRUPT_ANSWER: u64 = 0x60;
const TYPE_MASK: u64 = 0xf0;
/// The port of the global registers; that of the first bridge follows.
const GLOBAL_PORT: u8 = 1;
const FIRST_BRIDGE_PORT: u8 = 2;

/// A rule: what to compare with and which bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) value: u64,
    pub(crate) mask: u64,
}

/// A set of ports has the *bit* of each; skiboot's broadcast rule has their numbers or'ed together instead.
const fn port(number: u8) -> u64 {
    bit(number as u32 & 7)
}

/// The crossbar port of bridge `index`.
pub(crate) const fn bridge_port(index: u8) -> u8 {
    FIRST_BRIDGE_PORT.wrapping_add(index)
}

fn address(ports: u64, real: u64, bytes: u64) -> Rule {
    Rule {
        value: ports | ADDRESS | real >> 16 & 0xffff_ffff,
        mask: bytes.wrapping_neg() >> 16 & 0xffff_ffff,
    }
}

fn source(ports: u64, buid: u64, mask: u64) -> Rule {
    Rule {
        value: ports | BUID | buid << 20,
        mask: mask << 20,
    }
}

fn kind(ports: u64, kind: u64) -> Rule {
    Rule {
        value: ports | TYPE | kind,
        mask: TYPE_MASK,
    }
}

fn of_bridge(layout: &Layout) -> [Rule; 6] {
    let ports = port(bridge_port(layout.bridge));
    [
        source(ports, layout.lsi_buid(), 0x1ff),
        source(ports, layout.msi_buid(), 0x1f0),
        address(ports, layout.aib, 0x1_0000),
        address(ports, layout.io, IO_BYTES),
        address(ports, layout.m32, 0x1_0000_0000),
        address(ports, layout.m64, M64_BYTES),
    ]
}

/// The rules of a hub, without the last; fewer than [`RULES`].
pub(crate) fn rules(facts: &Facts) -> impl Iterator<Item = Rule> + use<> {
    let bridges = facts
        .phbs()
        .fold(0, |ports, layout| ports | port(bridge_port(layout.bridge)));
    facts.phbs().flat_map(|layout| of_bridge(&layout)).chain([
        kind(bridges, INVALIDATE),
        kind(port(GLOBAL_PORT), INTERRUPT_ANSWER),
        source(port(GLOBAL_PORT), Facts::RGC_BUID, 0x1ff),
    ])
}
