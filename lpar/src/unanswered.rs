//! Loads and stores of a processor that no device answers: [`Unanswered`].
//!
//! On a PAPR platform a load from an endpoint that is stopped gives all ones and a store to it is dropped, and nothing
//! else happens (LoPAR 2.9, "EEH Option Requirements", R1-8). A bridge does that by itself. Where the access ends in a
//! machine check instead, because there is nothing at the bus address now, the same is made of it here: the access is
//! found by its instruction, and only if it is to the partition's own device memory. A load stops the
//! endpoint, as a bridge does when a function does not answer one.
//!
//! Source: Power ISA 2.07, Book I 3.3 (the instructions), Book III-S 5.7 (translation).

use crate::Lpar;
use crate::hpt::PageSize;
use papr_abi::hpte::{PTEG_SLOTS, r, v};
use papr_abi::{GuestRealAddr, PteIndex, RealAddr};

/// MSR bits. Source: Power ISA 2.07, Book III-S 3.2.1.
mod msr {
    pub(super) const SF: u64 = 1 << 63;
    pub(super) const IR: u64 = 1 << 5;
    pub(super) const DR: u64 = 1 << 4;
    pub(super) const RI: u64 = 2;
    pub(super) const LE: u64 = 1;
}

/// SRR1 42, of a machine check: a load or store met it.
const BY_DATA: u64 = 1 << (63 - 42);

/// A machine check that a processor of a partition has met.
#[derive(Clone, Copy, Debug)]
pub struct Unanswered<'a> {
    /// Where: SRR0.
    pub pc: u64,
    /// Its MSR, and the cause: SRR1.
    pub srr1: u64,
    /// The effective address of the access: DAR.
    pub address: u64,
    /// Its segment lookaside buffer: pairs of ESID and VSID doublewords, those of unused entries without the valid bit.
    pub slb: &'a [(u64, u64)],
}

impl Unanswered<'_> {
    /// Makes of it what a PAPR platform does: sets the registers of `gpr` that the instruction loads, and returns where
    /// the processor goes on. `None`, and nothing is changed, if it was no plain load or store of the partition's device
    /// memory, or cannot be gone on after.
    #[must_use]
    pub fn answer(&self, lpar: &Lpar, gpr: &mut [u64; 32]) -> Option<u64> {
        // Without RI the machine check has overwritten what the processor still needs.
        let needs = BY_DATA | msr::SF | msr::DR | msr::RI;
        if self.srr1 & needs != needs {
            return None;
        }
        let access = Access::decode(self.instruction(lpar)?, gpr)?;
        if access.address != self.address {
            return None;
        }
        let real = self.translate(lpar, access.address)?;
        lpar.mmio.real(GuestRealAddr(real.0), access.bytes)?;
        // A bridge takes that for an error of the endpoint; a store it cannot tell from one that was answered.
        if access.effect != Effect::Nothing
            && let Some(function) = lpar.function_at(real)
        {
            function.stop_unanswered();
        }
        access.finish(gpr);
        Some(self.pc.wrapping_add(4))
    }

    fn instruction(&self, lpar: &Lpar) -> Option<u32> {
        let at = if self.srr1 & msr::IR == 0 {
            // The upper bits of an address in real mode mean nothing.
            GuestRealAddr(self.pc & ((1 << 60) - 1))
        } else {
            lpar.ram.logical(self.translate(lpar, self.pc)?)?
        };
        let word = lpar.ram.load(at, 4).ok()? as u32;
        Some(if self.srr1 & msr::LE == 0 {
            word
        } else {
            word.swap_bytes()
        })
    }

    /// The real address of `address`, as the processor finds it.
    fn translate(&self, lpar: &Lpar, address: u64) -> Option<RealAddr> {
        let mut segments = self.slb.iter();
        let segment = segments.find_map(|&(esid, vsid)| Segment::of(esid, vsid, address))?;
        let groups = lpar.hpt.len() / PTEG_SLOTS;
        for secondary in [0, v::SECONDARY] {
            let hash = if secondary == 0 {
                segment.hash
            } else {
                !segment.hash
            };
            let first = (hash & groups.wrapping_sub(1)).wrapping_mul(PTEG_SLOTS);
            for slot in 0..PTEG_SLOTS {
                let (first, second) = lpar.hpt.read(PteIndex(first.wrapping_add(slot))).ok()?;
                let is_it = first & v::VALID != 0
                    && first & v::SECONDARY == secondary
                    && first & v::AVPN == segment.avpn
                    && PageSize::of(first, second) == Some(segment.size);
                if is_it {
                    let page = second & r::RPN & !segment.size.lp_mask();
                    return Some(RealAddr(page | (address & (segment.size.bytes() - 1))));
                }
            }
        }
        None
    }
}

/// A page as a segment names it.
struct Segment {
    size: PageSize,
    hash: u64,
    /// What an entry's first doubleword has in [`v::AVPN`].
    avpn: u64,
}

impl Segment {
    /// The page of `address`, if it is in the segment of this entry.
    fn of(esid: u64, vsid: u64, address: u64) -> Option<Self> {
        /// ESID doubleword, 36: valid.
        const VALID: u64 = 1 << (63 - 36);
        /// VSID doubleword, 0:1 segment size, 55 L, 58:59 LP.
        const L_LP: u64 = 0x130;
        let is_1t = vsid & v::B == v::B_1T;
        if esid & VALID == 0 || vsid & v::B > v::B_1T {
            return None;
        }
        let shift: u32 = if is_1t { 40 } else { 28 };
        if esid >> shift != address >> shift {
            return None;
        }
        let size = match vsid & L_LP {
            0x000 => PageSize::K4,
            0x110 => PageSize::K64,
            0x100 => PageSize::M16,
            _ => return None,
        };
        let id = (vsid & !v::B) >> (shift - 16);
        let offset = address & ((1 << shift) - 1);
        let spread = if is_1t { id << 25 } else { 0 };
        // The low bits that a large page has no use for are zero.
        let page = (id << (shift - 23) | offset >> 23) & !((size.bytes() - 1) >> 23);
        Some(Self {
            size,
            hash: id ^ spread ^ offset >> size.shift(),
            avpn: vsid & v::B | page << 7 & !v::B,
        })
    }
}

/// What an access does to a register besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// A store.
    Nothing,
    /// A load, with zeroes above.
    Zeroes,
    /// A load, with the sign above.
    Sign,
}

/// A plain load or store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Access {
    address: u64,
    bytes: u64,
    effect: Effect,
    /// The register that is loaded or stored.
    target: usize,
    /// The register that gets the address.
    updates: Option<usize>,
}

impl Access {
    fn decode(instruction: u32, gpr: &[u64; 32]) -> Option<Self> {
        let register = |shift: u32| (instruction >> shift & 31) as usize;
        let (target, base, index) = (register(21), register(16), register(11));
        let displacement = i64::from(instruction as u16 as i16).cast_unsigned();
        let (kind, offset) = match instruction >> 26 {
            31 => (Kind::indexed(instruction >> 1 & 0x3ff)?, *gpr.get(index)?),
            58 => {
                let kind = match instruction & 3 {
                    0 => Kind::load(8),
                    1 => Kind::load(8).updating(),
                    2 => Kind::algebraic(4),
                    _ => return None,
                };
                (kind, displacement & !3)
            }
            62 => {
                let kind = match instruction & 3 {
                    0 => Kind::store(8),
                    1 => Kind::store(8).updating(),
                    _ => return None,
                };
                (kind, displacement & !3)
            }
            opcode => (Kind::of(opcode)?, displacement),
        };
        if kind.updates && (base == 0 || kind.effect != Effect::Nothing && base == target) {
            return None;
        }
        let start = if base == 0 { 0 } else { *gpr.get(base)? };
        Some(Self {
            address: start.wrapping_add(offset),
            bytes: kind.bytes,
            effect: kind.effect,
            target,
            updates: kind.updates.then_some(base),
        })
    }

    fn finish(&self, gpr: &mut [u64; 32]) {
        if let Some(place) = gpr.get_mut(self.target) {
            match self.effect {
                Effect::Nothing => {}
                Effect::Zeroes => *place = u64::MAX >> (64 - 8 * self.bytes),
                Effect::Sign => *place = u64::MAX,
            }
        }
        if let Some(place) = self.updates.and_then(|base| gpr.get_mut(base)) {
            *place = self.address;
        }
    }
}

/// A kind of access.
#[derive(Clone, Copy)]
struct Kind {
    bytes: u64,
    effect: Effect,
    updates: bool,
}

impl Kind {
    const fn load(bytes: u64) -> Self {
        Self {
            bytes,
            effect: Effect::Zeroes,
            updates: false,
        }
    }
    const fn algebraic(bytes: u64) -> Self {
        Self {
            effect: Effect::Sign,
            ..Self::load(bytes)
        }
    }
    const fn store(bytes: u64) -> Self {
        Self {
            effect: Effect::Nothing,
            ..Self::load(bytes)
        }
    }
    const fn updating(self) -> Self {
        Self {
            updates: true,
            ..self
        }
    }

    /// By primary opcode: lwz to sthu, with a displacement of 16 bits.
    const fn of(opcode: u32) -> Option<Self> {
        Some(match opcode {
            32 => Self::load(4),
            33 => Self::load(4).updating(),
            34 => Self::load(1),
            35 => Self::load(1).updating(),
            36 => Self::store(4),
            37 => Self::store(4).updating(),
            38 => Self::store(1),
            39 => Self::store(1).updating(),
            40 => Self::load(2),
            41 => Self::load(2).updating(),
            42 => Self::algebraic(2),
            43 => Self::algebraic(2).updating(),
            44 => Self::store(2),
            45 => Self::store(2).updating(),
            _ => return None,
        })
    }

    /// By extended opcode of primary opcode 31. Of all ones the order of bytes is no matter.
    const fn indexed(opcode: u32) -> Option<Self> {
        Some(match opcode {
            // ldx, ldbrx; ldux
            21 | 532 => Self::load(8),
            53 => Self::load(8).updating(),
            // lwzx, lwbrx; lwzux
            23 | 534 => Self::load(4),
            55 => Self::load(4).updating(),
            // lbzx; lbzux
            87 => Self::load(1),
            119 => Self::load(1).updating(),
            // lhzx, lhbrx; lhzux
            279 | 790 => Self::load(2),
            311 => Self::load(2).updating(),
            // lhax; lhaux; lwax; lwaux
            343 => Self::algebraic(2),
            375 => Self::algebraic(2).updating(),
            341 => Self::algebraic(4),
            373 => Self::algebraic(4).updating(),
            // stdx, stdbrx; stdux
            149 | 660 => Self::store(8),
            181 => Self::store(8).updating(),
            // stwx, stwbrx; stwux
            151 | 662 => Self::store(4),
            183 => Self::store(4).updating(),
            // stbx; stbux
            215 => Self::store(1),
            247 => Self::store(1).updating(),
            // sthx, sthbrx; sthux
            407 | 918 => Self::store(2),
            439 => Self::store(2).updating(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
