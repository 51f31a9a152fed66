//! hcall-tce and hcall-multi-tce: what devices of the partition may reach. Source: LoPAR 2.9,
//! "Translation Control Entry Access".
//!
//! A bus address names the page that it lies in, as LoPAR has it ("for indexing into the TCE table");
//! implementations that ask for its alignment are stricter. An entry without permissions keeps its page
//! number as given, and reads back so.

use super::{Args, Caller, Class, Hcall, Row};
use crate::dma::{DmaWindow, TceMap, parts};
use crate::{HResult, Lpar, Refusal};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use ioda::BeU64;
use papr_abi::tce::MAX_LIST;
use papr_abi::{GuestRealAddr, HError, IoAddr, Liobn, token};

/// Page number bits of what H_GET_TCE returns with H_PARTIAL.
const NO_PAGE: u64 = 0xffff_ffff_ffff_f000;

const fn bad(cause: &'static str) -> Refusal {
    Refusal::new(HError::Parameter, cause)
}

#[inline]
fn liobn(arg: u64) -> Result<Liobn, Refusal> {
    u32::try_from(arg)
        .map(Liobn)
        .map_err(|_| bad("LIOBN above 32 bits"))
}

impl Lpar {
    #[inline]
    fn window(&self, liobn: Liobn) -> Result<&DmaWindow, Refusal> {
        self.dma.find(liobn).ok_or(bad("no such DMA window"))
    }
}

const OUTSIDE: Refusal = bad("outside the DMA window");
const PAST: Refusal = bad("past the DMA window");
const FOREIGN: Refusal = bad("TCE permits access to what is not a page of the partition's memory");

/// `H_GET_TCE`: returns one entry of a DMA window.
///
/// Source: LoPAR 2.9, "Translation Control Entry Access", H_GET_TCE.
///
/// Output: r4, the entry with its logical page number. Errors, in this order:
/// - [`HError::Parameter`]: the caller has no window `liobn`, or `ioba` is outside it.
/// - [`HError::Partial`]: the page is not the caller's; r4 has permissions and all ones.
#[derive(Debug)]
#[doc(alias = "H_GET_TCE")]
pub struct GetTce {
    /// R4: logical I/O bus number, 32 bits; the upper half is zero.
    pub liobn: Liobn,
    /// R5: I/O bus address in bytes, anywhere in the page.
    pub ioba: IoAddr,
}

impl Hcall for GetTce {
    const ROW: Row = Row::new(token::H_GET_TCE, "H_GET_TCE", Class::Critical, "hcall-tce");

    #[inline]
    fn decode(&[bus, ioba, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self {
            liobn: liobn(bus)?,
            ioba: IoAddr(ioba),
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let lpar = caller.lpar;
        let entry = lpar.window(self.liobn)?.entry(self.ioba);
        let entry = entry.ok_or(OUTSIDE)?.load();
        let (real, permissions) = parts(entry);
        if permissions == 0 {
            caller.out::<0>(entry);
            return Ok(());
        }
        let page = lpar.ram.logical(real).map(|GuestRealAddr(page)| page);
        caller.out::<0>(page.unwrap_or(NO_PAGE) | permissions);
        match page {
            Some(_) => Ok(()),
            None => Err(Refusal::new(HError::Partial, "TCE of a foreign page")),
        }
    }
}

/// `H_PUT_TCE`: sets one entry of a DMA window.
///
/// Source: LoPAR 2.9, "Translation Control Entry Access", H_PUT_TCE.
///
/// Outputs: none. Errors, in this order, nothing being stored on any of them:
/// - [`HError::Parameter`]: the caller has no window `liobn`, or `ioba` is outside it.
/// - [`HError::Parameter`]: `tce` permits access to what is not one whole page of the caller's memory, or
///   with permissions has bits between page number and them.
#[derive(Debug)]
#[doc(alias = "H_PUT_TCE")]
pub struct PutTce {
    /// R4: logical I/O bus number, 32 bits; the upper half is zero.
    pub liobn: Liobn,
    /// R5: I/O bus address in bytes, anywhere in the page to map.
    pub ioba: IoAddr,
    /// R6: the entry as the guest writes it: logical page number, permission bits.
    pub tce: u64,
}

impl Hcall for PutTce {
    const ROW: Row = Row::new(token::H_PUT_TCE, "H_PUT_TCE", Class::Critical, "hcall-tce");

    #[inline]
    fn decode(&[bus, ioba, tce, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self {
            liobn: liobn(bus)?,
            ioba: IoAddr(ioba),
            tce,
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let lpar = caller.lpar;
        let window = lpar.window(self.liobn)?;
        let entry = window.entry(self.ioba).ok_or(OUTSIDE)?;
        let tce = window.map().host(self.tce).ok_or(FOREIGN)?;
        entry.store(tce.bits());
        window.forget(self.ioba, 1);
        Ok(())
    }
}

/// `H_STUFF_TCE`: sets consecutive entries of a DMA window to the same.
///
/// Source: LoPAR 2.9, "Translation Control Entry Access", H_STUFF_TCE.
///
/// Outputs: none. Errors, in this order, nothing being stored on any of them:
/// - [`HError::Parameter`]: the caller has no window `liobn`, or `ioba` is outside it.
/// - [`HError::P4`]: `count` is above 512.
/// - [`HError::Parameter`]: the entries go past the window.
/// - [`HError::Parameter`]: as for [`PutTce::tce`].
#[derive(Debug)]
#[doc(alias = "H_STUFF_TCE")]
pub struct StuffTce {
    /// R4: logical I/O bus number, 32 bits; the upper half is zero.
    pub liobn: Liobn,
    /// R5: I/O bus address in bytes, anywhere in the first page.
    pub ioba: IoAddr,
    /// R6: the entry as the guest writes it: logical page number, permission bits.
    pub tce: u64,
    /// R7: how many entries, 0 to 512.
    pub count: u64,
}

impl Hcall for StuffTce {
    const ROW: Row = Row::new(
        token::H_STUFF_TCE,
        "H_STUFF_TCE",
        Class::Critical,
        "hcall-multi-tce",
    );

    #[inline]
    fn decode(&[bus, ioba, tce, count, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self {
            liobn: liobn(bus)?,
            ioba: IoAddr(ioba),
            tce,
            count,
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let lpar = caller.lpar;
        let window = lpar.window(self.liobn)?;
        window.entry(self.ioba).ok_or(OUTSIDE)?;
        if self.count > MAX_LIST {
            return Err(Refusal::new(HError::P4, "more than 512 TCEs"));
        }
        let entries = window.entries(self.ioba, self.count).ok_or(PAST)?;
        let tce = window.map().host(self.tce).ok_or(FOREIGN)?.bits();
        set_all(entries, tce);
        if !entries.is_empty() {
            window.forget(self.ioba, self.count);
        }
        Ok(())
    }
}

/// `H_PUT_TCE_INDIRECT`: sets consecutive entries of a DMA window from a list.
///
/// Source: LoPAR 2.9, "Translation Control Entry Access", H_PUT_TCE_INDIRECT. Each word of the list is
/// read once, and all are checked before the first is stored.
///
/// Outputs: none. Errors, in this order, nothing being stored on any of them:
/// - [`HError::Function`]: `liobn` is negative: several tables at once (the MTT option) are not offered.
/// - [`HError::Parameter`]: `count` is above 512; the caller has no window `liobn`; `ioba` is outside it; the
///   entries go past it; `list` is not a 4 KiB page of the caller's memory, aligned.
/// - [`HError::Parameter`]: one of the list as for [`PutTce::tce`].
#[derive(Debug)]
#[doc(alias = "H_PUT_TCE_INDIRECT")]
pub struct PutTceIndirect {
    /// R4: logical I/O bus number, 32 bits; the upper half is zero.
    pub liobn: Liobn,
    /// R5: I/O bus address in bytes, anywhere in the first page.
    pub ioba: IoAddr,
    /// R6: logical address of the list: entries as the guest writes them, big-endian, from the start of
    /// a 4 KiB page.
    pub list: GuestRealAddr,
    /// R7: how many entries, 0 to 512.
    pub count: u64,
}

impl Hcall for PutTceIndirect {
    const ROW: Row = Row::new(
        token::H_PUT_TCE_INDIRECT,
        "H_PUT_TCE_INDIRECT",
        Class::Critical,
        "hcall-multi-tce",
    );

    #[inline]
    fn decode(&[bus, ioba, list, count, ..]: &Args) -> Result<Self, Refusal> {
        if bus.cast_signed() < 0 {
            let cause = "several TCE tables at once";
            return Err(Refusal::new(HError::Function, cause));
        }
        if count > MAX_LIST {
            return Err(bad("more than 512 TCEs"));
        }
        Ok(Self {
            liobn: liobn(bus)?,
            ioba: IoAddr(ioba),
            list: GuestRealAddr(list),
            count,
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let lpar = caller.lpar;
        let window = lpar.window(self.liobn)?;
        window.entry(self.ioba).ok_or(OUTSIDE)?;
        let entries = window.entries(self.ioba, self.count).ok_or(PAST)?;
        let page = lpar.ram.page(self.list).ok();
        let list = page.and_then(|words| words.get(..entries.len()));
        let list = list.ok_or(bad("the list is not a page of the partition's memory"))?;
        let checked = lpar.scratch(caller.vcpu).get(..entries.len());
        let checked = checked.ok_or(bad("more than 512 TCEs"))?;
        let map = window.map();
        check_all(list, checked, map).ok_or(FOREIGN)?;
        for (entry, kept) in entries.iter().zip(checked) {
            entry.store(kept.load(Relaxed));
        }
        if !entries.is_empty() {
            window.forget(self.ioba, self.count);
        }
        Ok(())
    }
}

/// Sets all of `entries`, eight in a turn: most of what a long list costs is its turns, and the compiler, told to make
/// the image small, does not join any.
fn set_all(entries: &[BeU64], tce: u64) {
    let (eights, rest) = entries.as_chunks();
    for [a, b, c, d, e, f, g, h] in eights {
        for entry in [a, b, c, d, e, f, g, h] {
            entry.store(tce);
        }
    }
    rest.iter().for_each(|entry| entry.store(tce));
}

/// Puts what `map` makes of each word of `list` into `checked`, as long as that: eight in a turn, as [`set_all`]. `None` when
/// it refuses one.
#[inline]
fn check_all(list: &[BeU64], checked: &[AtomicU64], map: TceMap) -> Option<()> {
    let check = |word: &BeU64, keep: &AtomicU64| {
        keep.store(map.host(word.load())?.bits(), Relaxed);
        Some(())
    };
    let (words, last_words) = list.as_chunks();
    let (keeps, last_keeps) = checked.as_chunks();
    for ([a, b, c, d, e, f, g, h], keeps) in words.iter().zip(keeps) {
        let [i, j, k, l, m, n, o, p] = keeps;
        check(a, i)?;
        check(b, j)?;
        check(c, k)?;
        check(d, l)?;
        check(e, m)?;
        check(f, n)?;
        check(g, o)?;
        check(h, p)?;
    }
    let mut last = last_words.iter().zip(last_keeps);
    last.try_for_each(|(word, keep)| check(word, keep))
}

#[cfg(test)]
mod tests;
