//! Injected errors: no real access passes the model, so one that the armed error is for is made up for it.

use crate::entry::{Window, bit, table};
use crate::trees::SLOTS;
use crate::{Relay, SEGMENTS};
use ioda::{Bdf, PeNumber, Pest, RegIo, XscomIo};

const CONTROL: u16 = 0x2b0;
const ADDRESS: u16 = 0x2b8;
const MASK: u16 = 0x2c0;
const M32_BASE: u16 = 0x190;
/// log2 of a segment's bytes.
const SEGMENT_SHIFT: u32 = 23;
/// What is compared: the number of a DMA window, 60:63; of a memory address 16:39.
const DMA: u64 = 0xf;
const MMIO: u64 = 0x0000_ffff_ff00_0000;

impl<R: RegIo + Sync + Send, X: XscomIo + Send> Relay<R, X> {
    /// Has the model meet the access that the armed error is for: a DMA by the first requester that the window's own
    /// entry lets in, or a processor's in the first segment that matches. The model decides what becomes of it. Config
    /// cycles meet it by themselves.
    pub(crate) fn strike(&self) {
        let reg = |at| self.model.register(at).unwrap_or(0);
        let (control, address, mask) = (reg(CONTROL), reg(ADDRESS), reg(MASK));
        let reads = control & bit(4) != 0;
        if control & bit(3) != 0 {
            return;
        }
        if control & bit(0) != 0 {
            for slot in (0..SLOTS).filter(|slot| (*slot as u64 ^ address) & mask & DMA == 0) {
                let window = self.model.entry(table::TVT, slot).and_then(Window::of);
                let rids = window.and_then(|window| window.filter.rids());
                if let Some(rid) = rids.and_then(|rids| rids.iter().find(|rid| rid.bus() != 0)) {
                    self.strike_dma(rid, (slot as u64).wrapping_mul(Window::SLOT), reads);
                    return;
                }
            }
        }
        if control & bit(1) != 0 {
            let base = reg(M32_BASE);
            let real = |segment: u16| base.wrapping_add(u64::from(segment) << SEGMENT_SHIFT);
            let mut segments =
                (0..SEGMENTS).filter(|segment| (real(*segment) ^ address) & mask & MMIO == 0);
            if let Some(segment) = segments.next()
                && let Some([entry, _]) = self.model.entry(table::M32DT, segment.into())
            {
                let store = if reads { 4 } else { 5 };
                // 2: a processor's access; 5:7 its kind; 8: it was aborted.
                let cause = Pest {
                    a: bit(2) | store << 56 | bit(8),
                    b: real(segment),
                };
                self.model.stop(PeNumber((entry >> 57) as u16), cause);
            }
        }
    }

    fn strike_dma(&self, rid: Bdf, address: u64, reads: bool) {
        // Refused as injected; nothing moves either way.
        let _ = if reads {
            self.model.forged_read(rid, address)
        } else {
            self.model.forged_write(rid, address)
        };
    }
}
