//! What the hub has to tell of its errors: [`Hub::scan`], [`HubEvent`].
//!
//! GEM says which units have latched an error; each unit has a register of them, whose bits have a class: the hub
//! is dead, a bridge is fenced, or nothing was stopped. What a scan finds dead or fenced its bridges' drivers
//! see from then on, even where the chip has not shut them off.
//!
//! Source: skiboot as of 2018, `hw/p7ioc.c`. For the bus upwards it names another bit than the chip is set up with
//! (32 for 40); what the chip is set up with counts here.

use super::regs::{self, HubReg, bit, lem};
use super::routing::bridge_port;
use super::start::crossbar_errors;
use super::{Facts, Hub};
use core::fmt;
use ioda::RegIo;

/// A part of the hub that has error registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// The global registers.
    Global,
    /// The bus interface, towards the processor.
    BusUp,
    /// The bus interface, towards the bridges.
    BusDown,
    /// A port of the crossbar: 0 upwards, 1 the global registers, 2 and on the bridges.
    Crossbar(u8),
    /// MISC.
    Misc,
    /// I2C.
    I2c,
}

/// What an error does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The hub does not come back from it.
    Dead,
    /// The bridge at the other end is shut off.
    Fence,
    /// Nothing is stopped.
    Info,
    /// Nothing is stopped, but it does not end: it is masked once it was told.
    Chatter,
}

/// An error that a unit of the hub has latched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubError {
    /// Which unit.
    pub unit: Unit,
    /// Which bit of its error register, 0 the most significant.
    pub bit: u8,
    /// What it does.
    pub class: Class,
}

/// Something the hub has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HubEvent {
    /// It is gone, with all its bridges; `None` if it does not even say why.
    Dead(Option<HubError>),
    /// The bridge of this number is shut off, and by which error if that is known.
    Fenced(u8, Option<HubError>),
    /// The bridge of this number has something to tell: [`ioda::Ioda::next_event`].
    Bridge(u8),
    /// An error that stopped nothing; [`Hub::clear`] ends it.
    Info(HubError),
}

/// A unit's bit in GEM, and which of its errors do what; the rest are [`Class::Info`].
struct Source {
    unit: Unit,
    gem: u32,
    dead: u64,
    fence: u64,
    chatter: u64,
}

const fn source(unit: Unit, gem: u32, dead: u64) -> Source {
    Source {
        unit,
        gem,
        dead,
        fence: 0,
        chatter: 0,
    }
}

const fn to_bridge(index: u8) -> Source {
    let port = bridge_port(index);
    Source {
        fence: regs::CI_FENCE_ERRORS,
        ..source(Unit::Crossbar(port), port_gem(port), 0x5b0b << 48)
    }
}

/// GEM 1 is the global registers, 4:11 are the crossbar's ports, 16:21 the bridges.
pub(super) const GLOBAL_GEM: u32 = 1;
const FIRST_PORT_GEM: u32 = 4;
const FIRST_BRIDGE_GEM: u32 = 16;

pub(super) const fn port_gem(port: u8) -> u32 {
    FIRST_PORT_GEM.wrapping_add(port as u32)
}

pub(super) const fn bridge_gem(index: u8) -> u32 {
    FIRST_BRIDGE_GEM.wrapping_add(index as u32)
}

const SOURCES: [Source; 13] = [
    source(Unit::Global, GLOBAL_GEM, 0xf000_87e0_f4fc_ffff),
    source(Unit::BusUp, 2, 0xf7ff_ffff_ff7f_ffff),
    source(Unit::BusDown, 3, 0xdfff_f7f3_5f80_00bf),
    Source {
        chatter: 0x0800 << 48,
        ..source(Unit::Crossbar(0), FIRST_PORT_GEM, 0xf5ff << 48)
    },
    source(Unit::Crossbar(1), 5, 0xffff << 48),
    to_bridge(0),
    to_bridge(1),
    to_bridge(2),
    to_bridge(3),
    to_bridge(4),
    to_bridge(5),
    Source {
        chatter: 0xaaa0_000c_0000_0000,
        ..source(Unit::Misc, 24, 0x0000_0003_11c0_0000)
    },
    source(Unit::I2c, 25, 0x1100 << 48),
];

impl Source {
    fn class(&self, error: u64) -> Class {
        if error & self.dead != 0 {
            Class::Dead
        } else if error & self.fence != 0 {
            Class::Fence
        } else if error & self.chatter != 0 {
            Class::Chatter
        } else {
            Class::Info
        }
    }

    /// The gravest of `errors`, the first of several.
    fn gravest(&self, errors: u64) -> Option<HubError> {
        // The last takes what is left.
        let classes = [self.dead, self.fence, self.chatter, u64::MAX].into_iter();
        let worst = classes
            .map(|class| errors & class)
            .find(|errors| *errors != 0)?;
        let first = worst.leading_zeros();
        Some(HubError {
            unit: self.unit,
            bit: first as u8,
            class: self.class(bit(first & 63)),
        })
    }
}

impl Unit {
    fn registers(self) -> HubReg {
        match self {
            Self::Global => regs::RGC_LEM,
            Self::BusUp => regs::BI_UP_LEM,
            Self::BusDown => regs::BI_DOWN_LEM,
            Self::Crossbar(port) => crossbar_errors(port),
            Self::Misc => regs::MISC_LEM,
            Self::I2c => regs::I2C_LEM,
        }
    }
}

impl<R: RegIo> Hub<R> {
    /// What the hub has to tell, the gravest first; tells it again until it was dealt with.
    ///
    /// To be looked at when its interrupt comes ([`Hub::irq`]). If it is dead there is no more than that.
    pub fn scan(&self) -> impl Iterator<Item = HubEvent> + use<R> {
        let mut events = [None; EVENTS];
        let mut places = events.iter_mut();
        let mut tell = |event| {
            if let Some(place) = places.next() {
                *place = Some(event);
            }
        };
        if let Some(dead) = self.find_dead() {
            self.units.shut_all();
            tell(dead);
        } else {
            let flagged = self.units.read(regs::GEM_WOF);
            self.find_fenced(flagged, &mut tell);
            self.find_others(flagged, &mut tell);
        }
        events.into_iter().flatten()
    }

    fn find_dead(&self) -> Option<HubEvent> {
        if self.units.read(regs::GEM_XFIR) == u64::MAX {
            return Some(HubEvent::Dead(None));
        }
        let flagged = self.units.read(regs::GEM_WOF);
        let mut sources = SOURCES
            .iter()
            .filter(|source| flagged & bit(source.gem) != 0);
        let found = sources.find_map(|source| {
            if self.units.read(source.unit.registers()) == u64::MAX {
                return Some(HubEvent::Dead(None));
            }
            let error = self.look(source).filter(|error| error.class == Class::Dead);
            error.map(|error| HubEvent::Dead(Some(error)))
        });
        // It does not come back to life.
        found.or(self.units.is_shut().then_some(HubEvent::Dead(None)))
    }

    fn find_fenced(&self, flagged: u64, tell: &mut impl FnMut(HubEvent)) {
        for index in (0..Facts::PHBS).filter(|index| self.facts().has(*index)) {
            let port = SOURCES
                .iter()
                .find(|source| source.unit == Unit::Crossbar(bridge_port(index)))
                .filter(|source| flagged & bit(source.gem) != 0);
            let error = port
                .and_then(|source| self.look(source))
                .filter(|error| error.class == Class::Fence);
            if error.is_some() {
                self.units.shut(index);
            }
            if self.port(index).is_some_and(|port| port.is_fenced()) {
                tell(HubEvent::Fenced(index, error));
            }
        }
    }

    fn find_others(&self, flagged: u64, tell: &mut impl FnMut(HubEvent)) {
        for index in 0..Facts::PHBS {
            if self.facts().has(index) && flagged & bit(bridge_gem(index)) != 0 {
                tell(HubEvent::Bridge(index));
            }
        }
        for source in SOURCES
            .iter()
            .filter(|source| flagged & bit(source.gem) != 0)
        {
            let error = self.look(source);
            let is_left = |error: &HubError| matches!(error.class, Class::Info | Class::Chatter);
            if let Some(error) = error.filter(is_left) {
                tell(HubEvent::Info(error));
            }
        }
    }

    /// The gravest error of a unit: of those that count if there are any, else of all that were noted.
    fn look(&self, source: &Source) -> Option<HubError> {
        let at = |offset| source.unit.registers().plus(offset);
        let noted = self.units.read(at(lem::WOF));
        let counting = noted & !self.units.read(at(lem::MASK));
        source.gravest(if counting != 0 { counting } else { noted })
    }

    /// Ends an error that stopped nothing, so that the hub tells of the next one; one that does not end by
    /// itself is masked.
    ///
    /// Does nothing about errors that have stopped something: a bridge's complete reset ends those.
    pub fn clear(&self, error: &HubError) {
        let Some(source) = SOURCES.iter().find(|source| source.unit == error.unit) else {
            return;
        };
        let ended = bit(u32::from(error.bit) & 63);
        let class = source.class(ended);
        if matches!(class, Class::Dead | Class::Fence) {
            return;
        }
        let _shared_registers = self.units.resets.lock();
        let at = |offset| error.unit.registers().plus(offset);
        if class == Class::Chatter {
            self.units.write_alias(at(lem::MASK_OR), ended);
        }
        self.units.write_alias(at(lem::FIR_AND), !ended);
        let noted = self.units.read(at(lem::WOF)) & !ended;
        self.units.write(at(lem::WOF), noted);
        if noted == 0 {
            self.units.forget(source.gem);
        }
    }
}

/// A fence of each bridge, a word of each, an error of each unit.
const EVENTS: usize = 2 * Facts::PHBS as usize + SOURCES.len();

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.write_str("the global registers"),
            Self::BusUp => f.write_str("the bus to the processor"),
            Self::BusDown => f.write_str("the bus from the processor"),
            Self::Crossbar(0) => f.write_str("the crossbar's port to the bus"),
            Self::Crossbar(1) => f.write_str("the crossbar's port to the global registers"),
            Self::Crossbar(port) => {
                write!(f, "the crossbar's port to bridge {}", port.wrapping_sub(2))
            }
            Self::Misc => f.write_str("MISC"),
            Self::I2c => f.write_str("I2C"),
        }
    }
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.class {
            Class::Dead => "which the hub does not come back from",
            Class::Fence => "which shuts the bridge off",
            Class::Info => "which stops nothing",
            Class::Chatter => "which stops nothing and does not end",
        };
        write!(f, "{} has error {}, {what}", self.unit, self.bit)
    }
}

impl fmt::Display for HubEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dead(None) => f.write_str("the hub does not answer"),
            Self::Dead(Some(error)) | Self::Info(error) => error.fmt(f),
            Self::Fenced(bridge, None) => write!(f, "bridge {bridge} is fenced"),
            Self::Fenced(bridge, Some(error)) => write!(f, "bridge {bridge} is fenced: {error}"),
            Self::Bridge(bridge) => write!(f, "bridge {bridge} has latched an error"),
        }
    }
}
