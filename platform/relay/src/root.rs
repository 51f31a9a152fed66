//! The root port: the model's, as far as functions below it depend on it done to the real one.

use crate::real::Real;
use ioda::{Bdf, CfgOffset, CfgWidth, Ioda, RegIo, XscomIo};
use ioda_model::Device;

const ROOT: Bdf = Bdf::new(0, 0, 0);
const COMMAND: CfgOffset = CfgOffset::at(0x04);
const BUSES: CfgOffset = CfgOffset::at(0x18);
const MEMORY: CfgOffset = CfgOffset::at(0x20);
const PREFETCH: CfgOffset = CfgOffset::at(0x24);
const CONTROL: CfgOffset = CfgOffset::at(0x3e);
/// Bridge control: the bus below is held in reset.
const BUS_RESET: u32 = 0x40;
/// PCI 3G to 4G, which the P7IOC's root port forwards with its window closed and the real one does not.
const ALL_OF_M32: u32 = 0xfff0_c000;
/// Base above limit: closed.
const CLOSED: u32 = 0x0000_fff0;

/// The command register's bits that let accesses down and requests up.
const PASS_DOWN: u32 = 2;
const PASS_UP: u32 = 4;

/// What passes the root port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// What the port itself lets through.
    Open,
    /// The same, but no accesses to memory, by the port's own command register.
    NoMemory,
    /// Nothing: the bridge is fenced, held in reset or dead.
    Shut,
    /// Nothing: what is below is held in reset.
    Reset,
}

impl Pass {
    /// For the model's port `root`.
    pub(crate) fn of(root: &Device) -> Self {
        if root.get(COMMAND.get().into(), 2) & PASS_DOWN == 0 {
            Self::NoMemory
        } else {
            Self::Open
        }
    }
}

/// A memory window that forwards below what the model's does.
const fn window(model: u32) -> u32 {
    let (base, limit) = (model & 0xfff0, model >> 16 & 0xfff0);
    if base > limit { ALL_OF_M32 } else { model }
}

impl<R: RegIo + Sync, X: XscomIo> Real<R, X> {
    /// Makes the real root port do as the model's, `root`, does.
    pub(crate) fn mirror(&mut self, root: &Device, pass: Pass) {
        let get = |at: CfgOffset, bytes| root.get(at.get().into(), bytes);
        let mut put = |at, width, value| {
            let before = self.phb.cfg_read(ROOT, at, width);
            if before != Ok(value)
                && let Err(error) = self.phb.cfg_write(ROOT, at, width, value)
            {
                log::error!("the real root port at {:#x}: {error:?}", at.get());
            }
        };
        put(BUSES, CfgWidth::Word, get(BUSES, 4) & 0x00ff_ffff);
        put(MEMORY, CfgWidth::Word, window(get(MEMORY, 4)));
        put(PREFETCH, CfgWidth::Word, CLOSED | 0x0001_0001);
        let shut = if pass == Pass::Shut {
            PASS_DOWN | PASS_UP
        } else {
            0
        };
        put(COMMAND, CfgWidth::Half, get(COMMAND, 2) & 0x147 & !shut);
        let held = if pass == Pass::Reset { BUS_RESET } else { 0 };
        put(CONTROL, CfgWidth::Half, get(CONTROL, 2) & !BUS_RESET | held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_window_forwards_all_and_an_open_one_itself() {
        assert_eq!(window(0x0000_fff0), ALL_OF_M32);
        assert_eq!(window(0xc070_c000), 0xc070_c000);
        assert_eq!(window(0xc000_c000), 0xc000_c000);
    }
}
