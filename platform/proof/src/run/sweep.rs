//! Trying what can be reached, after every step.

use super::{Effort, Run};
use crate::machine::FUNCTIONS;
use crate::spec::Access;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ioda::{Freeze, PeNumber, Rid};

/// Requester ids besides the functions': those at the edges of selections.
const OTHERS: [Rid; 5] = [
    Rid(0),
    Rid::new(3, 0, 2),
    Rid::new(4, 0, 1),
    Rid::new(7, 31, 7),
    Rid(0xffff),
];
/// Bus addresses where something begins or ends on some chip.
const EDGES: [u64; 13] = [
    0,
    0x0fff_ffff,
    0x1000_0000,
    0xbfff_ffff,
    0xc000_0000,
    0xfffe_ffff,
    0xffff_0000,
    1 << 32,
    1 << 48,
    1 << 59,
    1 << 60,
    9 << 60,
    u64::MAX - 7,
];
const ACCESSES: [Access; 2] = [Access::Read, Access::Write];

impl Run {
    /// Tries, and undoes what the refusals stopped.
    pub(super) fn sweep(&mut self) -> Result<(), String> {
        self.sweep_segments()?;
        self.touch_registers()?;
        if !self.spec.failed {
            self.read_config()?;
        }
        self.sweep_granted()?;
        self.sweep_dma()?;
        self.sweep_messages()
    }

    /// Each piece of the MMIO windows is its owner's.
    fn sweep_segments(&mut self) -> Result<(), String> {
        for real in self.spec.edges() {
            let want = self.spec.mmio(real).map(|(pe, _)| PeNumber(pe));
            let got = self.machine.model().segment_pe(real);
            // A fenced bridge shows nothing reliable.
            if got != want && !self.spec.is_off() {
                return Err(format!("{real:#x} is {got:?}'s, not {want:?}'s"));
            }
        }
        Ok(())
    }

    /// All pages and interrupts that somebody owns, for its owner.
    fn sweep_granted(&mut self) -> Result<(), String> {
        for rid in all_rids() {
            let pe = self.spec.owner(rid);
            if self.spec.is_dma_frozen(pe) {
                continue;
            }
            let mut pages = Vec::new();
            for window in self.spec.windows.iter().filter(|window| window.pe == pe) {
                let mapped = window.pages.iter().filter(|(_, page)| page.now.is_some());
                pages.extend(mapped.map(|(page, _)| window.base + (page << window.page_shift)));
            }
            for address in pages {
                for access in ACCESSES {
                    // What may be refused is tried with the rest.
                    let (real, may_refuse) = self.spec.dma(rid, address, access);
                    if !may_refuse && !real.is_empty() {
                        self.dma(rid, address | 0x7f8, access)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn sweep_dma(&mut self) -> Result<(), String> {
        let mut addresses = Vec::from(EDGES);
        for window in &self.spec.windows {
            addresses.extend([
                window.base,
                window.base + window.bytes - 1,
                window.base + window.bytes,
                window.base.wrapping_sub(1),
            ]);
            addresses.extend(
                window
                    .pages
                    .keys()
                    .map(|page| window.base + (page << window.page_shift)),
            );
        }
        match self.effort {
            Effort::Full => {
                for address in addresses {
                    for rid in all_rids() {
                        for access in ACCESSES {
                            self.dma_and_undo(rid, address, access)?;
                        }
                    }
                }
            }
            Effort::Sample(tries) => {
                for _ in 0..tries {
                    let address = addresses[self.below(addresses.len())];
                    let rid = self.any_rid();
                    let access = ACCESSES[self.below(2)];
                    self.dma_and_undo(rid, address, access)?;
                }
            }
        }
        Ok(())
    }

    fn sweep_messages(&mut self) -> Result<(), String> {
        let mut messages = Vec::new();
        for block in &self.spec.blocks {
            let given = &block.given;
            let first = u32::from(given.data);
            let last = first + u32::from(given.count) - 1;
            for address in [given.address32.into(), given.address64] {
                messages.extend([(address, first), (address, last), (address, last + 1)]);
            }
        }
        messages.extend([
            (0xffff_0000, 0),
            (0xffff_07f0, 255),
            (9 << 60, 0),
            (1 << 60, 7),
        ]);
        match self.effort {
            Effort::Full => {
                for (address, data) in messages {
                    for rid in all_rids() {
                        self.message_and_undo(rid, address, data)?;
                    }
                }
            }
            Effort::Sample(tries) => {
                for _ in 0..tries / 2 {
                    let (address, data) = messages[self.below(messages.len())];
                    let rid = self.any_rid();
                    self.message_and_undo(rid, address, data)?;
                }
            }
        }
        Ok(())
    }

    fn any_rid(&mut self) -> Rid {
        let index = self.below(FUNCTIONS.len() + OTHERS.len());
        all_rids().nth(index).unwrap_or(FUNCTIONS[0])
    }

    fn dma_and_undo(&mut self, rid: Rid, address: u64, access: Access) -> Result<(), String> {
        let before = self.all_frozen();
        self.dma(rid, address, access)?;
        self.undo(&before)
    }

    fn message_and_undo(&mut self, rid: Rid, address: u64, data: u32) -> Result<(), String> {
        let before = self.all_frozen();
        self.exercise(rid, address, data)?;
        self.undo(&before)
    }

    fn all_frozen(&self) -> [Freeze; 7] {
        let mut states = [Freeze::empty(); 7];
        for (state, pe) in states.iter_mut().zip(self.spec.watched()) {
            *state = self.spec.frozen(pe);
        }
        states
    }

    /// Makes what is stopped as it was.
    fn undo(&mut self, before: &[Freeze; 7]) -> Result<(), String> {
        if self.spec.is_off() {
            return Ok(());
        }
        for (pe, before) in self.spec.watched().zip(before) {
            if self.spec.frozen(pe) == *before {
                continue;
            }
            let ioda = self.machine.ioda();
            let thawed = ioda.thaw(PeNumber(pe), Freeze::all());
            let frozen = ioda.freeze(PeNumber(pe), *before);
            if thawed.is_err() || frozen.is_err() {
                return Err(format!("PE#{pe:02x} does not thaw: {thawed:?} {frozen:?}"));
            }
            let got = self.freeze_state(pe);
            if got != *before {
                return Err(format!(
                    "PE#{pe:02x} thawed is stopped for {got:?}, not {before:?}"
                ));
            }
            self.spec.set_frozen(pe, *before);
        }
        Ok(())
    }
}

/// All requester ids that are tried.
pub(super) fn all_rids() -> impl Iterator<Item = Rid> {
    FUNCTIONS.into_iter().chain(OTHERS)
}
