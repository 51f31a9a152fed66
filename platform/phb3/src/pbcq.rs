//! The bridge's PowerBus side, reached by XSCOM: [`Pbcq`], [`Bases`], [`Layout`].

use crate::regs::{nest, pci, spci};
use ioda::{PhbId, Reg64, ResetError, XscomIo};

/// XSCOM numbers of a bridge's three groups of registers, as `ibm,power8-pbcq` nodes name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bases {
    /// PowerBus side.
    pub nest: u32,
    /// PCI side.
    pub pci: u32,
    /// Back door to the bridge's registers.
    pub spci: u32,
}

impl Bases {
    /// Those of bridge `index` of any POWER8 chip.
    #[must_use]
    pub const fn of(index: u8) -> Self {
        let index = index as u32;
        Self {
            nest: 0x0201_2000 + 0x400 * index,
            pci: 0x0901_2000 + 0x400 * index,
            spci: 0x0901_3c00 + 0x40 * index,
        }
    }
}

/// A range of real addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first, a multiple of the size.
    pub real: u64,
    /// Bytes, a power of two.
    pub bytes: u64,
}

/// Where a bridge answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Its registers, 4 KiB.
    pub registers: u64,
    /// Its 32-bit MMIO window, at most 2 GiB.
    pub m32: Window,
    /// Its 64-bit MMIO area, if it has one.
    pub m64: Option<Window>,
}

/// The most that the 32-bit window is given: PCI addresses from 2 GiB to 4 GiB.
const M32_MAX: u64 = 1 << 31;
/// Bytes of the bridge's registers.
const REGISTERS: u64 = 0x1000;

/// How the interrupt sources of a bridge are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// The machine's number of the first of 2048, of which it is a multiple; 19 bits.
    pub base: u32,
    /// Where the eight LSIs are among them, in units of eight.
    pub lsi_id: u8,
}

impl Numbering {
    /// The LSIs after all messages.
    pub(crate) const LSIS_LAST: u8 = 0xff;

    /// What POWER8 machines are expected to have: chip, bridge + 1 (2 bits), 11 bits; the LSIs come last.
    #[must_use]
    pub const fn of(id: PhbId) -> Self {
        Self {
            base: (id.chip as u32) << 13 | (id.index as u32 + 1) << 11,
            lsi_id: Self::LSIS_LAST,
        }
    }
}

/// The PowerBus side of one bridge.
#[derive(Debug)]
pub struct Pbcq<X> {
    xscom: X,
    id: PhbId,
    bases: Bases,
    layout: Layout,
    numbering: Numbering,
}

impl<X: XscomIo> Pbcq<X> {
    /// Finds out where bridge `id` answers, gives it its interrupt numbers and makes it answer there.
    ///
    /// # Errors
    /// [`ResetError::Xscom`]; [`ResetError::Window`] if the machine gave it no addresses, or crooked ones.
    pub fn open(xscom: X, id: PhbId, bases: Bases) -> Result<Self, ResetError> {
        Self::open_numbered(xscom, id, bases, Numbering::of(id))
    }

    /// As [`Self::open`], with the interrupts numbered so. [`crate::Port`] takes its LSIs for the last eight: who
    /// wants them elsewhere routes them by [`crate::Port::set_lsi_target`].
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_numbered(
        xscom: X,
        id: PhbId,
        bases: Bases,
        numbering: Numbering,
    ) -> Result<Self, ResetError> {
        let nest = |reg| xscom.read(bases.nest.wrapping_add(reg));
        let window = |bar, mask| -> Result<Option<Window>, ResetError> {
            Ok(decode(nest(bar)?, nest(mask)?))
        };
        let first = window(nest::MMIO_BAR0, nest::MMIO_MASK0)?;
        let second = window(nest::MMIO_BAR1, nest::MMIO_MASK1)?;
        let registers = nest(nest::PHB_BAR)? >> nest::BAR_SHIFT;
        if registers == 0 || !registers.is_multiple_of(REGISTERS) {
            return Err(ResetError::Window("the PHB's registers"));
        }
        let (m32, m64) =
            assign(first, second).ok_or(ResetError::Window("the PHB's MMIO window"))?;
        let this = Self {
            xscom,
            id,
            bases,
            layout: Layout {
                registers,
                m32,
                m64,
            },
            numbering,
        };
        this.enable()?;
        Ok(this)
    }

    /// Which bridge it is.
    #[must_use]
    pub const fn id(&self) -> PhbId {
        self.id
    }

    /// Where the bridge answers.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The machine's number of the bridge's first interrupt source, of 2048.
    #[must_use]
    pub const fn irq_base(&self) -> u32 {
        self.numbering.base
    }

    /// Where the LSIs are, in units of eight.
    pub(crate) const fn lsi_id(&self) -> u8 {
        self.numbering.lsi_id
    }

    fn enable(&self) -> Result<(), ResetError> {
        self.nest_write(
            nest::IRSN_COMPARE,
            u64::from(self.irq_base()) << nest::IRSN_SHIFT,
        )?;
        self.nest_write(nest::IRSN_MASK, nest::IRSN_MASK_2048)?;
        self.nest_write(
            nest::LSI_SOURCE_ID,
            u64::from(self.lsi_id()) << nest::LSI_ID_SHIFT,
        )?;
        // HW275117: the PCI registers may only be touched after this one was read.
        self.xscom.read(self.spci(spci::ASB_STATUS))?;
        let bar = self.nest_read(nest::PHB_BAR)?;
        if self.pci_read(pci::PHB_BAR)? != bar {
            self.pci_write(pci::PHB_BAR, bar)?;
        }
        self.nest_write(nest::BAR_ENABLE, nest::BAR_ENABLE_ALL)
    }

    /// Sets the timers that skiboot sets, and tells whether the register took them: it is there on
    /// the chip, and is the sign that there is a link to train and logic to wait for.
    pub(crate) fn set_timers(&self) -> Result<bool, ResetError> {
        let config = self.nest_read(nest::HW_CONFIG)?;
        self.nest_write(
            nest::HW_CONFIG,
            config & !nest::HW_TIMERS | nest::HW_TIMERS_VALUE,
        )?;
        Ok(self.nest_read(nest::HW_CONFIG)? & nest::HW_TIMERS == nest::HW_TIMERS_VALUE)
    }

    /// Holds the bridge's logic in reset.
    pub(crate) fn hold_etu(&self) -> Result<(), ResetError> {
        self.pci_write(pci::ETU_RESET, crate::regs::bit(0))
    }

    /// Lets the bridge's logic run.
    pub(crate) fn release_etu(&self) -> Result<(), ResetError> {
        self.xscom.read(self.spci(spci::ASB_STATUS))?;
        self.pci_write(pci::ETU_RESET, 0)
    }

    /// Whether transactions are still under way.
    pub(crate) fn is_busy(&self) -> Result<bool, ResetError> {
        for reg in nest::SETTLE {
            self.nest_read(reg)?;
        }
        Ok(self.nest_read(nest::CQ_STATUS)? & nest::CQ_PENDING != 0)
    }

    /// The errors of the PowerBus side.
    pub(crate) fn nfir(&self) -> Result<u64, ResetError> {
        self.nest_read(nest::NFIR)
    }

    /// Clears `errors`.
    pub(crate) fn clear_nfir(&self, errors: u64) -> Result<(), ResetError> {
        self.nest_write(nest::NFIR_AND, !errors)
    }

    /// Stops error injection and shuts the bridge off, so that nothing gets in during a reset.
    pub(crate) fn fence(&self) -> Result<(), ResetError> {
        self.nest_write(nest::ERR_INJECT, 0)?;
        if self.nfir()? & nest::NFIR_FENCED == 0 {
            self.nest_write(nest::NFIR_OR, nest::NFIR_FORCE_FENCE)?;
        }
        Ok(())
    }

    /// Reads a register of the bridge by the back door.
    pub(crate) fn asb_read(&self, reg: Reg64) -> Result<u64, ResetError> {
        self.xscom
            .write(self.spci(spci::ASB_ADDRESS), u64::from(reg.offset()))?;
        Ok(self.xscom.read(self.spci(spci::ASB_DATA))?)
    }

    /// Writes a register of the bridge by the back door.
    pub(crate) fn asb_write(&self, reg: Reg64, value: u64) -> Result<(), ResetError> {
        self.xscom
            .write(self.spci(spci::ASB_ADDRESS), u64::from(reg.offset()))?;
        Ok(self.xscom.write(self.spci(spci::ASB_DATA), value)?)
    }

    fn nest_read(&self, reg: u32) -> Result<u64, ResetError> {
        Ok(self.xscom.read(self.bases.nest.wrapping_add(reg))?)
    }
    fn nest_write(&self, reg: u32, value: u64) -> Result<(), ResetError> {
        Ok(self.xscom.write(self.bases.nest.wrapping_add(reg), value)?)
    }
    fn pci_read(&self, reg: u32) -> Result<u64, ResetError> {
        Ok(self.xscom.read(self.bases.pci.wrapping_add(reg))?)
    }
    fn pci_write(&self, reg: u32, value: u64) -> Result<(), ResetError> {
        Ok(self.xscom.write(self.bases.pci.wrapping_add(reg), value)?)
    }
    const fn spci(&self, reg: u32) -> u32 {
        self.bases.spci.wrapping_add(reg)
    }
}

/// A window from its BAR and mask; `None` if it has no address or its mask is no range.
fn decode(bar: u64, mask: u64) -> Option<Window> {
    let real = bar >> nest::BAR_SHIFT;
    let bytes = (!mask >> nest::BAR_SHIFT).checked_add(1)?;
    let good = real != 0 && bytes.is_power_of_two() && real & bytes.checked_sub(1)? == 0;
    good.then_some(Window { real, bytes })
}

/// The smaller window of at least 2 GiB becomes the 32-bit one; with one window alone its upper half does.
fn assign(first: Option<Window>, second: Option<Window>) -> Option<(Window, Option<Window>)> {
    let fits = |window: &Window| window.bytes >= M32_MAX;
    let m32 = |window: Window| Window {
        real: window.real,
        bytes: M32_MAX,
    };
    match (first.filter(fits), second.filter(fits)) {
        (Some(first), Some(second)) => {
            let (large, small) = if second.bytes > first.bytes {
                (second, first)
            } else {
                (first, second)
            };
            Some((m32(small), Some(large)))
        }
        (Some(only), None) | (None, Some(only)) if only.bytes > M32_MAX => {
            let bytes = only.bytes / 2;
            Some((
                m32(Window {
                    real: only.real.checked_add(bytes)?,
                    bytes,
                }),
                Some(Window {
                    real: only.real,
                    bytes,
                }),
            ))
        }
        (Some(only), None) | (None, Some(only)) => Some((m32(only), None)),
        (None, None) => None,
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;

    const QEMU_BIG: (u64, u64) = (0x3_d000_0000_0000 << 14, 0x3_fff0_0000_0000 << 14);
    const QEMU_SMALL: (u64, u64) = (0x3_ff80_0000_0000 << 14, 0x3_ffff_8000_0000 << 14);

    fn windows_are_read_from_bars_and_masks() {
        let big = decode(QEMU_BIG.0, QEMU_BIG.1);
        assert_eq!(
            big,
            Some(Window {
                real: 0x3_d000_0000_0000,
                bytes: 64 << 30
            })
        );
        assert_eq!(
            decode(QEMU_SMALL.0, QEMU_SMALL.1).map(|window| window.bytes),
            Some(2 << 30)
        );
        assert_eq!(decode(0, QEMU_BIG.1), None);
        assert_eq!(decode(QEMU_BIG.0, 0x3_ff0f_0000_0000 << 14), None);
        assert_eq!(decode(0x3_d000_8000_0000 << 14, QEMU_BIG.1), None);
    }

    fn the_small_window_is_for_32_bits_whichever_bar_it_is_in() {
        let big = Window {
            real: 0x40_0000_0000,
            bytes: 64 << 30,
        };
        let small = Window {
            real: 0x8000_0000,
            bytes: 2 << 30,
        };
        let tiny = Window {
            real: 0x1000_0000,
            bytes: 256 << 20,
        };
        assert_eq!(assign(Some(big), Some(small)), Some((small, Some(big))));
        assert_eq!(assign(Some(small), Some(big)), Some((small, Some(big))));
        assert_eq!(assign(Some(small), Some(tiny)), Some((small, None)));
        assert_eq!(assign(Some(tiny), None), None);
        let (m32, m64) = assign(None, Some(big)).expect("64 GiB");
        assert_eq!(
            m32,
            Window {
                real: 0x48_0000_0000,
                bytes: 2 << 30
            }
        );
        assert_eq!(
            m64,
            Some(Window {
                real: 0x40_0000_0000,
                bytes: 32 << 30
            })
        );
    }

    fn interrupt_numbers_are_by_chip_and_bridge() {
        let base = |chip, index| Numbering::of(PhbId { chip, index }).base;
        assert_eq!(base(0, 0), 0x800);
        assert_eq!(base(1, 2), 0x2000 + 0x1800);
    }

    cases::cases!(
        windows_are_read_from_bars_and_masks,
        the_small_window_is_for_32_bits_whichever_bar_it_is_in,
        interrupt_numbers_are_by_chip_and_bridge,
    );
}
