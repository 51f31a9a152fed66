//! The tables that the bridge keeps in our memory: [`Tables`], [`Ive`].

use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
use ioda::{BeU16, BeU32, BeU64, DmaTable, ResetError};

/// One entry of the interrupt vector table, a cache line of its own. All zeroes is valid.
///
/// The bridge writes single bytes of it, so nothing wider than the field may be stored here.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Ive {
    /// 0:23 server with two link bits below it, 24:31 priority.
    pub(crate) target: BeU32,
    /// 37:38 generation, 39 P: it was presented and not ended yet.
    pub(crate) gen_p: AtomicU8,
    /// 47 Q: another edge came meanwhile, or while it was masked.
    pub(crate) q: AtomicU8,
    /// 48:63: the endpoint whose messages count.
    pub(crate) pe: BeU16,
}

impl Ive {
    /// An entry as zeroed memory has it.
    #[must_use]
    pub const fn zeroed() -> Self {
        Self {
            target: BeU32::new(0),
            gen_p: AtomicU8::new(0),
            q: AtomicU8::new(0),
            pe: BeU16::new(0),
        }
    }

    /// Byte `at` of the entry as the bridge reads it; 0 behind the fields. For models of the bridge.
    #[must_use]
    pub fn byte(&self, at: usize) -> u8 {
        let [a, b, c, d] = self.target.load().to_be_bytes();
        let [pe_high, pe_low] = self.pe.load().to_be_bytes();
        let (gen_p, q) = (self.gen_p.load(Relaxed), self.q.load(Relaxed));
        let bytes = [a, b, c, d, gen_p, q, pe_high, pe_low];
        bytes.get(at).copied().unwrap_or(0)
    }

    /// Stores byte `at` as the bridge does, which writes P and Q alone: `None`, and nothing stored, for others.
    pub fn set_byte(&self, at: usize, value: u8) -> Option<()> {
        match at {
            4 => self.gen_p.store(value, Relaxed),
            5 => self.q.store(value, Relaxed),
            _ => return None,
        }
        Some(())
    }
}

const _: () = assert!(size_of::<Ive>() == Tables::IVE_BYTES);

/// The tables. All are zeroed memory that nobody else writes, for as long as the machine runs.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    /// Requester to endpoint: [`Self::RTT_ENTRIES`].
    pub rtt: DmaTable<BeU16>,
    /// Who freezes with whom: [`Self::PELTV_ENTRIES`].
    pub peltv: DmaTable<BeU64>,
    /// Why an endpoint was frozen: [`Self::PEST_ENTRIES`].
    pub pest: DmaTable<BeU64>,
    /// Message interrupts: [`Self::IVT_ENTRIES`].
    pub ivt: DmaTable<Ive>,
}

impl Tables {
    /// Entries of the requester table.
    pub const RTT_ENTRIES: usize = 0x1_0000;
    /// Alignment of the requester table, bytes; also its size.
    pub const RTT_ALIGN: u64 = 0x2_0000;
    /// Doublewords of the error propagation table: 256 rows of 256 bits.
    pub const PELTV_ENTRIES: usize = 256 * PELTV_ROW;
    /// Its alignment, bytes; also its size.
    pub const PELTV_ALIGN: u64 = 0x2000;
    /// Doublewords of the error detail table: 256 pairs.
    pub const PEST_ENTRIES: usize = 512;
    /// Its alignment, bytes; also its size.
    pub const PEST_ALIGN: u64 = 0x1000;
    /// Entries of the interrupt vector table.
    pub const IVT_ENTRIES: usize = 2048;
    /// Bytes of an entry. The bridge also knows 16; a line each lets one be flushed without its neighbours.
    pub const IVE_BYTES: usize = 128;
    /// Its alignment, bytes; also its size.
    pub const IVT_ALIGN: u64 = 0x4_0000;

    pub(crate) fn check(&self) -> Result<(), ResetError> {
        let Self {
            rtt,
            peltv,
            pest,
            ivt,
        } = self;
        let tables = [
            (rtt.fits(Self::RTT_ENTRIES, Self::RTT_ALIGN), "RTT"),
            (peltv.fits(Self::PELTV_ENTRIES, Self::PELTV_ALIGN), "PELT-V"),
            (pest.fits(Self::PEST_ENTRIES, Self::PEST_ALIGN), "PEST"),
            (ivt.fits(Self::IVT_ENTRIES, Self::IVT_ALIGN), "IVT"),
        ];
        match tables.iter().find(|(good, _)| !good) {
            Some((_, name)) => Err(ResetError::Table(name)),
            None => Ok(()),
        }
    }
}

/// Doublewords of a row of the error propagation table.
pub(crate) const PELTV_ROW: usize = 4;
