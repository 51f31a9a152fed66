//! The engine: what every IODA bridge does, whatever it is called on a chip. [`State`] is one bridge.
//!
//! `registers` has what a driver may do; `requests` what devices send; `mmio` what processors send through;
//! `config` the two-step config cycles; `errors` freezing, traps and injection. What a chip codes in its own way
//! it does in [`crate::chip`].

mod api;
mod below;
pub(crate) mod cache;
mod config;
mod errors;
mod mmio;
pub(crate) mod regfile;
mod registers;
mod requests;
pub(crate) mod tables;

pub use api::Bridge;
pub use below::{Below, Change};
pub(crate) use errors::{Error, Operation};

use crate::chip::{Chip, Home};
use crate::log::Log;
use crate::memory::Memory;
use crate::{Delivery, Fabric};
use alloc::string::String;
use cache::TceCache;
use ioda::Rid;
use regfile::Registers;
use tables::Tables;

pub(crate) struct State<C> {
    pub(crate) chip: C,
    pub(crate) regs: Registers,
    pub(crate) tables: Tables,
    /// The second word of an entry, written and not taken over yet.
    pub(crate) second: Option<u64>,
    pub(crate) memory: Memory,
    pub(crate) fabric: Fabric,
    /// What is behind the root port in place of the rest of the fabric.
    pub(crate) below: Option<&'static dyn Below>,
    pub(crate) tces: TceCache,
    pub(crate) link: Link,
    pub(crate) log: Log,
}

/// The link, by looks at it: how many more say that it is not there yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// Nothing is at its other end.
    pub(crate) is_empty: bool,
    /// The transmitter is off.
    pub(crate) is_off: bool,
    pub(crate) off_looks: u32,
    pub(crate) up_looks: u32,
    pub(crate) layer_looks: u32,
}

impl Link {
    pub(crate) const fn at_reset() -> Self {
        Self {
            is_empty: false,
            is_off: false,
            off_looks: 0,
            up_looks: 3,
            layer_looks: 2,
        }
    }

    /// Starts training anew; what is in the slot stays there.
    pub(crate) const fn restart(&mut self) {
        *self = Self {
            is_empty: self.is_empty,
            ..Self::at_reset()
        };
    }

    /// One look at the link layer's own reset: whether it is still under way.
    pub(crate) const fn looks_held(&mut self) -> bool {
        let is_held = self.layer_looks != 0;
        self.layer_looks = self.layer_looks.saturating_sub(1);
        is_held
    }
}

impl<C: Chip> State<C> {
    pub(crate) fn new(chip: C, fabric: Fabric) -> Self {
        let params = C::PARAMS;
        Self {
            chip,
            regs: Registers::new(params.register_bytes, params.registers, params.reset),
            tables: Tables::new(params.tables),
            second: None,
            memory: Memory::default(),
            fabric,
            below: None,
            tces: TceCache::new(),
            link: Link::at_reset(),
            log: Log::default(),
        }
    }

    pub(crate) fn complain(&mut self, what: impl FnOnce() -> String) {
        self.log.complain(what);
    }

    pub(crate) fn reg(&self, at: u16) -> u64 {
        self.regs.get(at)
    }

    /// Everything on the chip is lost: registers, tables, what was cached, what was latched; what is below is
    /// reset with it.
    pub(crate) fn lose(&mut self) {
        self.regs.lose();
        self.tables.lose();
        self.second = None;
        self.tces.clear();
        self.link.restart();
        self.fabric.reset_root();
        self.fabric.reset_below();
        self.tell_below(Change::Lost);
    }

    pub(crate) fn deliver(&mut self, irq: u64, server: u64, priority: u8) {
        self.log.deliver(Delivery {
            irq: irq as u32,
            server: server as u32,
            priority,
        });
    }

    /// The base of a table in memory, if its register is enabled.
    pub(crate) fn table(&self, bar: u16) -> Option<u64> {
        let value = self.reg(bar);
        (value >> 63 != 0).then_some(value & 0x00ff_ffff_ffff_f000)
    }

    /// The endpoints, word by word, that row `parent` of the propagation table names.
    pub(crate) fn children(&self, parent: u16) -> [u64; 8] {
        let mut row = [0; 8];
        let words = C::PARAMS.pes / 64;
        for (word, at) in row.iter_mut().zip(0..words) {
            *word = match C::PARAMS.peltv {
                Home::Chip(code) => {
                    let entry = self.tables.get(code, parent).unwrap_or_default();
                    entry.get(usize::from(at)).copied().unwrap_or(0)
                }
                Home::Memory(bar) => {
                    let offset = u64::from(parent)
                        .wrapping_mul(words.into())
                        .wrapping_add(at.into());
                    self.table(bar)
                        .and_then(|base| self.memory.load64(base.wrapping_add(8 * offset)))
                        .unwrap_or(0)
                }
            };
        }
        row
    }

    /// Whether messages of requester `rid` may come in at all: link, fences, resets.
    pub(crate) fn is_off(&self) -> bool {
        C::is_off(self)
    }

    pub(crate) fn endpoint(&mut self, rid: Rid) -> Option<u16> {
        C::endpoint(self, rid).ok()
    }
}
