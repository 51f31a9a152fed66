//! Starting the hub, one step at a time: [`Hub`].
//!
//! Units in skiboot's order: bus interface, lanes, global registers, crossbar, then MISC and, last since it lets
//! errors be heard, GEM. The bridges start by themselves once this is done.

use super::port::HubPort;
use super::regs::{self, HubReg, bit, lem};
use super::routing::{self, RULES};
use super::values::{self, PORTS, Set};
use super::{Facts, FactsError, Units};
use ioda::{RegIo, ResetError, Step};

/// What is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Off,
    /// The bus interface has its timing.
    Timed,
    /// The global registers are held in reset.
    Pulsed,
    Ready,
}

const BUS_MS: u32 = 100;
const PULSE_MS: u32 = 1;
/// The reset of the global registers.
const PULSE: u64 = bit(1);

/// A hub being started.
pub struct Hub<R: 'static> {
    facts: Facts,
    pub(super) units: &'static Units<R>,
    phase: Phase,
}

impl<R: RegIo> Hub<R> {
    /// The hub that `facts` tell of, whose registers `units` has. Nothing is done to it before [`Self::poll`].
    ///
    /// # Errors
    /// [`FactsError`].
    pub fn new(facts: Facts, units: &'static Units<R>) -> Result<Self, FactsError> {
        facts.check()?;
        Ok(Self {
            facts,
            units,
            phase: Phase::Off,
        })
    }

    /// What the machine tells of it; [`Facts::phbs`] are its bridges.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What the driver of bridge `index` needs of the hub; `None` if the bridge is not there.
    pub fn port(&self, index: u8) -> Option<HubPort<R>> {
        self.facts
            .has(index)
            .then(|| HubPort::new(self.units, index))
    }

    /// Carries the start on by one step.
    ///
    /// # Errors
    /// [`ResetError::Fenced`] if the hub does not answer.
    pub fn poll(&mut self) -> Result<Step, ResetError> {
        let (next, ms) = match self.phase {
            Phase::Off => {
                self.set_all(&values::bus_timing(self.facts.processor));
                (Phase::Timed, BUS_MS)
            }
            Phase::Timed => {
                self.set_all(&values::BUS);
                self.init_lanes();
                let config = self.units.read(regs::RGC_CONFIG);
                self.units.write(regs::RGC_CONFIG, config | PULSE);
                (Phase::Pulsed, PULSE_MS)
            }
            Phase::Pulsed => {
                let config = self.units.read(regs::RGC_CONFIG);
                self.units.write(regs::RGC_CONFIG, config & !PULSE);
                self.init_global();
                self.init_crossbar();
                self.set_all(&values::MISC);
                self.init_errors();
                if self.units.read(regs::GEM_XFIR) == u64::MAX {
                    return Err(ResetError::Fenced);
                }
                (Phase::Ready, 0)
            }
            Phase::Ready => return Ok(Step::Done),
        };
        self.phase = next;
        Ok(match next {
            Phase::Ready => Step::Done,
            _ => Step::Pending { ms },
        })
    }

    fn set_all(&self, values: &[Set]) {
        for (reg, value) in values {
            self.units.write(*reg, *value);
        }
    }

    fn init_lanes(&self) {
        for bridge in 0..u16::from(Facts::PHBS) {
            let lanes = regs::HSS.plus(regs::HSS_STRIDE.wrapping_mul(bridge));
            for (offset, value) in values::LANES {
                self.units.write(lanes.plus(offset), value);
            }
        }
    }

    fn init_global(&self) {
        self.set_all(&values::GLOBAL);
        self.units
            .write(regs::RGC_CONFIG, values::GLOBAL_CONFIG_OPEN);
        // 23:31
        self.units.write(regs::RGC_BUID, Facts::RGC_BUID << 32);
        self.init_global_tables();
        for layout in self.facts.phbs() {
            let base = regs::RGC_AIB_BASE.plus(u16::from(layout.bridge).wrapping_mul(8));
            self.units.write(base, layout.aib);
        }
    }

    /// The hub's own small tables: routing, states and routing of its 16 interrupts, all masked.
    fn init_global_tables(&self) {
        const MASKED: u64 = 0xff << 32;
        let tables: [(u64, u64, usize); 3] = [(0, 0, 4), (1, 0, 2), (2, MASKED, 16)];
        for (table, entry, entries) in tables {
            self.units
                .write(regs::RGC_IODA_ADDR, bit(0) | table << (63 - 15));
            for _ in 0..entries {
                // No load behind these: it might step the index as well.
                self.units.write_alias(regs::RGC_IODA_DATA, entry);
            }
        }
        self.units.write(regs::RGC_IODA_LOCK, 0);
    }

    fn init_crossbar(&self) {
        for (number, port) in (0u16..).zip(PORTS) {
            let base = crossbar_port(number);
            let at = |offset| base.plus(offset);
            let errors = |offset: u16| base.plus(regs::CI_LEM.wrapping_add(offset));
            self.units.write(at(0), port.config | bit(1));
            self.units.write(at(0), port.config);
            self.units.write(errors(lem::FIR), 0);
            self.units.write(errors(lem::ACTION0), port.action0);
            self.units.write(errors(lem::ACTION1), 0);
            self.units.write(errors(lem::WOF), 0);
            self.units.write(errors(lem::MASK_AND), port.mask_and);
            self.units.write(at(0x10), port.damage);
            for (offset, value) in port.credits {
                self.units.write(at(*offset), *value);
            }
        }
        self.init_routing();
        // The port upwards comes last.
        let [upwards, others @ ..] = PORTS;
        for (number, port) in (1u16..).zip(others).chain([(0, upwards)]) {
            self.units.write(crossbar_port(number), port.open);
        }
    }

    fn init_routing(&self) {
        let value = |rule: u16| regs::CI_RULES.plus(rule.wrapping_mul(16));
        let mask = |rule: u16| value(rule).plus(8);
        let rest = RULES.saturating_sub(1);
        for rule in 0..rest {
            self.units.write(value(rule), 0);
        }
        let rules = || (0..rest).zip(routing::rules(&self.facts));
        for (at, rule) in rules() {
            self.units.write(mask(at), rule.mask);
        }
        self.units.write(mask(rest), 0);
        for (at, rule) in rules() {
            self.units.write(value(at), rule.value);
        }
        self.units.write(value(rest), routing::REST);
    }

    /// Errors of bridges that are not there stay unheard.
    fn init_errors(&self) {
        let absent = (0..Facts::PHBS)
            .filter(|index| !self.facts.has(*index))
            .map(u32::from)
            .fold(0, |mask, index| {
                mask | bit(index.wrapping_add(6)) | bit(index.wrapping_add(16))
            });
        self.units.write(regs::GEM_XFIR, 0);
        self.units.write(regs::GEM_MASK, values::GEM_MASK | absent);
        self.units.write(regs::GEM_WOF, 0);
    }
}

fn crossbar_port(number: u16) -> HubReg {
    regs::CI.plus(regs::CI_PORT_STRIDE.wrapping_mul(number))
}

/// The error registers of port `number` of the crossbar.
pub(crate) fn crossbar_errors(number: u8) -> HubReg {
    crossbar_port(number.into()).plus(regs::CI_LEM)
}
