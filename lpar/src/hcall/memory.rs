//! hcall-copy and hcall-debug: memory and device registers reached for a guest in real mode.

use super::{Args, Caller, Class, Hcall, Row};
use crate::{HResult, Refusal};
use papr_abi::hpte::flag;
use papr_abi::{GuestRealAddr, HError, RealAddr, token};

/// Bytes of a cache line: the unit of H_LOGICAL_ICBI and H_LOGICAL_DCBF.
const LINE_BYTES: u64 = 128;
/// Bytes of the page of H_PAGE_INIT.
const PAGE_BYTES: u64 = 4096;

const fn bad(cause: &'static str) -> Refusal {
    Refusal::new(HError::Parameter, cause)
}

/// `H_PAGE_INIT`: fills a page with zeroes or with another page.
///
/// Source: LoPAR 2.9, H_PAGE_INIT. With both flags the copy is what remains.
///
/// Outputs: none. Errors, nothing being changed on any of them:
/// - [`HError::Parameter`]: `destination` is not the start of a 4 KiB page of the caller's memory; with
///   COPY the same of `source`.
#[derive(Debug)]
#[doc(alias = "H_PAGE_INIT")]
pub struct PageInit {
    /// R4: [`flag::ZERO_PAGE`], [`flag::COPY_PAGE`], [`flag::ICACHE_INVALIDATE`],
    /// [`flag::ICACHE_SYNCHRONIZE`]; others are ignored, as LoPAR allows.
    pub flags: u64,
    /// R5: logical address of the page to fill.
    pub destination: GuestRealAddr,
    /// R6: logical address of the page to copy; looked at with COPY alone.
    pub source: GuestRealAddr,
}

impl Hcall for PageInit {
    const ROW: Row = Row::new(
        token::H_PAGE_INIT,
        "H_PAGE_INIT",
        Class::Critical,
        "hcall-copy",
    );

    #[inline]
    fn decode(&[flags, destination, source, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self {
            flags,
            destination: GuestRealAddr(destination),
            source: GuestRealAddr(source),
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let lpar = caller.lpar;
        let not_a_page = |_| bad("not a page of the partition's memory");
        let to = lpar.ram.page(self.destination).map_err(not_a_page)?;
        if self.flags & flag::COPY_PAGE != 0 {
            let from = lpar.ram.page(self.source).map_err(not_a_page)?;
            for (to, from) in to.iter().zip(from) {
                to.store(from.load());
            }
        } else if self.flags & flag::ZERO_PAGE != 0 {
            to.iter().for_each(|word| word.store(0));
        }
        if self.flags & (flag::ICACHE_INVALIDATE | flag::ICACHE_SYNCHRONIZE) != 0 {
            let real = lpar.ram.real(self.destination, PAGE_BYTES);
            let real = real.map_err(not_a_page)?;
            lpar.machine.caches.fetch_anew(real, PAGE_BYTES);
        }
        Ok(())
    }
}

/// A size and an address that is a multiple of it.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// R4: bytes: 1, 2, 4 or 8.
    pub bytes: u64,
    /// R5: logical address.
    pub at: GuestRealAddr,
}

impl Access {
    #[inline]
    fn decode(bytes: u64, at: u64) -> Result<Self, Refusal> {
        if !matches!(bytes, 1 | 2 | 4 | 8) {
            return Err(bad("size is none of 1, 2, 4, 8"));
        }
        if at & (bytes - 1) != 0 {
            return Err(bad("address not aligned to the size"));
        }
        Ok(Self {
            bytes,
            at: GuestRealAddr(at),
        })
    }

    fn device(self, caller: &Caller<'_>) -> Result<RealAddr, Refusal> {
        let real = caller.lpar.mmio.real(self.at, self.bytes);
        real.ok_or(bad("not device memory of the partition"))
    }

    /// Keeps of a register what is stored.
    const fn low(self, value: u64) -> u64 {
        value & (u64::MAX >> (64 - 8 * self.bytes))
    }
}

/// `H_LOGICAL_CI_LOAD`: loads from a device register.
///
/// Source: LoPAR 2.9, H_LOGICAL_CI_LOAD. Memory is mapped cached and so not for this one. A device that does not
/// answer, being in reset or asleep, gives all ones, as a bridge does.
///
/// Output: r4, the value as the device drives it, big-endian, in the low bytes. Errors:
/// - [`HError::Parameter`]: a size that is none of 1, 2, 4, 8; an address not aligned to it, or not
///   device memory of the caller.
#[derive(Debug)]
#[doc(alias = "H_LOGICAL_CI_LOAD")]
pub struct LogicalCiLoad(pub Access);

impl Hcall for LogicalCiLoad {
    const ROW: Row = Row::new(
        token::H_LOGICAL_CI_LOAD,
        "H_LOGICAL_CI_LOAD",
        Class::Normal,
        "hcall-debug",
    );

    fn decode(&[bytes, at, ..]: &Args) -> Result<Self, Refusal> {
        Access::decode(bytes, at).map(Self)
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let at = self.0.device(caller)?;
        let value = caller.lpar.machine.device_memory.load(at, self.0.bytes);
        caller.out::<0>(self.0.low(value));
        Ok(())
    }
}

/// `H_LOGICAL_CI_STORE`: stores to a device register.
///
/// Source: LoPAR 2.9, H_LOGICAL_CI_STORE. Lost where the device does not answer, as it is behind a bridge.
///
/// Outputs: none. Errors:
/// - [`HError::Parameter`]: a size that is none of 1, 2, 4, 8; an address not aligned to it, or not
///   device memory of the caller.
#[derive(Debug)]
#[doc(alias = "H_LOGICAL_CI_STORE")]
pub struct LogicalCiStore {
    /// R4 and r5.
    pub access: Access,
    /// R6: the value, in its low bytes; the others are ignored.
    pub value: u64,
}

impl Hcall for LogicalCiStore {
    const ROW: Row = Row::new(
        token::H_LOGICAL_CI_STORE,
        "H_LOGICAL_CI_STORE",
        Class::Normal,
        "hcall-debug",
    );

    fn decode(&[bytes, at, value, ..]: &Args) -> Result<Self, Refusal> {
        let access = Access::decode(bytes, at)?;
        Ok(Self { access, value })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let Self { access, value } = self;
        let at = access.device(caller)?;
        let value = access.low(value);
        caller
            .lpar
            .machine
            .device_memory
            .store(at, access.bytes, value);
        Ok(())
    }
}

/// `H_LOGICAL_CACHE_LOAD`: loads from memory.
///
/// Not in LoPAR 2.9; as H_LOGICAL_CI_LOAD there, for memory, and as firmware of its family uses it.
///
/// Output: r4, the value, big-endian, in the low bytes. Errors:
/// - [`HError::Parameter`]: a size that is none of 1, 2, 4, 8; an address not aligned to it, or not
///   memory of the caller.
#[derive(Debug)]
#[doc(alias = "H_LOGICAL_CACHE_LOAD")]
pub struct LogicalCacheLoad(pub Access);

impl Hcall for LogicalCacheLoad {
    const ROW: Row = Row::new(
        token::H_LOGICAL_CACHE_LOAD,
        "H_LOGICAL_CACHE_LOAD",
        Class::Normal,
        "hcall-debug",
    );

    fn decode(&[bytes, at, ..]: &Args) -> Result<Self, Refusal> {
        Access::decode(bytes, at).map(Self)
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let Access { bytes, at } = self.0;
        let value = caller.lpar.ram.load(at, bytes);
        let value = value.map_err(|_| bad("not memory of the partition"))?;
        caller.out::<0>(value);
        Ok(())
    }
}

/// `H_LOGICAL_CACHE_STORE`: stores to memory.
///
/// Not in LoPAR 2.9; see [`LogicalCacheLoad`].
///
/// Outputs: none. Errors:
/// - [`HError::Parameter`]: a size that is none of 1, 2, 4, 8; an address not aligned to it, or not
///   memory of the caller.
#[derive(Debug)]
#[doc(alias = "H_LOGICAL_CACHE_STORE")]
pub struct LogicalCacheStore {
    /// R4 and r5.
    pub access: Access,
    /// R6: the value, in its low bytes; the others are ignored.
    pub value: u64,
}

impl Hcall for LogicalCacheStore {
    const ROW: Row = Row::new(
        token::H_LOGICAL_CACHE_STORE,
        "H_LOGICAL_CACHE_STORE",
        Class::Normal,
        "hcall-debug",
    );

    fn decode(&[bytes, at, value, ..]: &Args) -> Result<Self, Refusal> {
        let access = Access::decode(bytes, at)?;
        Ok(Self { access, value })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let Access { bytes, at } = self.access;
        let stored = caller.lpar.ram.store(at, bytes, self.value);
        stored.map_err(|_| bad("not memory of the partition"))
    }
}

/// Returns the real address of the cache line of memory that holds `at`.
fn line(caller: &Caller<'_>, at: GuestRealAddr) -> Result<RealAddr, Refusal> {
    let line = GuestRealAddr(at.0 & !(LINE_BYTES - 1));
    let real = caller.lpar.ram.real(line, LINE_BYTES);
    real.map_err(|_| bad("not memory of the partition"))
}

/// `H_LOGICAL_ICBI`: makes what was stored in a cache line be what is fetched from it.
///
/// Not in LoPAR 2.9; as firmware of its family uses it.
///
/// Outputs: none. Errors:
/// - [`HError::Parameter`]: not memory of the caller.
#[derive(Debug)]
#[doc(alias = "H_LOGICAL_ICBI")]
pub struct LogicalIcbi {
    /// R4: logical address, anywhere in the line of 128 bytes.
    pub at: GuestRealAddr,
}

impl Hcall for LogicalIcbi {
    const ROW: Row = Row::new(
        token::H_LOGICAL_ICBI,
        "H_LOGICAL_ICBI",
        Class::Normal,
        "hcall-debug",
    );

    fn decode(&[at, ..]: &Args) -> Result<Self, Refusal> {
        let at = GuestRealAddr(at);
        Ok(Self { at })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let real = line(caller, self.at)?;
        caller.lpar.machine.caches.fetch_anew(real, LINE_BYTES);
        Ok(())
    }
}

/// `H_LOGICAL_DCBF`: writes a cache line back to memory and forgets it.
///
/// Not in LoPAR 2.9; as firmware of its family uses it.
///
/// Outputs: none. Errors:
/// - [`HError::Parameter`]: not memory of the caller.
#[derive(Debug)]
#[doc(alias = "H_LOGICAL_DCBF")]
pub struct LogicalDcbf {
    /// R4: logical address, anywhere in the line of 128 bytes.
    pub at: GuestRealAddr,
}

impl Hcall for LogicalDcbf {
    const ROW: Row = Row::new(
        token::H_LOGICAL_DCBF,
        "H_LOGICAL_DCBF",
        Class::Normal,
        "hcall-debug",
    );

    fn decode(&[at, ..]: &Args) -> Result<Self, Refusal> {
        let at = GuestRealAddr(at);
        Ok(Self { at })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let real = line(caller, self.at)?;
        caller.lpar.machine.caches.flush(real, LINE_BYTES);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
