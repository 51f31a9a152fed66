//! Memory that a bridge reads and writes as well as we do: big-endian cells, and tables of them.

use core::fmt;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

macro_rules! cells {
    ($($name:ident, $atomic:ident, $int:ident, $bytes:literal;)*) => {$(
        #[doc = concat!("A big-endian number of ", $bytes, " bytes in memory shared with a device. All zeroes is 0.")]
        ///
        /// Each access is one load or store of the whole; order against other accesses, the device's
        /// included, is the caller's ([`crate::RegIo::sync`]).
        #[derive(Default)]
        #[repr(transparent)]
        pub struct $name($atomic);

        impl $name {
            /// A cell holding `value`.
            #[must_use]
            pub const fn new(value: $int) -> Self {
                Self($atomic::new(value.to_be()))
            }
            /// Reads the number.
            #[must_use]
            #[inline]
            pub fn load(&self) -> $int {
                $int::from_be(self.0.load(Relaxed))
            }
            /// Writes the number.
            #[inline]
            pub fn store(&self, value: $int) {
                self.0.store(value.to_be(), Relaxed);
            }
            /// Returns the memory itself, for other atomic operations: it holds the number's
            /// big-endian bytes, so values go in and out through `to_be` and `from_be`.
            #[must_use]
            #[inline]
            pub const fn cell(&self) -> &$atomic {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.load())
            }
        }
    )*};
}

cells! {
    BeU16, AtomicU16, u16, 2;
    BeU32, AtomicU32, u32, 4;
    BeU64, AtomicU64, u64, 8;
}

/// A table in memory that a bridge reads too, for ever: its cells and where the bridge finds them.
///
/// Who makes one vouches that `cells` lie at `real`. Tables are made zeroed; every cell type of this
/// crate and of the drivers is valid as zeroes.
pub struct DmaTable<T: 'static> {
    /// The entries.
    pub cells: &'static [T],
    /// Real address of the first, in bytes.
    pub real: u64,
}

impl<T> DmaTable<T> {
    /// Whether the table has `entries` entries and lies at a multiple of `align` bytes, a power of two.
    #[must_use]
    pub const fn fits(&self, entries: usize, align: u64) -> bool {
        self.cells.len() == entries && align.is_power_of_two() && self.real & (align - 1) == 0
    }
}

impl<T> Clone for DmaTable<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for DmaTable<T> {}
impl<T> fmt::Debug for DmaTable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries at {:#x}", self.cells.len(), self.real)
    }
}

const _: () =
    assert!(size_of::<BeU16>() == 2 && size_of::<BeU32>() == 4 && size_of::<BeU64>() == 8);

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;
    use cases::prelude::*;

    fn a_cell_is_big_endian_in_memory_and_native_in_hand() {
        let cell = BeU32::new(0x0102_0304);
        assert_eq!(cell.load(), 0x0102_0304);
        assert_eq!(cell.0.load(Relaxed).to_ne_bytes(), [1, 2, 3, 4]);
        cell.store(0xa0b0_c0d0);
        assert_eq!(cell.0.load(Relaxed).to_ne_bytes(), [0xa0, 0xb0, 0xc0, 0xd0]);
        assert_eq!(cell.load(), 0xa0b0_c0d0);
    }

    fn a_table_knows_its_size_and_place() {
        static CELLS: [BeU16; 4] = [const { BeU16::new(0) }; 4];
        let table = DmaTable {
            cells: &CELLS,
            real: 0x8000,
        };
        assert!(table.fits(4, 0x8000));
        assert!(!table.fits(4, 0x1_0000));
        assert!(!table.fits(5, 0x8000));
    }

    fn a_table_s_place_is_a_multiple_of_a_power_of_two() {
        static CELLS: [BeU16; 4] = [const { BeU16::new(0) }; 4];
        let at = |real| DmaTable {
            cells: &CELLS,
            real,
        };
        assert!(!at(0x6000).fits(4, 0x6000), "no power of two");
        assert!(at(0x6000).fits(4, 0x2000));
        assert!(at(0).fits(4, 0x2000));
        assert!(at(0x6001).fits(4, 1), "any");
        assert!(!at(0x6001).fits(4, 2));
        assert_eq!(format!("{:?}", at(0x6000)), "4 entries at 0x6000");
    }

    cases::cases!(
        a_table_s_place_is_a_multiple_of_a_power_of_two,
        a_cell_is_big_endian_in_memory_and_native_in_hand,
        a_table_knows_its_size_and_place,
    );
}
