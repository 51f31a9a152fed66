//! What the owner of a function sees of its config space: [`GuestFunction`].
//!
//! Reads come from the device, but for what is virtual. Writes reach the device only where the list below
//! says so, bit by bit; all else is dropped, as hardware drops writes to read-only bits.
//!
//! | Register | For the guest |
//! |---|---|
//! | Command | bus master, MWI, parity, SERR, INTx off: the device's. Memory: a bit of its own, the device always decodes, so that no load of the guest goes unanswered. I/O, special cycles, VGA: 0 |
//! | Status | errors clear by ones |
//! | Cache line, latency timer, interrupt line | writable |
//! | BARs | virtual: all ones give the size, all else the place, which never changes. I/O BARs and the ROM are not there |
//! | MSI | mask bits writable, enable once messages are set up; address, data and count are the hypervisor's |
//! | MSI-X | enable, mask all. The table is in a BAR (see `crate::MsiKind`) |
//! | Power management | state, PME enable; PME status clears by one |
//! | VPD | the address to read from; no writes of VPD |
//! | PCI Express | error reporting, relaxed ordering, extended tags, read request size, completion time-out; status clears by ones. Payload size is not: the bridge takes longer packets for malformed and shuts itself off. Phantom functions are not: they are other requesters |
//! | Function level reset | done; BARs, decoding and messages are put back at the next access |
//! | AER | masks and severity; status clears by ones |
//! | SR-IOV, ATS, PRI, PASID, resizable BARs, multicast, enhanced allocation | not shown |
//! | Everything else | read-only |
//!
//! Sources: PCI 3.0, 6.2 and 6.8; PCI Express Base 3.1, 7.8 and 7.10; and what Linux writes on
//! `pseries` (`drivers/pci/msi/msi.c`, `drivers/pci/pci.c`, `drivers/pci/probe.c`).

mod rules;

use crate::apply::{decoding, write_bar};
use crate::caps::CapSet;
use crate::config::{BAR0, COMMAND, ConfigSpace, ROM, command};
use crate::msi::{MSIX_ENABLE, write_msi, write_msix_entry};
use crate::plan::FunctionPlan;
use crate::{BarKind, Function, MsiCap, MsiKind, MsiSetupError, MsixCap};
use core::fmt;
use ioda::{Bdf, CfgError, CfgOffset, CfgWidth, Ioda, MmioIo, MsiBlock};

/// An access was not carried out. Writes that are only ignored are no refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The width is not 1, 2 or 4, the offset is not a multiple of it, or config space ends before it.
    Parameter,
    /// A reset of the bridge is under way.
    Busy,
    /// The bridge does not answer.
    Hardware,
}

impl From<CfgError> for Refusal {
    fn from(error: CfgError) -> Self {
        match error {
            CfgError::Align => Self::Parameter,
            CfgError::NoFunction | CfgError::Fenced => Self::Hardware,
            CfgError::Blocked => Self::Busy,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parameter => "no such register",
            Self::Busy => "the bridge is being reset",
            Self::Hardware => "the bridge does not answer",
        })
    }
}

/// One word of the BARs.
#[derive(Clone, Copy, Debug, Default)]
struct BarWord {
    /// What it reads as.
    place: u32,
    /// What it reads as after all ones were written.
    size: u32,
    /// The bits of an address in it.
    address: u32,
    is_sizing: bool,
}

/// A BAR as the device has it.
#[derive(Clone, Copy, Debug)]
struct DeviceBar {
    pci: u64,
    real: u64,
    is_wide: bool,
}

/// Whether the owner of a function has the interrupt that its INTx wire raises, all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intx {
    /// It has: the function may pull the wire.
    Granted,
    /// It has not, or shares it with another owner: INTx stays off, and is not shown.
    Denied,
}

/// A function as its owner sees it. A fixed size, no heap.
///
/// The caller has checked that the access is by the owner and names this function.
#[derive(Clone, Debug)]
pub struct GuestFunction {
    bdf: Bdf,
    caps: CapSet,
    msi: Option<MsiCap>,
    msix: Option<MsixCap>,
    has_flr: bool,
    intx: Intx,
    words: [BarWord; 6],
    bars: [Option<DeviceBar>; 6],
    /// The guest's own bit of the command register.
    decodes: bool,
    /// The guest has cleared that, and the function does not decode.
    is_off: bool,
    /// The messages that the MSI capability was given.
    messages: Option<(MsiBlock, MsiKind)>,
    /// A reset of the function may have undone what the hypervisor had set.
    is_stale: bool,
    /// The function does not decode, whatever its owner has set.
    is_stopped: bool,
}

impl GuestFunction {
    /// `function`, placed as `plan` says. `None` for a bridge: no guest has one.
    #[must_use]
    pub fn new(function: &Function, plan: &FunctionPlan, intx: Intx) -> Option<Self> {
        if !function.is_endpoint() {
            return None;
        }
        let mut words = [BarWord::default(); 6];
        let mut bars = [None; 6];
        for (index, (bar, place)) in function.bars.iter().zip(&plan.bars).enumerate() {
            let (Some(bar), Some(place)) = (bar, place) else {
                continue;
            };
            let mask = !bar.bytes.wrapping_sub(1);
            let is_wide = matches!(bar.kind, BarKind::Mem64 | BarKind::Mem64Prefetch);
            if let Some(low) = words.get_mut(index) {
                *low = BarWord::new(place.pci as u32, mask as u32, bar.flags);
            }
            if let Some(high) = words.get_mut(index.saturating_add(1)).filter(|_| is_wide) {
                *high = BarWord::new((place.pci >> 32) as u32, (mask >> 32) as u32, 0);
            }
            if let Some(slot) = bars.get_mut(index) {
                *slot = Some(DeviceBar {
                    pci: place.pci,
                    real: place.real,
                    is_wide,
                });
            }
        }
        Some(Self {
            bdf: function.bdf,
            caps: function.caps,
            msi: function.msi,
            msix: function.msix,
            has_flr: function.has_flr,
            intx,
            words,
            bars,
            decodes: true,
            is_off: false,
            messages: None,
            is_stale: false,
            is_stopped: false,
        })
    }

    /// Its number on the bridge.
    #[must_use]
    pub const fn bdf(&self) -> Bdf {
        self.bdf
    }

    /// Reads `bytes` bytes at `offset`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn read(&mut self, host: &mut dyn Ioda, offset: u32, bytes: u32) -> Result<u32, Refusal> {
        let (at, width) = access(offset, bytes)?;
        let mut config = ConfigSpace::new(host, self.bdf);
        self.refresh(&mut config)?;
        let word = word_of(at);
        // What is wholly virtual is not asked of the device; the rest is, as wide as the guest asks.
        let shown = match self.virtual_word(word) {
            Some(shown) => shown,
            None => {
                let raw = config.read(at, width)?;
                self.as_shown(word, raw << lane(at))
            }
        };
        Ok(shown >> lane(at) & width.ones())
    }

    /// Writes the low `bytes` bytes of `value` at `offset`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn write(
        &mut self,
        host: &mut dyn Ioda,
        offset: u32,
        bytes: u32,
        value: u32,
    ) -> Result<(), Refusal> {
        let (at, width) = access(offset, bytes)?;
        let mut config = ConfigSpace::new(host, self.bdf);
        self.refresh(&mut config)?;
        let word = word_of(at);
        let written = width.ones() << lane(at);
        let value = (value & width.ones()) << lane(at);
        if self.write_virtual(word, written, value) {
            return Ok(());
        }
        let rule = self.rule(word);
        let write = rule.write & written;
        let clear = rule.clear & written;
        if write | clear == 0 {
            return Ok(());
        }
        let kept = if write == written {
            0
        } else {
            config.read(at, width)? << lane(at)
        };
        let new = kept & !(rule.clear | rule.zero | write) | value & (write | clear);
        config.write(at, width, (new & written) >> lane(at))?;
        self.note_reset(word, value & write);
        Ok(())
    }

    /// Gives the function's MSI capability the messages of `block`; its owner enables them.
    ///
    /// # Errors
    /// [`MsiSetupError`]; the capability may be half written after [`MsiSetupError::Config`].
    pub fn set_msi(
        &mut self,
        host: &mut dyn Ioda,
        block: &MsiBlock,
        kind: MsiKind,
    ) -> Result<(), MsiSetupError> {
        let cap = self.msi.ok_or(MsiSetupError::Missing)?;
        let mut config = ConfigSpace::new(host, self.bdf);
        self.refresh(&mut config)
            .map_err(|_| MsiSetupError::Config(CfgError::Fenced))?;
        write_msi(&mut config, &cap, Some((block, kind)))?;
        self.messages = Some((*block, kind));
        Ok(())
    }

    /// Takes the messages away from the MSI capability and disables it; nothing if it has none.
    ///
    /// # Errors
    /// [`MsiSetupError::Config`].
    pub fn clear_msi(&mut self, host: &mut dyn Ioda) -> Result<(), MsiSetupError> {
        let Some(cap) = self.msi else { return Ok(()) };
        self.messages = None;
        write_msi(&mut ConfigSpace::new(host, self.bdf), &cap, None)
    }

    /// Gives the first entries of the function's MSI-X table the messages of `blocks`, one after the other.
    ///
    /// # Errors
    /// [`MsiSetupError::Missing`]; [`MsiSetupError::Count`] for more than the table has;
    /// [`MsiSetupError::Asleep`] if the function does not answer at its BARs now.
    pub fn set_msix(
        &mut self,
        host: &mut dyn Ioda,
        mmio: &dyn MmioIo,
        blocks: &[MsiBlock],
    ) -> Result<(), MsiSetupError> {
        let cap = self.msix.ok_or(MsiSetupError::Missing)?;
        let bar = self
            .bars
            .get(usize::from(cap.table.bar))
            .copied()
            .flatten()
            .ok_or(MsiSetupError::Missing)?;
        let count = blocks
            .iter()
            .fold(0u32, |sum, block| sum.saturating_add(block.count.into()));
        if count > cap.vectors.into() {
            return Err(MsiSetupError::Count);
        }
        self.check_awake(&mut ConfigSpace::new(host, self.bdf))?;
        let mut entry = 0u16;
        for block in blocks {
            for message in 0..block.count {
                let data = u32::from(block.data).saturating_add(message.into());
                write_msix_entry(mmio, cap.table.real(bar.real), entry, block.address64, data);
                entry = entry.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Switches MSI-X off.
    ///
    /// # Errors
    /// [`MsiSetupError::Config`].
    pub fn clear_msix(&mut self, host: &mut dyn Ioda) -> Result<(), MsiSetupError> {
        let Some(control) = self.msix.and_then(|cap| cap.at.plus(2)) else {
            return Ok(());
        };
        let mut config = ConfigSpace::new(host, self.bdf);
        let flags = config.read16(control)?;
        Ok(config.write16(control, flags & !MSIX_ENABLE)?)
    }

    /// Starts a reset of the function alone, and says how many milliseconds it must be left in peace after that;
    /// `None` if it cannot be reset so. The first access after the wait puts back what the hypervisor had set.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn start_flr(&mut self, host: &mut dyn Ioda) -> Result<Option<u32>, Refusal> {
        if !self.has_flr {
            return Ok(None);
        }
        let express = self
            .caps
            .express
            .and_then(|cap| cap.plus(8))
            .zip(Some(EXPRESS_FLR));
        let advanced = self
            .caps
            .advanced
            .and_then(|cap| cap.plus(4))
            .zip(Some(ADVANCED_FLR));
        let Some((at, bit)) = express.or(advanced) else {
            return Ok(None);
        };
        let mut config = ConfigSpace::new(host, self.bdf);
        let before = config.read16(at)?;
        config.write16(at, before | bit as u16)?;
        self.note_reset(at.get(), bit);
        Ok(Some(FLR_MS))
    }

    /// Keeps the function from answering at its BARs, whatever its owner or a reset does, until [`Self::go_on`].
    ///
    /// # Errors
    /// [`Refusal`]; it will not answer all the same once it was reset.
    pub fn stop(&mut self, host: &mut dyn Ioda) -> Result<(), Refusal> {
        self.is_stopped = true;
        let mut config = ConfigSpace::new(host, self.bdf);
        let before = config.read16(COMMAND)?;
        Ok(config.write16(COMMAND, self.unless_stopped(before))?)
    }

    /// Lets the function answer at its BARs again, at once or once it is back from a reset.
    ///
    /// # Errors
    /// [`Refusal`]; it answers all the same once it was reset.
    pub fn go_on(&mut self, host: &mut dyn Ioda) -> Result<(), Refusal> {
        self.is_stopped = false;
        if self.is_stale {
            return Ok(());
        }
        let mut config = ConfigSpace::new(host, self.bdf);
        let before = config.read16(COMMAND)?;
        Ok(config.write16(COMMAND, before | self.fixed_command())?)
    }

    /// Remembers that the bus it is on was reset.
    pub const fn note_bus_reset(&mut self) {
        self.is_stale = true;
        self.decodes = false;
        self.is_off = false;
    }

    /// Puts back what a reset has undone, but for the MSI-X table; returns whether the function took it.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn restore(&mut self, host: &mut dyn Ioda) -> Result<bool, Refusal> {
        self.refresh(&mut ConfigSpace::new(host, self.bdf))?;
        Ok(!self.is_stale)
    }

    /// Silences the function and forgets what its owner had set, for the owner's restart.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn restart(&mut self, host: &mut dyn Ioda) -> Result<(), Refusal> {
        self.is_off = false;
        let command = self.unless_stopped(decoding());
        ConfigSpace::new(host, self.bdf).write16(COMMAND, command)?;
        let cleared = self.clear_msi(host).and_then(|()| self.clear_msix(host));
        self.words
            .iter_mut()
            .for_each(|word| word.is_sizing = false);
        self.decodes = true;
        cleared.map_err(|_| Refusal::Hardware)
    }

    /// Whether the function answers at its BARs: it is in D0, decodes, and has the addresses it was given.
    fn check_awake(&mut self, config: &mut ConfigSpace<'_>) -> Result<(), MsiSetupError> {
        self.refresh(config).map_err(|_| MsiSetupError::Asleep)?;
        let decodes = u32::from(config.read16(COMMAND)?) & command::MEMORY != 0;
        let is_up = match self.caps.power.and_then(|cap| cap.plus(4)) {
            Some(control) => config.read16(control)? & POWER_STATE as u16 == 0,
            None => true,
        };
        if decodes && is_up && !self.is_stale {
            Ok(())
        } else {
            Err(MsiSetupError::Asleep)
        }
    }

    /// Puts back what a reset of the function has undone, once it answers again.
    fn refresh(&mut self, config: &mut ConfigSpace<'_>) -> Result<(), CfgError> {
        if !self.is_stale {
            return Ok(());
        }
        let mut is_back = true;
        for (index, bar) in self.bars.iter().enumerate() {
            let Some(bar) = bar else { continue };
            is_back &= write_bar(config, index as u16, bar.pci, bar.is_wide)?;
        }
        let before = config.read16(COMMAND)?;
        config.write16(COMMAND, before | self.fixed_command())?;
        let decodes = u32::from(config.read16(COMMAND)?) & command::MEMORY != 0;
        is_back &= decodes || self.is_stopped || self.is_off;
        if let (Some(cap), Some((block, kind))) = (&self.msi, &self.messages) {
            is_back &= write_msi(config, cap, Some((block, *kind))).is_ok();
        }
        self.is_stale = !is_back;
        Ok(())
    }

    /// Registers that the device is not asked for.
    fn virtual_word(&self, word: u16) -> Option<u32> {
        if word == ROM.get() {
            return Some(0);
        }
        let bar = self.words.get(bar_index(word)?)?;
        Some(if bar.is_sizing { bar.size } else { bar.place })
    }

    /// What the guest sees where the device says `raw`.
    fn as_shown(&self, word: u16, raw: u32) -> u32 {
        let shown = self.caps.as_shown(word, raw);
        if word == COMMAND.get() {
            let memory = if self.decodes { command::MEMORY } else { 0 };
            return shown & !command::MEMORY | memory;
        }
        if word == INTERRUPT && self.intx == Intx::Denied {
            return shown & !INTERRUPT_PIN;
        }
        shown
    }

    /// Takes a write to what is virtual; `true` if there is nothing more to do.
    fn write_virtual(&mut self, word: u16, written: u32, value: u32) -> bool {
        if word == COMMAND.get() && written & command::MEMORY != 0 {
            self.decodes = value & command::MEMORY != 0;
            self.is_off = !self.decodes;
        }
        let Some(bar) = bar_index(word).and_then(|index| self.words.get_mut(index)) else {
            return false;
        };
        // Sizing is one write of the whole register.
        bar.is_sizing = written == u32::MAX && value & bar.address == bar.address;
        true
    }

    /// What the hypervisor keeps set in the command register.
    fn fixed_command(&self) -> u16 {
        self.unless_stopped(match self.intx {
            Intx::Granted => command::MEMORY as u16,
            Intx::Denied => decoding(),
        })
    }

    /// A command register that does not decode while that is stopped, or off.
    const fn unless_stopped(&self, command: u16) -> u16 {
        if self.is_stopped || self.is_off {
            command & !(command::MEMORY as u16)
        } else {
            command
        }
    }

    /// Remembers that what was written resets the function.
    fn note_reset(&mut self, word: u16, written: u32) {
        let at = |cap: Option<CfgOffset>, by| {
            cap.and_then(|cap| cap.plus(by)).map(CfgOffset::get) == Some(word)
        };
        let is_flr = at(self.caps.express, 8) && written & EXPRESS_FLR != 0
            || at(self.caps.advanced, 4) && written & ADVANCED_FLR != 0;
        // Out of D3 a function may have reset itself.
        let wakes = at(self.caps.power, 4);
        self.is_stale |= is_flr || wakes;
        self.decodes &= !is_flr;
        self.is_off &= !is_flr;
    }
}

impl BarWord {
    const fn new(place: u32, size: u32, flags: u32) -> Self {
        Self {
            place: place | flags,
            size: size | flags,
            address: size,
            is_sizing: false,
        }
    }
}

/// The interrupt line, and the pin above it.
const INTERRUPT: u16 = 0x3c;
const INTERRUPT_PIN: u32 = 0xff00;
/// How long a function may take to reset itself (PCI Express Base 3.1, 6.6.2).
const FLR_MS: u32 = 100;
const POWER_STATE: u32 = 3;
const EXPRESS_FLR: u32 = 1 << 15;
const ADVANCED_FLR: u32 = 1;

fn access(offset: u32, bytes: u32) -> Result<(CfgOffset, CfgWidth), Refusal> {
    let at = u16::try_from(offset)
        .ok()
        .and_then(CfgOffset::new)
        .ok_or(Refusal::Parameter)?;
    let width = CfgWidth::from_bytes(bytes).ok_or(Refusal::Parameter)?;
    if at.is_aligned(width) {
        Ok((at, width))
    } else {
        Err(Refusal::Parameter)
    }
}

/// The word that holds `at`.
const fn word_of(at: CfgOffset) -> u16 {
    at.get() & !3
}

/// How far up in its word `at` is, in bits.
const fn lane(at: CfgOffset) -> u32 {
    (at.get() as u32 & 3) * 8
}

fn bar_index(word: u16) -> Option<usize> {
    let index = usize::from(word.checked_sub(BAR0)? / 4);
    (index < 6).then_some(index)
}
