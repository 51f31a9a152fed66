//! What functions are made of: the builders of [`Device`].

use super::space::Space;
use super::{BarKind, Device, ModelBar};
use alloc::collections::BTreeMap;

impl Device {
    fn new(vendor: u16, device: u16, class: u32, header: u8) -> Self {
        let mut this = Self {
            space: Space::new(),
            bars: [None; 6],
            registers: BTreeMap::new(),
            express: None,
            power: None,
            last_cap: None,
            next_cap: 0x40,
            last_ext: None,
            next_ext: 0x100,
            aer: None,
            acs: None,
            virtuals: None,
            is_bridge: header & 0x7f == 1,
            loses_prefetch: false,
            resets: 0,
        };
        let space = &mut this.space;
        space.set(0x00, 4, u32::from(device) << 16 | u32::from(vendor));
        space.set(0x08, 4, class << 8 | 1);
        space.set(0x0e, 1, header.into());
        space.allow(0x04, 2, 0x0547);
        space.allow(0x0c, 2, 0xffff);
        space.allow(0x3c, 1, 0xff);
        space.clears(0x07, 1, 0xf9);
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
        let mut this = Self::conventional_bridge(vendor, device).with_express(port, 0);
        this = this.with_extended(
            0x01,
            0x48,
            &[(0x08, u32::MAX), (0x0c, u32::MAX), (0x14, u32::MAX)],
        );
        if let Some(aer) = this.aer {
            for by in [0x04, 0x10, 0x30] {
                this.space.clears(aer.wrapping_add(by), 4, u32::MAX);
            }
        }
        this
    }

    /// A bridge between two conventional buses.
    #[must_use]
    pub fn conventional_bridge(vendor: u16, device: u16) -> Self {
        let mut this = Self::new(vendor, device, 0x06_0400, 1);
        for (at, bytes, mask) in [
            (0x18, 4, 0x00ff_ffff),
            (0x1c, 2, 0xf0f0),
            (0x20, 4, 0xfff0_fff0),
            (0x24, 4, 0xfff0_fff0),
            (0x28, 4, u32::MAX),
            (0x2c, 4, u32::MAX),
            (0x30, 4, u32::MAX),
            (0x3e, 2, 0x0fff),
        ] {
            this.space.allow(at, bytes, mask);
        }
        // Closed; I/O addresses have 32 bits.
        this.space.set(0x1c, 2, 0x01f1);
        this.space.set(0x20, 4, 0x0000_fff0);
        this.space.set(0x24, 4, 0x0001_fff1);
        this.space.clears(0x1f, 1, 0xf9);
        this
    }

    /// Says that its device has more functions.
    #[must_use]
    pub fn multifunction(mut self) -> Self {
        let header = self.get(0x0e, 1) | 0x80;
        self.space.set(0x0e, 1, header);
        self
    }

    /// Pulls INTx wire `pin`, 0 for INTA.
    #[must_use]
    pub fn with_intx(mut self, pin: u8) -> Self {
        self.space.set(0x3d, 1, u32::from(pin).wrapping_add(1));
        self
    }

    /// Has a 32-bit BAR of `bytes`, a power of two.
    #[must_use]
    pub fn with_bar32(mut self, index: usize, bytes: u64) -> Self {
        if let Some(bar) = self.bars.get_mut(index) {
            *bar = Some(ModelBar {
                bytes,
                kind: BarKind::Narrow,
            });
            let mask = (bytes as u32).wrapping_neg() & !0xf;
            self.space.allow(bar_at(index), 4, mask);
        }
        self
    }

    /// Has a 64-bit prefetchable BAR of `bytes`, a power of two, which takes the next index too.
    #[must_use]
    pub fn with_bar64(mut self, index: usize, bytes: u64) -> Self {
        if let Some(bar) = self.bars.get_mut(index) {
            *bar = Some(ModelBar {
                bytes,
                kind: BarKind::Wide,
            });
            let mask = bytes.wrapping_neg() & !0xf;
            let at = bar_at(index);
            self.space.allow(at, 4, mask as u32);
            self.space.allow(at.wrapping_add(4), 4, (mask >> 32) as u32);
            self.space.set(at, 4, 0xc);
        }
        self
    }

    /// Has an I/O BAR of `bytes`, a power of two from 4 to 256.
    #[must_use]
    pub fn with_io_bar(mut self, index: usize, bytes: u64) -> Self {
        if let Some(bar) = self.bars.get_mut(index) {
            *bar = Some(ModelBar {
                bytes,
                kind: BarKind::Io,
            });
            let mask = (bytes as u32).wrapping_neg() & !0x3;
            self.space.allow(bar_at(index), 4, mask);
            self.space.set(bar_at(index), 4, 0x1);
        }
        self
    }

    /// Has power management; it forgets its config space on the way out of D3.
    #[must_use]
    pub fn with_power(mut self) -> Self {
        let at = self.add_cap(0x01, 8);
        self.space.allow(at.wrapping_add(4), 2, 0x0103);
        self.space.clears(at.wrapping_add(5), 1, 0x80);
        self.power = Some(at);
        self
    }

    /// Has 64-bit message interrupts with mask bits: 2^`shift` of them.
    #[must_use]
    pub fn with_msi(mut self, shift: u32) -> Self {
        let at = self.add_cap(0x05, 24);
        let by = |by| at.wrapping_add(by);
        self.space.set(by(2), 2, 1 << 8 | 1 << 7 | (shift & 7) << 1);
        self.space.allow(by(2), 2, 0x71);
        for (offset, bytes, mask) in [
            (4, 4, 0xffff_fffc),
            (8, 4, u32::MAX),
            (12, 2, 0xffff),
            (16, 4, u32::MAX),
        ] {
            self.space.allow(by(offset), bytes, mask);
        }
        self
    }

    /// Has an MSI-X table of `vectors` at `offset` of BAR `bar`.
    #[must_use]
    pub fn with_msix(mut self, vectors: u32, bar: u32, offset: u32) -> Self {
        let at = self.add_cap(0x11, 12);
        let by = |by| at.wrapping_add(by);
        self.space.set(by(2), 2, vectors.wrapping_sub(1));
        self.space.allow(by(2), 2, 0xc000);
        self.space.set(by(4), 4, offset | bar);
        let pending = offset.wrapping_add(vectors.wrapping_mul(16));
        self.space.set(by(8), 4, pending | bar);
        self
    }

    /// Is a PCI Express function of this port type; `flags` of its device capabilities (bit 28: can be reset alone).
    #[must_use]
    pub fn with_express(mut self, port: u8, flags: u32) -> Self {
        let at = self.add_cap(0x10, 60);
        let by = |by| at.wrapping_add(by);
        self.space.set(by(2), 2, u32::from(port) << 4 | 2);
        self.space.set(by(4), 4, flags);
        self.space.allow(by(8), 2, 0x7fff);
        self.space.allow(by(0x1c), 2, 0x1f);
        self.space.allow(by(0x28), 2, 0xffff);
        self.space.clears(by(0xa), 1, 0xf);
        self.express = Some(at);
        self
    }

    /// Has the capability `id` of `bytes` bytes, all of it writable.
    #[must_use]
    pub fn with_cap(mut self, id: u8, bytes: usize) -> Self {
        let at = self.add_cap(id, bytes);
        for byte in 2..bytes {
            self.space.allow(at.wrapping_add(byte), 1, 0xff);
        }
        self
    }

    /// Has the extended capability `id` of `bytes` bytes; `writable` gives words and their writable bits.
    #[must_use]
    pub fn with_extended(mut self, id: u16, bytes: usize, writable: &[(usize, u32)]) -> Self {
        let at = self.add_extended(id, bytes);
        for (by, mask) in writable {
            self.space.allow(at.wrapping_add(*by), 4, *mask);
        }
        self
    }

    /// Can keep apart what is below it (a port), with all that access control has but egress lists: source
    /// validation (bit 0), request redirect (2) and so on, all off out of reset.
    #[must_use]
    pub fn with_acs(self) -> Self {
        let mut this = self.with_extended(0x0d, 8, &[(4, 0x005f_0000)]);
        if let Some(at) = this.acs {
            this.space.set(at.wrapping_add(4), 2, 0x5f);
        }
        this
    }

    /// Sets up to four bytes of config space, now and after resets.
    #[must_use]
    pub fn with_config(mut self, at: usize, bytes: usize, value: u32) -> Self {
        self.space.set(at, bytes, value);
        self
    }

    pub(super) fn add_extended(&mut self, id: u16, bytes: usize) -> usize {
        let at = self.next_ext;
        self.next_ext = at.saturating_add(bytes.next_multiple_of(4));
        assert!(self.next_ext <= Space::LIMIT, "the capabilities fit");
        // To its end, so that what is written there is kept.
        self.space.set(self.next_ext.saturating_sub(4), 4, 0);
        self.space.set(at, 4, 1 << 16 | u32::from(id));
        if let Some(last) = self.last_ext {
            let header = self.get(last, 4) | (at as u32) << 20;
            self.space.set(last, 4, header);
        }
        self.last_ext = Some(at);
        match id {
            0x01 => self.aer = self.aer.or(Some(at)),
            0x0d => self.acs = self.acs.or(Some(at)),
            _ => {}
        }
        at
    }

    fn add_cap(&mut self, id: u8, bytes: usize) -> usize {
        let at = self.next_cap;
        self.next_cap = at.saturating_add(bytes.next_multiple_of(4));
        assert!(self.next_cap <= 0x100, "the capabilities fit");
        self.space.set(at, 1, id.into());
        let link = self.last_cap.map_or(0x34, |last| last.wrapping_add(1));
        self.space.set(link, 1, at as u32);
        self.space.set(0x06, 2, 0x10);
        self.last_cap = Some(at);
        at
    }
}

/// The register of BAR `index`.
const fn bar_at(index: usize) -> usize {
    index.wrapping_mul(4).wrapping_add(0x10)
}
