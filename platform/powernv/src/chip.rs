//! Chips out of the device tree: [`Chip`] (XSCOM), [`Phb`] and [`Lpc`] with the [`IsaDevice`]s behind it.

use arrayvec::ArrayVec;

use crate::error::TreeError;
use crate::machine::RealRange;
use crate::node::{CellSizes, Node};
use crate::xscom::Pcb;

/// Chips kept account of: what six chip bits in use on four sockets can name.
pub(crate) const MAX_CHIPS: usize = 16;
/// Host bridges kept account of.
pub(crate) const MAX_PHBS: usize = 32;
/// Host bridges of a POWER8 chip.
const PHBS_PER_CHIP: u32 = 4;
/// A POWER8 chip id has six bits.
const MAX_CHIP_ID: u32 = 63;
/// The LPC address space of a `reg`: I/O, where memory is 0 and firmware 3.
const LPC_IO: u32 = 1;

/// One processor chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chip {
    /// `ibm,chip-id`.
    pub id: u32,
    /// Where its XSCOM registers are, see [`crate::Xscom`].
    pub xscom: RealRange,
    /// Its PSI host bridge's registers; external interrupts of the LPC bus arrive there.
    pub psi: Option<Pcb>,
}

/// A PHB3 host bridge that exists. What is behind it, only its registers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phb {
    /// Chip that it is on.
    pub chip: u32,
    /// `ibm,phb-index`: 0 to 3, its number on that chip.
    pub index: u32,
    /// First of its registers on the PowerBus side ("nest", PBCQ).
    pub nest: Pcb,
    /// First of its registers on the PCI side.
    pub pci: Pcb,
    /// First of the registers of its ASB window ("SPCI").
    pub spci: Pcb,
}

/// A device on the LPC bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsaDevice {
    /// Its first port in LPC I/O space.
    pub port: u16,
    /// LPC interrupt line, where it has one.
    pub irq: Option<u32>,
    /// `clock-frequency` in hertz; only UARTs have one.
    pub clock_hz: Option<u32>,
}

/// The LPC bus with the machine's console, clock and service processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lpc {
    /// Chip that it is on.
    pub chip: u32,
    /// First of the ECCB registers that reach it, see [`crate::EccbLpc`].
    pub eccb: Pcb,
    /// 16550 compatible UART; of several, the one with the highest port (0x3f8, by convention the first).
    pub uart: Option<IsaDevice>,
    /// MC146818 compatible real-time clock.
    pub rtc: Option<IsaDevice>,
    /// IPMI block transfer interface.
    pub ipmi_bt: Option<IsaDevice>,
}

/// What the XSCOM nodes of all chips describe.
#[derive(Default)]
pub(crate) struct Chips {
    pub(crate) chips: ArrayVec<Chip, MAX_CHIPS>,
    pub(crate) phbs: ArrayVec<Phb, MAX_PHBS>,
    pub(crate) lpc: Option<Lpc>,
}

impl Chips {
    /// Adds the chip that an `ibm,power8-xscom` node describes.
    pub(crate) fn add(&mut self, node: &Node<'_>, cells: CellSizes) -> Result<(), TreeError> {
        let id = node.need_cell("ibm,chip-id")?;
        if id > MAX_CHIP_ID {
            return Err(node.absurd("ibm,chip-id", id.into()));
        }
        if self.chips.iter().any(|chip| chip.id == id) {
            return Err(TreeError::Duplicate {
                what: "chip",
                value: id.into(),
            });
        }
        let (base, size) = node
            .reg(cells)?
            .next()
            .ok_or_else(|| node.malformed("reg"))??;
        let xscom =
            RealRange::new(base, size).filter(|xscom| xscom.base.is_multiple_of(xscom.size));
        let mut chip = Chip {
            id,
            xscom: xscom.ok_or_else(|| node.absurd("reg", base))?,
            psi: None,
        };
        let cells = node.child_cells()?;
        for child in node.children()? {
            let child = child?;
            if !child.usable()? {
            } else if child.is("ibm,power8-pbcq")? {
                self.add_phb(&child.called("pbcq"), cells, &chip)?;
            } else if child.is("ibm,power8-lpc")? {
                self.add_lpc(&child.called("lpc"), cells, &chip)?;
            } else if child.is("ibm,power8-psihb-x")? {
                let child = child.called("psihb");
                chip.psi = Some(registers::<1>(&child, cells, &chip)?[0]);
            }
        }
        self.chips
            .try_push(chip)
            .map_err(|_| TreeError::TooMany("chips"))
    }

    fn add_phb(&mut self, node: &Node<'_>, cells: CellSizes, chip: &Chip) -> Result<(), TreeError> {
        let index = node.need_cell("ibm,phb-index")?;
        if index >= PHBS_PER_CHIP {
            return Err(node.absurd("ibm,phb-index", index.into()));
        }
        if self
            .phbs
            .iter()
            .any(|phb| (phb.chip, phb.index) == (chip.id, index))
        {
            return Err(TreeError::Duplicate {
                what: "host bridge",
                value: index.into(),
            });
        }
        let [nest, pci, spci] = registers(node, cells, chip)?;
        let phb = Phb {
            chip: chip.id,
            index,
            nest,
            pci,
            spci,
        };
        self.phbs
            .try_push(phb)
            .map_err(|_| TreeError::TooMany("host bridges"))
    }

    /// Every chip has an LPC bus; the machine's devices are on the one marked `primary`.
    fn add_lpc(&mut self, node: &Node<'_>, cells: CellSizes, chip: &Chip) -> Result<(), TreeError> {
        if node.raw("primary")?.is_none() {
            return Ok(());
        }
        let [eccb] = registers(node, cells, chip)?;
        let mut lpc = Lpc {
            chip: chip.id,
            eccb,
            uart: None,
            rtc: None,
            ipmi_bt: None,
        };
        for child in node.children()? {
            let child = child?;
            if !child.usable()? {
            } else if child.is("ns16550")? {
                let uart = isa_device(&child.called("uart"), 8)?;
                lpc.uart = lpc.uart.max_by_port(uart);
            } else if child.is("pnpPNP,b00")? {
                lpc.rtc = isa_device(&child.called("rtc"), 2)?;
            } else if child.is("ipmi-bt")? {
                lpc.ipmi_bt = isa_device(&child.called("ipmi-bt"), 3)?;
            }
        }
        match self.lpc.replace(lpc) {
            None => Ok(()),
            Some(_) => Err(TreeError::Duplicate {
                what: "primary LPC bus on chip",
                value: chip.id.into(),
            }),
        }
    }
}

/// The first registers of the `N` ranges in `reg`, all inside the chip's XSCOM window.
fn registers<const N: usize>(
    node: &Node<'_>,
    cells: CellSizes,
    chip: &Chip,
) -> Result<[Pcb; N], TreeError> {
    let mut bases = [Pcb(0); N];
    let mut reg = node.reg(cells)?;
    for base in &mut bases {
        let (first, count) = reg.next().ok_or_else(|| node.malformed("reg"))??;
        // 16 registers take 256 bytes of the window.
        let end = first
            .checked_add(count)
            .and_then(|end| end.checked_mul(16))
            .filter(|end| *end <= chip.xscom.size);
        match (u32::try_from(first), end) {
            (Ok(first), Some(_)) if count > 0 => *base = Pcb(first),
            _ => return Err(node.absurd("reg", first)),
        }
    }
    Ok(bases)
}

/// The device at `node`, if it has at least `ports` ports in LPC I/O space.
fn isa_device(node: &Node<'_>, ports: u32) -> Result<Option<IsaDevice>, TreeError> {
    let mut reg = node.cells("reg")?;
    let (Some(space), Some(port), Some(size)) = (reg.next(), reg.next(), reg.next()) else {
        return Err(node.malformed("reg"));
    };
    if space != LPC_IO {
        return Ok(None);
    }
    let last = size
        .max(ports)
        .checked_add(port)
        .and_then(|end| end.checked_sub(1));
    match (u16::try_from(port), last) {
        (Ok(port), Some(..=0xffff)) if size >= ports => Ok(Some(IsaDevice {
            port,
            irq: node.cell("interrupts")?,
            clock_hz: node.cell("clock-frequency")?,
        })),
        _ => Err(node.absurd("reg", port.into())),
    }
}

/// Choice between two devices.
trait MaxByPort {
    fn max_by_port(self, other: Self) -> Self;
}

impl MaxByPort for Option<IsaDevice> {
    fn max_by_port(self, other: Self) -> Self {
        [self, other]
            .into_iter()
            .flatten()
            .max_by_key(|device| device.port)
    }
}
