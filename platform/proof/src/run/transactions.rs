//! What devices and processors send through the bridge, and what may become of it.

use super::Run;
use super::checks::Row;
use crate::machine::{FUNCTIONS, bar_real, function_of};
use crate::spec::Access;
use alloc::format;
use alloc::string::String;
use ioda::{CfgError, CfgOffset, CfgWidth, Freeze, Rid};
use ioda_model::Refusal;

const LINE: CfgOffset = CfgOffset::at(0x3c);
/// Vendor and device of every function.
const IDS: u32 = 0x11e8_1234;

impl Run {
    /// One DMA.
    pub(super) fn dma(&mut self, rid: Rid, address: u64, access: Access) -> Result<(), String> {
        if access == Access::Write && self.spec.facts.is_message(address) {
            // A write there is a message, whatever window it lies in.
            return self.exercise(rid, address, 0);
        }
        let (real, may_refuse) = self.spec.dma(rid, address, access);
        let model = self.machine.model();
        let got = match access {
            Access::Read => model.read(rid, function_of(rid), address),
            Access::Write => model.write(rid, function_of(rid), address),
        };
        self.summary.transactions += 1;
        match got {
            Ok(reached) if real.contains(&reached) => {
                self.summary.granted += 1;
                Ok(())
            }
            Ok(reached) => Err(format!(
                "{rid} of PE#{:02x} reaches {reached:#x} by {access:?} at {address:#x}, where {real:x?} is allowed",
                self.spec.owner(rid)
            )),
            Err(why) if may_refuse => self.after_refusal(rid, why),
            Err(why) => Err(format!(
                "{rid} of PE#{:02x} may reach {real:x?} by {access:?} at {address:#x}, and does not: {why}",
                self.spec.owner(rid)
            )),
        }
    }

    pub(super) fn after_refusal(&mut self, rid: Rid, why: Refusal) -> Result<(), String> {
        // What never comes to the bridge stops nobody.
        if matches!(why, Refusal::NotMaster | Refusal::Off) {
            return Ok(());
        }
        self.refused(self.spec.owner(rid), Row::Perhaps)
    }

    /// Loads from each BAR what was stored there, and stores something else.
    pub(super) fn touch_registers(&mut self) -> Result<(), String> {
        for (function, bar) in
            (0..FUNCTIONS.len()).flat_map(|function| [(function, 0), (function, 1)])
        {
            let real = bar_real(&self.spec.facts, function, bar);
            let Some((pe, _)) = self.spec.mmio(real) else {
                continue;
            };
            if self.spec.is_off() && bar == 1 {
                // What was opened since it shut itself off comes with its reset.
                continue;
            }
            let is_stopped = self.spec.is_off() || self.spec.frozen(pe).contains(Freeze::MMIO);
            let want = if is_stopped {
                u32::MAX
            } else {
                self.registers[function][bar]
            };
            let got = self.machine.model().load(real);
            if got != want {
                return Err(format!(
                    "a load at {real:#x} of PE#{pe:02x} gives {got:#x}, not {want:#x}"
                ));
            }
            self.nonce += 1;
            self.machine.model().store(real, self.nonce);
            self.summary.transactions += 2;
            if !is_stopped {
                self.registers[function][bar] = self.nonce;
                self.summary.granted += 2;
            }
        }
        Ok(())
    }

    /// A load where no device may be.
    pub(super) fn load(&mut self, real: u64) -> Result<(), String> {
        let Some((pe, _)) = self.spec.mmio(real) else {
            return Ok(());
        };
        let is_device = (0..FUNCTIONS.len()).any(|function| {
            let narrow = bar_real(&self.spec.facts, function, 0);
            let wide = bar_real(&self.spec.facts, function, 1);
            real.wrapping_sub(narrow) < 1 << 20 || real.wrapping_sub(wide) < 1 << 24
        });
        if is_device {
            return Ok(());
        }
        let was_stopped = self.spec.is_off() || self.spec.frozen(pe).contains(Freeze::MMIO);
        self.summary.transactions += 1;
        let got = self.machine.model().load(real);
        if got != u32::MAX {
            return Err(format!(
                "a load at {real:#x}, where nothing is, gives {got:#x}"
            ));
        }
        let row = if was_stopped {
            Row::Perhaps
        } else {
            Row::Surely
        };
        if was_stopped {
            Ok(())
        } else {
            self.stopped_by_load(pe, row)
        }
    }

    fn stopped_by_load(&mut self, pe: u16, _: Row) -> Result<(), String> {
        self.refused(pe, Row::Perhaps)
    }

    /// Reads what each function says of itself, and what was written to it.
    pub(super) fn read_config(&mut self) -> Result<(), String> {
        for (function, rid) in FUNCTIONS.into_iter().enumerate() {
            let is_stopped = !self.spec.frozen(self.spec.owner(rid)).is_empty();
            for (at, width, want) in [
                (CfgOffset::at(0), CfgWidth::Word, IDS),
                (LINE, CfgWidth::Byte, self.lines[function].into()),
            ] {
                let got = self.machine.ioda().cfg_read(rid, at, width);
                self.summary.transactions += 1;
                if self.spec.owner(rid) == self.spec.facts.reserved {
                    self.after_asking_nobodys();
                }
                let is_good = if self.spec.fenced || self.spec.failed {
                    got == Err(CfgError::Fenced)
                } else {
                    // Whether config cycles of a stopped endpoint go through differs.
                    got == Ok(want) || is_stopped && got == Ok(width.ones())
                };
                if !is_good {
                    return Err(format!(
                        "config space of {rid} at {at:?} gives {got:x?}, not {want:#x}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// A function that nobody owns was asked for. All ones from it can mean that it is not there, which stops nobody's
    /// endpoint, so that a driver may let that go on.
    fn after_asking_nobodys(&mut self) {
        let reserved = self.spec.facts.reserved;
        if !self.spec.is_off() && self.freeze_state(reserved).is_empty() {
            self.spec.set_frozen(reserved, Freeze::empty());
        }
    }

    pub(super) fn write_line(&mut self, function: usize, value: u8) -> Result<(), String> {
        let rid = FUNCTIONS[function];
        if !self.spec.frozen(self.spec.owner(rid)).is_empty() {
            return Ok(());
        }
        let got = self
            .machine
            .ioda()
            .cfg_write(rid, LINE, CfgWidth::Byte, value.into());
        self.summary.transactions += 1;
        match got {
            Ok(()) if self.spec.fenced => Ok(()),
            Err(CfgError::Fenced) if self.spec.fenced || self.spec.failed => Ok(()),
            Ok(()) => {
                self.lines[function] = value;
                Ok(())
            }
            Err(error) => Err(format!("a config write to {rid}: {error:?}")),
        }
    }
}
