//! Who owns which piece of the MMIO windows.

use super::{Segments, Spec};
use crate::Chip;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use ioda::IodaError;

/// A 64-bit window: where it is, and the endpoint of each of its equal segments.
#[derive(Clone, Debug)]
pub(crate) struct Wide {
    pub(crate) base: u64,
    pub(crate) shift: u8,
    pub(crate) segments: Vec<u16>,
}

impl Wide {
    fn owner(&self, real: u64) -> Option<u16> {
        let offset = real.checked_sub(self.base)?;
        if offset >> self.shift != 0 {
            return None;
        }
        let segment_bytes = (1 << self.shift) / self.segments.len() as u64;
        self.segments
            .get((offset / segment_bytes) as usize)
            .copied()
    }

    const fn end(&self) -> u64 {
        self.base + (1 << self.shift)
    }
}

/// Whose 64-bit windows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Share {
    /// All of it one endpoint's.
    One(u16),
    /// Eight segments.
    Eight([u16; 8]),
    /// Segment n is endpoint n's.
    Numbered,
}

impl Spec {
    /// [`ioda::Ioda::map_m32`], or the same for I/O.
    pub(crate) fn map(
        facts: &super::Facts,
        space: &Segments,
        map: &mut BTreeMap<u16, u16>,
        segment: u16,
        pe: u16,
    ) -> Result<(), IodaError> {
        if pe >= facts.pes {
            return Err(IodaError::Pe(ioda::PeNumber(pe)));
        }
        if segment >= space.count {
            return Err(IodaError::Segment);
        }
        map.insert(segment, pe);
        Ok(())
    }

    pub(crate) fn map_m32(&mut self, segment: u16, pe: u16) -> Result<(), IodaError> {
        Self::map(&self.facts, &self.facts.m32, &mut self.m32, segment, pe)
    }

    pub(crate) fn map_io(&mut self, segment: u16, pe: u16) -> Result<(), IodaError> {
        let space = self.facts.io.ok_or(IodaError::Segment)?;
        Self::map(&self.facts, &space, &mut self.io, segment, pe)
    }

    /// [`ioda::Ioda::set_m64`] and its like, opening.
    pub(crate) fn open_m64(
        &mut self,
        window: u8,
        base: u64,
        shift: u8,
        share: Share,
    ) -> Result<(), IodaError> {
        if window >= 16 {
            return Err(IodaError::M64Window);
        }
        let pes = match share {
            Share::One(pe) => vec![pe],
            Share::Eight(pes) => pes.to_vec(),
            Share::Numbered => (0..self.facts.pes).collect(),
        };
        if let Some(pe) = pes.iter().find(|pe| **pe >= self.facts.pes) {
            return Err(IodaError::Pe(ioda::PeNumber(*pe)));
        }
        let least = match share {
            Share::Numbered => self.facts.m64_least.1,
            _ => self.facts.m64_least.0,
        };
        let (start, bytes) = self.facts.m64;
        let is_inside = shift < 64
            && shift >= least
            && base.trailing_zeros() >= shift.into()
            && base >= start
            && base - start < bytes
            && bytes - (base - start) >= 1 << shift;
        let meets = |other: &Wide| base < other.end() && other.base < base + (1 << shift);
        // Which of two that meet wins is known of PHB3 alone: the lower.
        let is_alone = self.facts.chip == Chip::Phb3
            || !is_inside
            || self
                .m64
                .iter()
                .all(|(number, wide)| *number == window || !meets(wide));
        if !is_inside || !is_alone {
            return Err(IodaError::M64Range);
        }
        let wide = Wide {
            base,
            shift,
            segments: pes,
        };
        self.m64.insert(window, wide);
        Ok(())
    }

    /// Closing.
    pub(crate) fn close_m64(&mut self, window: u8) -> Result<(), IodaError> {
        if window >= 16 {
            return Err(IodaError::M64Window);
        }
        self.m64.remove(&window);
        Ok(())
    }

    /// One segment of an open window to another.
    pub(crate) fn move_m64(&mut self, window: u8, segment: u8, pe: u16) -> Result<(), IodaError> {
        if window >= 16 {
            return Err(IodaError::M64Window);
        }
        let wide = self.m64.get_mut(&window).ok_or(IodaError::M64Window)?;
        if segment >= 8 {
            return Err(IodaError::Segment);
        }
        if pe >= self.facts.pes {
            return Err(IodaError::Pe(ioda::PeNumber(pe)));
        }
        if let [only] = *wide.segments.as_slice() {
            wide.segments = vec![only; 8];
        }
        wide.segments[usize::from(segment)] = pe;
        Ok(())
    }

    /// The endpoint that owns real address `real` and the PCI address it stands for; `None` outside all windows.
    pub(crate) fn mmio(&self, real: u64) -> Option<(u16, u64)> {
        let wide = self.m64.values().find_map(|wide| wide.owner(real));
        let equal = |space: &Segments, map: &BTreeMap<u16, u16>| {
            let offset = real.checked_sub(space.real)?;
            if offset >= space.bytes() {
                return None;
            }
            let segment = (offset >> space.shift) as u16;
            let pe = map.get(&segment).copied().unwrap_or(self.facts.reserved);
            Some((pe, space.pci + offset))
        };
        wide.map(|pe| (pe, real))
            .or_else(|| equal(&self.facts.m32, &self.m32))
            .or_else(|| equal(&self.facts.io?, &self.io))
    }

    /// Real addresses where owners may change, on both sides.
    pub(crate) fn edges(&self) -> Vec<u64> {
        let mut edges = Vec::new();
        let mut range = |start: u64, bytes: u64| {
            edges.extend([start, start + bytes - 1]);
        };
        for (space, map) in [(Some(self.facts.m32), &self.m32), (self.facts.io, &self.io)] {
            let Some(space) = space else { continue };
            let bytes = 1 << space.shift;
            let fixed = [0, 1, space.count / 2, space.count - 2, space.count - 1];
            for segment in map.keys().copied().chain(fixed) {
                range(space.real + (u64::from(segment) << space.shift), bytes);
            }
            range(space.real - 4, 4);
            range(space.real + space.bytes(), 4);
        }
        for wide in self.m64.values() {
            let bytes = (1 << wide.shift) / wide.segments.len() as u64;
            let used = self.facts.used.map(usize::from);
            for segment in 0..wide.segments.len() {
                if segment < 8 || used.contains(&segment) || segment + 1 == wide.segments.len() {
                    range(wide.base + segment as u64 * bytes, bytes);
                }
            }
            range(wide.base - 4, 4);
            range(wide.base + (1 << wide.shift), 4);
        }
        edges
    }
}
