//! The argument of a call: any number, and often one that means something.

use crate::bench::fakes::{BUIDS, FOREIGN, OWN_IRQS};
use crate::bench::{HPT_ENTRIES, MMIO, RAM_BYTES, WINDOWS};
use arbitrary::{Arbitrary, Result, Unstructured};
use lpar::hcall::Args;
use lpar::hcall::term::VTERM;
use papr_abi::hpte::{bulk, flag, r, v};

/// An argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// A small number.
    Small(u8),
    /// Any number.
    Any(u64),
    /// A number close below 2^64.
    Negative(u8),
    /// A page of memory, and some past it.
    Page(u8),
    /// A place in memory.
    Place(u8, u8),
    /// A place near the end of memory, in units of 8 bytes.
    End(i8),
    /// A page of device memory, and some around it.
    Device(i8, u8),
    /// A DMA window, or one that is not there.
    Window(u8),
    /// A bus address: which window, page from its first.
    Bus(u8, u16),
    /// One bit.
    Bit(u8),
    /// First doubleword of an entry: page number and low bits.
    First(u8, u8),
    /// Second doubleword of an entry: page, low bits.
    Second(u8, u16),
    /// The same for device memory.
    SecondDevice(u8, u16),
    /// An interrupt source with a priority.
    Xirr(u8, u8),
    /// Two of the flags that hcalls know.
    Flags(u8, u8),
    /// An index of the page table, and some past its end.
    Index(u16),
    /// A request of H_BULK_REMOVE: its two high bytes, index.
    Bulk(u8, u16),
    /// A TCE: page, permissions and what is below the page.
    Tce(u8, u8),
    /// A register after the last call.
    Last(u8),
    /// A number that one call knows: terminal, mode, function.
    Known(u8),
}

/// Flags, to be picked by number.
const FLAGS: [u64; 16] = [
    0,
    flag::EXACT,
    flag::R_XLATE,
    flag::READ_4,
    flag::AVPN,
    flag::ANDCOND,
    flag::ICACHE_INVALIDATE,
    flag::ICACHE_SYNCHRONIZE,
    flag::PP0,
    flag::N,
    flag::PP,
    flag::ZERO_PAGE,
    flag::COPY_PAGE,
    1 << 45,
    2 << 45,
    3 << 45,
];

/// Numbers that single calls know.
const KNOWN: [u64; 8] = [
    VTERM,
    u32::MAX as u64,
    BUIDS[0],
    BUIDS[1],
    5 << 45,
    6 << 45,
    7 << 45,
    r::PP0,
];

impl Argument {
    /// The number; `last` are the registers after the last call.
    #[must_use]
    pub fn value(&self, last: &Args) -> u64 {
        match *self {
            Self::Small(value) => value.into(),
            Self::Any(value) => value,
            Self::Negative(value) => !u64::from(value),
            Self::Page(page) => u64::from(page) << 12,
            Self::Place(high, low) => u64::from(high) << 9 | u64::from(low) << 1,
            Self::End(offset) => RAM_BYTES.wrapping_add_signed(i64::from(offset) * 8),
            Self::Device(page, low) => {
                MMIO.start.0.wrapping_add_signed(i64::from(page) << 12) + u64::from(low)
            }
            Self::Window(number) => match WINDOWS.get(usize::from(number % 4)) {
                Some(window) => window.liobn,
                None => 0x8000_0000 | u64::from(number),
            },
            Self::Bus(number, page) => {
                let window = WINDOWS[usize::from(number & 1)];
                let offset = u64::from(page) << window.shift | u64::from(number >> 1);
                window.first.wrapping_add(offset)
            }
            Self::Bit(bit) => 1 << (bit & 63),
            Self::First(page, low) => u64::from(page) << 7 | u64::from(low),
            Self::Second(page, low) => u64::from(page) << 12 | u64::from(low & 0xfff),
            Self::SecondDevice(page, low) => {
                (MMIO.start.0 + (u64::from(page) << 12)) | u64::from(low & 0xfff)
            }
            Self::Xirr(number, priority) => {
                let number = usize::from(number) % (OWN_IRQS.len() + 3);
                let others = OWN_IRQS.iter().chain(&[0, 2, FOREIGN]);
                let irq = others.copied().nth(number).unwrap_or(FOREIGN);
                u64::from(priority) << 24 | u64::from(irq)
            }
            Self::Flags(one, other) => {
                FLAGS[usize::from(one) % 16] | FLAGS[usize::from(other) % 16]
            }
            Self::Index(index) => u64::from(index) % (HPT_ENTRIES + 16),
            Self::Bulk(kind, index) => {
                u64::from(kind) << 56 & (bulk::TYPE | bulk::COMPARE) | u64::from(index)
            }
            Self::Tce(page, low) => u64::from(page) << 12 | u64::from(low & 7),
            Self::Last(number) => last[usize::from(number) % 9],
            Self::Known(number) => KNOWN[usize::from(number) % 8],
        }
    }

    /// Writes what is read as this argument.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Small(a) => out.extend([0, a]),
            Self::Any(value) => {
                out.push(1);
                out.extend(value.to_le_bytes());
            }
            Self::Negative(a) => out.extend([2, a]),
            Self::Page(a) => out.extend([3, a]),
            Self::Place(a, b) => out.extend([4, a, b]),
            Self::End(a) => out.extend([5, a as u8]),
            Self::Device(a, b) => out.extend([6, a as u8, b]),
            Self::Window(a) => out.extend([7, a]),
            Self::Bus(a, b) => short(out, 8, a, b),
            Self::Bit(a) => out.extend([9, a]),
            Self::First(a, b) => out.extend([10, a, b]),
            Self::Second(a, b) => short(out, 11, a, b),
            Self::SecondDevice(a, b) => short(out, 12, a, b),
            Self::Xirr(a, b) => out.extend([13, a, b]),
            Self::Flags(a, b) => out.extend([14, a, b]),
            Self::Index(a) => {
                out.push(15);
                out.extend(a.to_le_bytes());
            }
            Self::Bulk(a, b) => short(out, 16, a, b),
            Self::Tce(a, b) => out.extend([17, a, b]),
            Self::Last(a) => out.extend([18, a]),
            Self::Known(a) => out.extend([19, a]),
        }
    }
}

fn short(out: &mut Vec<u8>, kind: u8, first: u8, second: u16) {
    out.extend([kind, first]);
    out.extend(second.to_le_bytes());
}

impl<'a> Arbitrary<'a> for Argument {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u8::arbitrary(u)? % 20 {
            0 => Self::Small(u.arbitrary()?),
            1 => Self::Any(u.arbitrary()?),
            2 => Self::Negative(u.arbitrary()?),
            3 => Self::Page(u.arbitrary()?),
            4 => Self::Place(u.arbitrary()?, u.arbitrary()?),
            5 => Self::End(u.arbitrary()?),
            6 => Self::Device(u.arbitrary()?, u.arbitrary()?),
            7 => Self::Window(u.arbitrary()?),
            8 => Self::Bus(u.arbitrary()?, u.arbitrary()?),
            9 => Self::Bit(u.arbitrary()?),
            10 => Self::First(u.arbitrary()?, u.arbitrary()?),
            11 => Self::Second(u.arbitrary()?, u.arbitrary()?),
            12 => Self::SecondDevice(u.arbitrary()?, u.arbitrary()?),
            13 => Self::Xirr(u.arbitrary()?, u.arbitrary()?),
            14 => Self::Flags(u.arbitrary()?, u.arbitrary()?),
            15 => Self::Index(u.arbitrary()?),
            16 => Self::Bulk(u.arbitrary()?, u.arbitrary()?),
            17 => Self::Tce(u.arbitrary()?, u.arbitrary()?),
            18 => Self::Last(u.arbitrary()?),
            _ => Self::Known(u.arbitrary()?),
        })
    }
}

/// The first doubleword of an entry of base pages.
pub const SMALL: u8 = 0;
/// Low bits of the first doubleword of an entry of large pages.
pub const LARGE: u8 = v::LARGE as u8;

/// One argument of each kind.
#[cfg(test)]
pub(super) fn samples() -> Vec<Argument> {
    use Argument::*;
    vec![
        Small(1),
        Any(0x0123_4567_89ab_cdef),
        End(-1),
        Device(-1, 3),
        Bus(3, 0x1234),
        SecondDevice(1, 0x28),
        Xirr(16, 5),
        Bulk(0x42, 0x3fff),
        Known(3),
    ]
}
