//! Functions for the fabric: [`Device`].

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

const SPACE: usize = 4096;

/// A PCI function: config space, BARs and the registers behind them.
#[derive(Clone)]
pub struct Device {
    config: Vec<u8>,
    /// Bits that can be written, and bits that clear by ones.
    writable: Vec<u8>,
    clearing: Vec<u8>,
    /// Config space after a reset.
    initial: Vec<u8>,
    bars: [Option<ModelBar>; 6],
    /// Words behind the BARs that were written.
    registers: BTreeMap<(usize, u64), u32>,
    express: Option<usize>,
    power: Option<usize>,
    last_cap: Option<usize>,
    next_cap: usize,
    last_ext: Option<usize>,
    next_ext: usize,
    is_bridge: bool,
    /// The port loses the upper halves of its prefetch window, as the chip's root port does.
    pub(crate) loses_prefetch: bool,
    /// How often the function was reset by itself.
    pub resets: u32,
}

#[derive(Clone, Copy)]
struct ModelBar {
    bytes: u64,
    is_wide: bool,
}

impl Device {
    fn new(vendor: u16, device: u16, class: u32, header: u8) -> Self {
        let mut this = Self {
            config: vec![0; SPACE],
            writable: vec![0; SPACE],
            clearing: vec![0; SPACE],
            initial: vec![0; SPACE],
            bars: [None; 6],
            registers: BTreeMap::new(),
            express: None,
            power: None,
            last_cap: None,
            next_cap: 0x40,
            last_ext: None,
            next_ext: 0x100,
            is_bridge: header & 0x7f == 1,
            loses_prefetch: false,
            resets: 0,
        };
        this.set(0x00, 4, u32::from(device) << 16 | u32::from(vendor));
        this.set(0x08, 4, class << 8 | 1);
        this.set(0x0e, 1, header.into());
        this.allow(0x04, 2, 0x0547);
        this.allow(0x0c, 2, 0xffff);
        this.allow(0x3c, 1, 0xff);
        this.clearing[0x07] = 0xf9;
        this
    }

    /// A device.
    #[must_use]
    pub fn endpoint(vendor: u16, device: u16, class: u32) -> Self {
        Self::new(vendor, device, class, 0)
    }

    /// A port of PCI Express: 4 a root port, 5 a switch's port up, 6 one down, 7 a bridge to conventional PCI.
    #[must_use]
    pub fn bridge(vendor: u16, device: u16, port: u8) -> Self {
        let mut this = Self::new(vendor, device, 0x06_0400, 1);
        for (at, bytes, mask) in [
            (0x18, 4, 0x00ff_ffff),
            (0x1c, 2, 0xf0f0),
            (0x20, 4, 0xfff0_fff0),
            (0x24, 4, 0xfff0_fff0),
            (0x28, 4, u32::MAX),
            (0x2c, 4, u32::MAX),
            (0x3e, 2, 0x0fff),
        ] {
            this.allow(at, bytes, mask);
        }
        this.set(0x20, 4, 0x0000_fff0);
        this.set(0x24, 4, 0x0001_fff1);
        this.clearing[0x1f] = 0xf9;
        this.with_express(port, 0).with_extended(
            0x01,
            0x48,
            &[(0x08, u32::MAX), (0x0c, u32::MAX), (0x14, u32::MAX)],
        )
    }

    /// Says that its device has more functions.
    #[must_use]
    pub fn multifunction(mut self) -> Self {
        let header = self.get(0x0e, 1) | 0x80;
        self.set(0x0e, 1, header);
        self
    }

    /// Pulls INTx wire `pin`, 0 for INTA.
    #[must_use]
    pub fn with_intx(mut self, pin: u8) -> Self {
        self.set(0x3d, 1, u32::from(pin) + 1);
        self
    }

    /// Has a 32-bit BAR of `bytes`.
    #[must_use]
    pub fn with_bar32(mut self, index: usize, bytes: u64) -> Self {
        self.bars[index] = Some(ModelBar {
            bytes,
            is_wide: false,
        });
        self.allow(0x10 + 4 * index, 4, !(bytes as u32 - 1) & !0xf);
        self
    }

    /// Has a 64-bit prefetchable BAR of `bytes`, which takes the next index too.
    #[must_use]
    pub fn with_bar64(mut self, index: usize, bytes: u64) -> Self {
        self.bars[index] = Some(ModelBar {
            bytes,
            is_wide: true,
        });
        let mask = !(bytes - 1) & !0xf;
        self.allow(0x10 + 4 * index, 4, mask as u32);
        self.allow(0x14 + 4 * index, 4, (mask >> 32) as u32);
        self.set(0x10 + 4 * index, 4, 0xc);
        self
    }

    /// Has power management; it forgets its config space on the way out of D3.
    #[must_use]
    pub fn with_power(mut self) -> Self {
        let at = self.add_cap(0x01, 8);
        self.allow(at + 4, 2, 0x0103);
        self.clearing[at + 5] = 0x80;
        self.power = Some(at);
        self
    }

    /// Has 64-bit message interrupts with mask bits: 2^`shift` of them.
    #[must_use]
    pub fn with_msi(mut self, shift: u32) -> Self {
        let at = self.add_cap(0x05, 24);
        self.set(at + 2, 2, 1 << 8 | 1 << 7 | shift << 1);
        self.allow(at + 2, 2, 0x71);
        for (by, bytes, mask) in [
            (4, 4, 0xffff_fffc),
            (8, 4, u32::MAX),
            (12, 2, 0xffff),
            (16, 4, u32::MAX),
        ] {
            self.allow(at + by, bytes, mask);
        }
        self
    }

    /// Has an MSI-X table of `vectors` at `offset` of BAR `bar`.
    #[must_use]
    pub fn with_msix(mut self, vectors: u32, bar: u32, offset: u32) -> Self {
        let at = self.add_cap(0x11, 12);
        self.set(at + 2, 2, vectors - 1);
        self.allow(at + 2, 2, 0xc000);
        self.set(at + 4, 4, offset | bar);
        self.set(at + 8, 4, (offset + 16 * vectors) | bar);
        self
    }

    /// Is a PCI Express function of this port type; `flags` of its device capabilities (bit 28: can be reset alone).
    #[must_use]
    pub fn with_express(mut self, port: u8, flags: u32) -> Self {
        let at = self.add_cap(0x10, 60);
        self.set(at + 2, 2, u32::from(port) << 4 | 2);
        self.set(at + 4, 4, flags);
        self.allow(at + 8, 2, 0x7fff);
        self.allow(at + 0x1c, 2, 0x1f);
        self.allow(at + 0x28, 2, 0xffff);
        self.clearing[at + 0xa] = 0xf;
        self.express = Some(at);
        self
    }

    /// Has the capability `id` of `bytes` bytes, all of it writable.
    #[must_use]
    pub fn with_cap(mut self, id: u8, bytes: usize) -> Self {
        let at = self.add_cap(id, bytes);
        (at + 2..at + bytes).for_each(|byte| self.writable[byte] = 0xff);
        self
    }

    /// Has the extended capability `id` of `bytes` bytes; `writable` gives words and their writable bits.
    #[must_use]
    pub fn with_extended(mut self, id: u16, bytes: usize, writable: &[(usize, u32)]) -> Self {
        let at = self.next_ext;
        self.next_ext += bytes.next_multiple_of(4);
        self.set(at, 4, 1 << 16 | u32::from(id));
        if let Some(last) = self.last_ext {
            let header = self.get(last, 4) | (at as u32) << 20;
            self.set(last, 4, header);
        }
        self.last_ext = Some(at);
        for (by, mask) in writable {
            self.allow(at + by, 4, *mask);
        }
        self
    }

    /// Sets `bytes` bytes of config space, now and after resets.
    #[must_use]
    pub fn with_config(mut self, at: usize, bytes: usize, value: u32) -> Self {
        self.set(at, bytes, value);
        self
    }

    fn add_cap(&mut self, id: u8, bytes: usize) -> usize {
        let at = self.next_cap;
        self.next_cap += bytes.next_multiple_of(4);
        assert!(self.next_cap <= 0x100, "the capabilities fit");
        self.set(at, 1, id.into());
        self.set(self.last_cap.map_or(0x34, |last| last + 1), 1, at as u32);
        self.set(0x06, 2, 0x10);
        self.last_cap = Some(at);
        at
    }

    fn set(&mut self, at: usize, bytes: usize, value: u32) {
        let value = value.to_le_bytes();
        self.config[at..at + bytes].copy_from_slice(&value[..bytes]);
        self.initial[at..at + bytes].copy_from_slice(&value[..bytes]);
    }

    fn allow(&mut self, at: usize, bytes: usize, mask: u32) {
        self.writable[at..at + bytes].copy_from_slice(&mask.to_le_bytes()[..bytes]);
    }

    /// Reads `bytes` bytes of config space.
    #[must_use]
    pub fn get(&self, at: usize, bytes: usize) -> u32 {
        let mut value = [0; 4];
        value[..bytes].copy_from_slice(&self.config[at..at + bytes]);
        u32::from_le_bytes(value)
    }

    /// A config write, as the function takes it.
    pub(crate) fn write(&mut self, at: usize, bytes: usize, value: u32) {
        let sleeps = self.is_asleep();
        for (index, new) in value.to_le_bytes().into_iter().take(bytes).enumerate() {
            let byte = at + index;
            if self.loses_prefetch && (0x28..0x30).contains(&byte) {
                continue;
            }
            let kept = self.config[byte] & !(self.clearing[byte] & new);
            self.config[byte] = kept & !self.writable[byte] | new & self.writable[byte];
        }
        let is_flr = self.express.is_some_and(|cap| {
            let control = cap + 9;
            self.get(cap + 4, 4) & 1 << 28 != 0
                && (at..at + bytes).contains(&control)
                && value.to_le_bytes()[control - at] & 0x80 != 0
        });
        if is_flr || sleeps && !self.is_asleep() {
            self.reset();
        }
    }

    fn is_asleep(&self) -> bool {
        self.power.is_some_and(|cap| self.get(cap + 4, 1) & 3 == 3)
    }

    /// Forgets everything that was written.
    pub fn reset(&mut self) {
        self.config.copy_from_slice(&self.initial);
        self.registers.clear();
        self.resets += 1;
    }

    /// The BAR and the offset in it that answer at PCI address `pci`.
    pub(crate) fn claims(&self, pci: u64) -> Option<(usize, u64)> {
        if self.get(0x04, 2) & 2 == 0 || self.is_asleep() {
            return None;
        }
        self.bars.iter().enumerate().find_map(|(index, bar)| {
            let bar = (*bar)?;
            let low = u64::from(self.get(0x10 + 4 * index, 4) & !0xf);
            let high = if bar.is_wide {
                u64::from(self.get(0x14 + 4 * index, 4))
            } else {
                0
            };
            let offset = pci.checked_sub(high << 32 | low)?;
            (offset < bar.bytes).then_some((index, offset))
        })
    }

    pub(crate) fn load(&self, bar: usize, offset: u64) -> u32 {
        self.registers
            .get(&(bar, offset & !3))
            .copied()
            .unwrap_or(0)
    }
    pub(crate) fn store(&mut self, bar: usize, offset: u64, value: u32) {
        self.registers.insert((bar, offset & !3), value);
    }

    pub(crate) const fn is_bridge(&self) -> bool {
        self.is_bridge
    }
    pub(crate) fn masters(&self) -> bool {
        self.get(0x04, 2) & 4 != 0
    }
    pub(crate) fn secondary(&self) -> u8 {
        self.config[0x19]
    }
    pub(crate) fn subordinate(&self) -> u8 {
        self.config[0x1a]
    }
    /// Whether only device 0 can be below.
    pub(crate) fn is_down(&self) -> bool {
        self.express
            .is_some_and(|cap| matches!(self.get(cap + 2, 1) >> 4, 4 | 6))
    }
    /// Whether the bridge forwards `pci` downward. With `open`, a closed window forwards everything.
    pub(crate) fn forwards(&self, pci: u64, open: bool) -> bool {
        if self.get(0x04, 2) & 2 == 0 {
            return false;
        }
        let range = |at: usize| {
            let base = u64::from(self.get(at, 2) & 0xfff0) << 16;
            let limit = u64::from(self.get(at + 2, 2) & 0xfff0) << 16 | 0xf_ffff;
            (base, limit)
        };
        let (base, limit) = range(0x20);
        let (low, high) = range(0x24);
        let low = u64::from(self.get(0x28, 4)) << 32 | low;
        let high = u64::from(self.get(0x2c, 4)) << 32 | high;
        if open && base > limit {
            return true;
        }
        (base..=limit).contains(&pci) || (low..=high).contains(&pci)
    }
}
