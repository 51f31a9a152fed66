//! hcall-pft and hcall-bulk: the page table of the partition. Source: LoPAR 2.9, "Page Frame Table
//! Access".
//!
//! Entries are Power ISA 2.07's, with logical page numbers on the guest's side. LoPAR leaves the page
//! number of a returned entry undefined unless H_READ was given R-XLATE; here it is always the logical
//! one, so that no host address gets out. Flags that an hcall does not define are ignored, as LoPAR
//! allows ("Hypervisor Call Interrupt"); so are the storage keys (no `ibm,processor-storage-keys`).

use super::{Args, Caller, Class, Hcall, Row};
use crate::hpt::{Batch, HptError, Match, PageSize, Placement};
use crate::{HResult, Lpar, Refusal};
use papr_abi::hpte::{bulk, flag, r, v};
use papr_abi::{GuestRealAddr, HError, PteIndex, RealAddr, token};

/// What of a guest's second doubleword goes into the table besides page number and attributes.
const KEPT: u64 = r::PP0 | r::R | r::C | r::N | r::PP;

const fn bad(cause: &'static str) -> Refusal {
    Refusal::new(HError::Parameter, cause)
}

/// What an entry maps.
enum Target {
    /// This real memory.
    Memory(RealAddr),
    /// Registers of a device.
    Device,
}

/// A checked entry in host-real terms.
struct HostEntry {
    v: u64,
    r: u64,
    size: PageSize,
    target: Target,
}

impl Lpar {
    /// Checks an entry that a partition wants and makes it the hardware's.
    fn host_entry(&self, v: u64, r: u64) -> Result<HostEntry, Refusal> {
        let size = PageSize::of(v, r)
            .filter(|size| size.is_offered(&self.ram))
            .ok_or(bad("page size not offered"))?;
        if v & v::B > v::B_1T {
            return Err(bad("reserved segment size"));
        }
        let at = GuestRealAddr(r & r::RPN & !size.lp_mask());
        if at.0 & (size.bytes() - 1) != 0 {
            return Err(bad("page not aligned to its size"));
        }
        let wimg = r & r::WIMG;
        let (target, real, attributes) = if at.0 < self.ram.bytes() {
            let real = self
                .ram
                .real(at, size.bytes())
                .map_err(|_| bad("page crosses the end of memory"))?;
            if wimg != r::M {
                return Err(bad("memory must have WIMG 0010"));
            }
            (Target::Memory(real), real, r::M)
        } else {
            let real = self.mmio.real(at, size.bytes()).ok_or(bad(
                "page is neither memory nor device memory of the partition",
            ))?;
            if wimg & (r::W | r::I) != r::I {
                return Err(bad("device memory must have WIMG 01xx"));
            }
            // Of WIMG 01xx the processor implements M = 0 alone; for inhibited storage M says nothing.
            (Target::Device, real, wimg & !r::M)
        };
        Ok(HostEntry {
            v: v & !v::HV_SOFTWARE,
            r: real.0 | r & size.lp_mask() | attributes | r & KEPT,
            size,
            target,
        })
    }

    /// Returns a second doubleword as the partition may see it.
    fn guest_entry(&self, r: u64) -> u64 {
        // Memory is aligned to every page size offered, so an LP encoding in the low bits stays as it is. What is
        // not memory is device memory, which has one address.
        let at = self.ram.logical(RealAddr(r & r::RPN));
        at.map_or(r, |at| r & !r::RPN | at.0)
    }
}

/// How H_REMOVE and H_PROTECT are told which entry is meant.
const fn like(flags: u64, avpn: u64) -> Match {
    let mut like = Match::ANY;
    if flags & flag::AVPN != 0 {
        like = like.avpn(avpn);
    }
    if flags & flag::ANDCOND != 0 {
        like = like.without(avpn);
    }
    like
}

/// `H_ENTER`: adds an entry to the page table.
///
/// Source: LoPAR 2.9, "Page Frame Table Access", H_ENTER; the locks of "Algorithm" there.
///
/// Output: r4, the index used. An entry is always entered valid, whatever bit 63 of r6 is. Errors, in
/// this order, nothing being changed on any of them:
/// - [`HError::Parameter`]: no such index; a page size that is not offered; a reserved segment size; a
///   page not aligned to its size, not wholly memory or device memory of the partition, or with
///   storage attributes (WIMG) other than 0010 for memory and 01xx for device memory.
/// - [`HError::TooBig`]: zeroing or instruction cache flags with a page larger than 64 KiB.
/// - [`HError::PtegFull`]: no free slot.
#[derive(Debug)]
#[doc(alias = "H_ENTER")]
pub struct Enter {
    /// R4: [`flag::EXACT`], [`flag::ZERO_PAGE`], [`flag::ICACHE_INVALIDATE`],
    /// [`flag::ICACHE_SYNCHRONIZE`]; those of the page are ignored for device memory.
    pub flags: u64,
    /// R5: the slot with EXACT, else any of the group.
    pub index: PteIndex,
    /// R6: first doubleword.
    pub v: u64,
    /// R7: second doubleword.
    pub r: u64,
}

impl Hcall for Enter {
    const ROW: Row = Row::new(token::H_ENTER, "H_ENTER", Class::Critical, "hcall-pft");

    #[inline]
    fn decode(&[flags, index, v, r, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self {
            flags,
            index: PteIndex(index),
            v,
            r,
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        const ICACHE: u64 = flag::ICACHE_INVALIDATE | flag::ICACHE_SYNCHRONIZE;
        let lpar = caller.lpar;
        if self.index.0 >= lpar.hpt.len() {
            return Err(HptError::Index.into());
        }
        let HostEntry { v, r, size, target } = lpar.host_entry(self.v, self.r)?;
        let on_page = self.flags & (flag::ZERO_PAGE | ICACHE);
        if on_page != 0 && size.bytes() > PageSize::K64.bytes() {
            return Err(Refusal::new(
                HError::TooBig,
                "flags for a page above 64 KiB",
            ));
        }
        let placement = if self.flags & flag::EXACT != 0 {
            Placement::Exact
        } else {
            Placement::Group
        };
        let index = lpar
            .hpt
            .enter(lpar.machine.tlb, self.index, placement, (v, r), || {
                let Target::Memory(real) = target else { return };
                if on_page & flag::ZERO_PAGE != 0
                    && let Some(at) = lpar.ram.logical(real)
                    && let Ok(words) = lpar.ram.words(at, (size.bytes() / 8) as usize)
                {
                    words.iter().for_each(|word| word.store(0));
                }
                if on_page & ICACHE != 0 {
                    lpar.machine.caches.fetch_anew(real, size.bytes());
                }
            })?;
        caller.out::<0>(index.0);
        Ok(())
    }
}

/// `H_REMOVE`: removes an entry from the page table.
///
/// Source: LoPAR 2.9, "Page Frame Table Access", H_REMOVE.
///
/// Outputs: r4 and r5, the doublewords of the entry with its last R and C. Errors, in this order:
/// - [`HError::Parameter`]: no such index.
/// - [`HError::NotFound`]: not valid, or not the one that the flags ask for.
/// - [`HError::Busy`]: another processor did not let go of the entry.
#[derive(Debug)]
#[doc(alias = "H_REMOVE")]
pub struct Remove {
    /// R4: [`flag::AVPN`], [`flag::ANDCOND`].
    pub flags: u64,
    /// R5: the slot.
    pub index: PteIndex,
    /// R6: what the flags compare the first doubleword with. With AVPN its low 7 bits are zero.
    pub avpn: u64,
}

impl Hcall for Remove {
    const ROW: Row = Row::new(token::H_REMOVE, "H_REMOVE", Class::Critical, "hcall-pft");

    #[inline]
    fn decode(&[flags, index, avpn, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self {
            flags,
            index: PteIndex(index),
            avpn,
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let lpar = caller.lpar;
        let like = like(self.flags, self.avpn);
        let (v, r) = lpar
            .hpt
            .remove(lpar.machine.tlb, lpar.lpid, self.index, like)?;
        caller.out::<0>(v);
        caller.out::<1>(lpar.guest_entry(r));
        Ok(())
    }
}

/// `H_READ`: returns one entry or four.
///
/// Source: LoPAR 2.9, "Page Frame Table Access", H_READ.
///
/// Outputs: r4 and r5, the doublewords; with READ-4 r4 to r11, those of the four entries. The page
/// number is the logical one with and without R-XLATE; an entry that is not valid is zeroes. Errors:
/// - [`HError::Parameter`]: no such index.
/// - [`HError::Busy`]: another processor did not let go of an entry.
#[derive(Debug)]
#[doc(alias = "H_READ")]
pub struct Read {
    /// R4: [`flag::READ_4`], [`flag::R_XLATE`].
    pub flags: u64,
    /// R5: the slot; with READ-4 any of four whose first is a multiple of four.
    pub index: PteIndex,
}

impl Hcall for Read {
    const ROW: Row = Row::new(token::H_READ, "H_READ", Class::Critical, "hcall-pft");

    #[inline]
    fn decode(&[flags, index, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self {
            flags,
            index: PteIndex(index),
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let lpar = caller.lpar;
        let (first, count) = if self.flags & flag::READ_4 != 0 {
            (self.index.0 & !3, 4_u64)
        } else {
            (self.index.0, 1)
        };
        let mut entries = [(0, 0); 4];
        for (entry, offset) in entries.iter_mut().zip(0..count) {
            // Past the largest number there is no entry either.
            let (v, r) = lpar.hpt.read(PteIndex(first.wrapping_add(offset)))?;
            *entry = (v, lpar.guest_entry(r));
        }
        let (pairs, _) = caller.regs.as_chunks_mut::<2>();
        for (pair, (v, r)) in pairs.iter_mut().zip(entries).take(count as usize) {
            *pair = [v, r];
        }
        Ok(())
    }
}

/// `H_CLEAR_MOD`: clears the changed bit of an entry.
///
/// Source: LoPAR 2.9, "Page Frame Table Access", H_CLEAR_MOD.
///
/// Output: r4, the second doubleword as it was. Errors, in this order:
/// - [`HError::Parameter`]: no such index.
/// - [`HError::NotFound`]: not valid.
/// - [`HError::Busy`]: another processor did not let go of the entry.
#[derive(Debug)]
#[doc(alias = "H_CLEAR_MOD")]
pub struct ClearMod {
    /// R5: the slot. R4, flags, has none defined.
    pub index: PteIndex,
}

impl Hcall for ClearMod {
    const ROW: Row = Row::new(
        token::H_CLEAR_MOD,
        "H_CLEAR_MOD",
        Class::Critical,
        "hcall-pft",
    );

    #[inline]
    fn decode(&[_flags, index, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self {
            index: PteIndex(index),
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let lpar = caller.lpar;
        let r = lpar
            .hpt
            .clear_changed(lpar.machine.tlb, lpar.lpid, self.index)?;
        caller.out::<0>(lpar.guest_entry(r));
        Ok(())
    }
}

/// `H_CLEAR_REF`: clears the referenced bit of an entry.
///
/// Source: LoPAR 2.9, "Page Frame Table Access", H_CLEAR_REF.
///
/// Output: r4, the second doubleword as it was. Errors, in this order:
/// - [`HError::Parameter`]: no such index.
/// - [`HError::NotFound`]: not valid.
/// - [`HError::Busy`]: another processor did not let go of the entry.
#[derive(Debug)]
#[doc(alias = "H_CLEAR_REF")]
pub struct ClearRef {
    /// R5: the slot. R4, flags, has none defined.
    pub index: PteIndex,
}

impl Hcall for ClearRef {
    const ROW: Row = Row::new(
        token::H_CLEAR_REF,
        "H_CLEAR_REF",
        Class::Critical,
        "hcall-pft",
    );

    #[inline]
    fn decode(&[_flags, index, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self {
            index: PteIndex(index),
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let lpar = caller.lpar;
        let r = lpar
            .hpt
            .clear_referenced(lpar.machine.tlb, lpar.lpid, self.index)?;
        caller.out::<0>(lpar.guest_entry(r));
        Ok(())
    }
}

/// `H_PROTECT`: sets the protection of an entry and clears its referenced bit.
///
/// Source: LoPAR 2.9, "Page Frame Table Access", H_PROTECT.
///
/// Outputs: none. Errors, in this order:
/// - [`HError::Parameter`]: no such index.
/// - [`HError::NotFound`]: not valid, or not the one that the flags ask for.
/// - [`HError::Busy`]: another processor did not let go of the entry.
#[derive(Debug)]
#[doc(alias = "H_PROTECT")]
pub struct Protect {
    /// R4: [`flag::AVPN`]; the protection to set, [`flag::PP0`], [`flag::N`], [`flag::PP`].
    pub flags: u64,
    /// R5: the slot.
    pub index: PteIndex,
    /// R6: with AVPN, bits 0:56 of the first doubleword; the low 7 bits are zero.
    pub avpn: u64,
}

impl Hcall for Protect {
    const ROW: Row = Row::new(token::H_PROTECT, "H_PROTECT", Class::Critical, "hcall-pft");

    #[inline]
    fn decode(&[flags, index, avpn, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self {
            flags,
            index: PteIndex(index),
            avpn,
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        /// From the place of PP0 in the flags to that in the entry.
        const PP0_SHIFT: u32 = 55;
        const CHANGED: u64 = r::PP0 | r::N | r::PP | r::R;
        let lpar = caller.lpar;
        let protection = (self.flags & flag::PP0) << PP0_SHIFT | self.flags & (flag::N | flag::PP);
        let like = like(self.flags & flag::AVPN, self.avpn);
        lpar.hpt
            .modify(lpar.machine.tlb, lpar.lpid, self.index, like, |r| {
                r & !CHANGED | protection
            })?;
        Ok(())
    }
}

/// `H_BULK_REMOVE`: removes up to four entries.
///
/// Source: LoPAR 2.9, "Page Frame Table Access", H_BULK_REMOVE.
///
/// Outputs: in place of each request its response ([`bulk`]). An entry named twice is not found the
/// second time. Errors, after which no more requests are looked at; those before stay removed:
/// - [`HError::Parameter`]: no request but not the end either; AVPN and ANDCOND both; no such index. The
///   response says so.
/// - [`HError::Hardware`]: another processor did not let go of the entry. The response says so.
#[derive(Debug)]
#[doc(alias = "H_BULK_REMOVE")]
pub struct BulkRemove {
    /// R4/r5 to r10/r11: type, compare flags and index of an entry; AVPN.
    pub requests: [[u64; 2]; bulk::MAX],
}

impl Hcall for BulkRemove {
    const ROW: Row = Row::new(
        token::H_BULK_REMOVE,
        "H_BULK_REMOVE",
        Class::Critical,
        "hcall-bulk",
    );

    #[inline]
    fn decode(&[a, b, c, d, e, f, g, h, _]: &Args) -> Result<Self, Refusal> {
        Ok(Self {
            requests: [[a, b], [c, d], [e, f], [g, h]],
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let lpar = caller.lpar;
        let (pairs, _) = caller.regs.as_chunks_mut::<2>();
        let mut respond = |place: usize, code: u64| {
            if let Some([high, _]) = pairs.get_mut(place) {
                *high = bulk::RESPONSE | code | *high & (bulk::COMPARE | bulk::PTEX);
            }
        };
        let mut batch = Batch::new(&lpar.hpt, lpar.machine.tlb, lpar.lpid);
        let mut result = Ok(());
        for (place, [high, avpn]) in self.requests.into_iter().enumerate() {
            if high & bulk::TYPE == bulk::END {
                break;
            }
            let removed = match (high & bulk::TYPE, high & bulk::COMPARE) {
                (bulk::REQUEST, bulk::COMPARE) => Err(HptError::Index),
                (bulk::REQUEST, compare) => {
                    let like = match compare {
                        bulk::AVPN => Match::ANY.avpn(avpn),
                        bulk::ANDCOND => Match::ANY.without(avpn & v::AVPN),
                        _ => Match::ANY,
                    };
                    batch.remove(place, PteIndex(high & bulk::PTEX), like, &mut |place, r| {
                        respond(place, removed_code(r));
                    })
                }
                _ => Err(HptError::Index),
            };
            match removed {
                Ok(()) => {}
                Err(HptError::NotFound | HptError::Full) => respond(place, bulk::NOT_FOUND),
                Err(HptError::Index) => {
                    respond(place, bulk::PARAMETER);
                    result = Err(bad("malformed request"));
                    break;
                }
                Err(HptError::Busy) => {
                    respond(place, bulk::HARDWARE);
                    result = Err(Refusal::new(HError::Hardware, "an entry stays locked"));
                    break;
                }
            }
        }
        batch.finish(&mut |place, r| respond(place, removed_code(r)));
        result
    }
}

/// Makes the response for a removed entry: R and C go 51 places up.
const fn removed_code(r: u64) -> u64 {
    bulk::SUCCESS | (r & (r::R | r::C)) << 51
}

#[cfg(test)]
mod tests;
