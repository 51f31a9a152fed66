//! Numbers that must not be mixed up: functions, endpoints, segments.

use core::fmt;

/// A bridge's place in the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhbId {
    /// The processor chip, as the machine numbers it.
    pub chip: u8,
    /// The bridge on that chip, from 0.
    pub index: u8,
}

impl fmt::Display for PhbId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chip {} PHB {}", self.chip, self.index)
    }
}

/// A requester id: bus in bits 15:8, device in 7:3, function in 2:0 (bit 0 the least significant).
///
/// The same number addresses a function's config space; [`Bdf`] is the name used for that.
#[doc(alias = "requester ID")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rid(pub u16);

/// A function's bus, device and function number, packed as a [`Rid`] is.
pub type Bdf = Rid;

impl Rid {
    /// Packs `bus`, `device` (0 to 31, else taken modulo 32) and `function` (modulo 8).
    #[must_use]
    pub const fn new(bus: u8, device: u8, function: u8) -> Self {
        Self(u16::from_be_bytes([bus, device << 3 | function & 7]))
    }
    /// The bus.
    #[must_use]
    pub const fn bus(self) -> u8 {
        (self.0 >> 8) as u8
    }
    /// The device on its bus, 0 to 31.
    #[must_use]
    pub const fn device(self) -> u8 {
        ((self.0 >> 3) & 0x1f) as u8
    }
    /// The function of its device, 0 to 7.
    #[must_use]
    pub const fn function(self) -> u8 {
        (self.0 & 7) as u8
    }
}

impl fmt::Display for Rid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:02x}:{:02x}.{}",
            self.bus(),
            self.device(),
            self.function()
        )
    }
}

/// A set of requester ids that every IODA version can match: an aligned range of buses, optionally
/// narrowed to one device and to one function number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RidSel {
    /// The first bus; a multiple of the number of buses.
    pub bus: u8,
    /// log2 of the number of buses, 0 to 8.
    pub bus_shift: u8,
    /// The device number, or any.
    pub device: Option<u8>,
    /// The function number, or any.
    pub function: Option<u8>,
}

impl RidSel {
    /// The one requester `rid`.
    #[must_use]
    pub const fn one(rid: Rid) -> Self {
        Self {
            bus: rid.bus(),
            bus_shift: 0,
            device: Some(rid.device()),
            function: Some(rid.function()),
        }
    }
    /// All requesters of `bus`.
    #[must_use]
    pub const fn bus(bus: u8) -> Self {
        Self {
            bus,
            bus_shift: 0,
            device: None,
            function: None,
        }
    }
    /// Whether the range of buses is aligned and the numbers exist.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        let device = match self.device {
            Some(device) => device < 32,
            None => true,
        };
        let function = match self.function {
            Some(function) => function < 8,
            None => true,
        };
        self.bus_shift <= 8 && self.bus & self.bus_mask() == 0 && device && function
    }
    /// Whether `rid` is in the set; nothing is in a set that is not valid.
    #[must_use]
    pub const fn contains(&self, rid: Rid) -> bool {
        let device = match self.device {
            Some(device) => device == rid.device(),
            None => true,
        };
        let function = match self.function {
            Some(function) => function == rid.function(),
            None => true,
        };
        self.is_valid() && rid.bus() & !self.bus_mask() == self.bus && device && function
    }
    /// The requesters of the set, rising.
    pub fn iter(self) -> impl Iterator<Item = Rid> {
        let last = self.bus.saturating_add(self.bus_mask());
        (Rid::new(self.bus, 0, 0).0..=Rid::new(last, 0x1f, 7).0)
            .map(Rid)
            .filter(move |rid| self.contains(*rid))
    }
    /// The bits of a bus number that are not compared; there are no more than 8.
    const fn bus_mask(&self) -> u8 {
        (0xff_u16 >> 8_u8.saturating_sub(self.bus_shift)) as u8
    }
}

/// A partitionable endpoint of one bridge.
#[doc(alias = "PE#")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeNumber(pub u16);

impl fmt::Display for PeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PE#{:02x}", self.0)
    }
}

/// A segment of a bridge's 32-bit MMIO window, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct M32Segment(pub u16);

/// A segment of a bridge's I/O window, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IoSegment(pub u16);

/// One of a bridge's 64-bit MMIO windows, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct M64Window(pub u8);

/// How many bytes a config access moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CfgWidth {
    /// 1 byte.
    Byte,
    /// 2 bytes.
    Half,
    /// 4 bytes.
    Word,
}

impl CfgWidth {
    /// The width of `bytes` bytes: 1, 2 or 4.
    #[must_use]
    pub const fn from_bytes(bytes: u32) -> Option<Self> {
        match bytes {
            1 => Some(Self::Byte),
            2 => Some(Self::Half),
            4 => Some(Self::Word),
            _ => None,
        }
    }
    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u16 {
        match self {
            Self::Byte => 1,
            Self::Half => 2,
            Self::Word => 4,
        }
    }
    /// All ones of this width: what a read of nothing gives.
    #[must_use]
    pub const fn ones(self) -> u32 {
        match self {
            Self::Byte => 0xff,
            Self::Half => 0xffff,
            Self::Word => 0xffff_ffff,
        }
    }
}

/// A byte offset in a function's config space, 0 to 0xfff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CfgOffset(u16);

impl CfgOffset {
    /// Bytes of a function's config space.
    pub const LIMIT: u16 = 0x1000;

    /// The offset `at`, if config space has it.
    #[must_use]
    pub const fn new(at: u16) -> Option<Self> {
        if at < Self::LIMIT {
            Some(Self(at))
        } else {
            None
        }
    }
    /// The offset `at`, known when the code is compiled.
    ///
    /// # Panics
    /// At compile time, when used in a constant, if config space has no such offset.
    #[must_use]
    pub const fn at(at: u16) -> Self {
        assert!(at < Self::LIMIT, "config space ends at 0xfff");
        Self(at)
    }
    /// The offset in bytes.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
    /// The offset `by` bytes further on, if config space has it.
    #[must_use]
    pub const fn plus(self, by: u16) -> Option<Self> {
        match self.0.checked_add(by) {
            Some(at) => Self::new(at),
            None => None,
        }
    }
    /// Whether an access of `width` here is naturally aligned.
    #[must_use]
    pub const fn is_aligned(self, width: CfgWidth) -> bool {
        self.0 & (width.bytes() - 1) == 0
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;
    use cases::prelude::*;

    fn a_rid_takes_its_parts_back_out() {
        let rid = Rid::new(0x12, 0x1e, 5);
        assert_eq!(
            (rid.0, rid.bus(), rid.device(), rid.function()),
            (0x12f5, 0x12, 0x1e, 5)
        );
        assert_eq!(rid.to_string(), "12:1e.5");
        // Numbers that do not exist come out as others, and leave their neighbours alone.
        assert_eq!(Rid::new(0x12, 0x3f, 0xd), Rid::new(0x12, 0x1f, 5));
        assert_eq!(Rid::new(0xff, 0x1f, 7), Rid(u16::MAX));
    }

    fn a_config_access_has_a_width_and_is_aligned_to_it() {
        for (bytes, width, ones) in [
            (1, CfgWidth::Byte, 0xff),
            (2, CfgWidth::Half, 0xffff),
            (4, CfgWidth::Word, u32::MAX),
        ] {
            assert_eq!(CfgWidth::from_bytes(bytes), Some(width));
            assert_eq!(u32::from(width.bytes()), bytes);
            assert_eq!(width.ones(), ones);
            for at in 0..16 {
                let is_aligned = CfgOffset::at(at).is_aligned(width);
                assert_eq!(is_aligned, u32::from(at) % bytes == 0, "{at} {width:?}");
            }
        }
        for bytes in [0, 3, 5, 8] {
            assert_eq!(CfgWidth::from_bytes(bytes), None);
        }
        let last = CfgOffset::at(0xffc);
        assert_eq!(last.plus(3).map(CfgOffset::get), Some(0xfff));
        assert_eq!(last.plus(4), None);
        assert_eq!(last.plus(u16::MAX), None);
        assert_eq!(CfgOffset::new(0x1000), None);
    }

    fn a_selection_holds_what_its_iterator_gives() {
        let four_buses = RidSel {
            bus: 4,
            bus_shift: 2,
            device: Some(3),
            function: None,
        };
        let rids: Vec<Rid> = four_buses.iter().collect();
        assert_eq!(rids.len(), 4 * 8);
        assert!(
            rids.iter()
                .all(|rid| (4..8).contains(&rid.bus()) && rid.device() == 3)
        );
        let all = (0..=u16::MAX)
            .map(Rid)
            .filter(|rid| four_buses.contains(*rid));
        assert!(all.eq(rids));
        assert_eq!(
            RidSel::one(Rid(0x123)).iter().collect::<Vec<_>>(),
            [Rid(0x123)]
        );
        assert_eq!(RidSel::bus(255).iter().count(), 256);
        assert_eq!(
            RidSel {
                bus: 0,
                bus_shift: 8,
                device: None,
                function: None
            }
            .iter()
            .count(),
            65536
        );
    }

    fn a_crooked_selection_holds_nothing() {
        for crooked in [
            RidSel {
                bus: 5,
                bus_shift: 1,
                device: None,
                function: None,
            },
            RidSel {
                bus: 0,
                bus_shift: 9,
                device: None,
                function: None,
            },
            RidSel {
                bus: 1,
                bus_shift: 255,
                device: None,
                function: None,
            },
            RidSel {
                bus: 0,
                bus_shift: 0,
                device: Some(32),
                function: None,
            },
            RidSel {
                bus: 0,
                bus_shift: 0,
                device: None,
                function: Some(8),
            },
        ] {
            assert!(!crooked.is_valid());
            assert_eq!(crooked.iter().count(), 0);
        }
    }

    cases::cases!(
        a_rid_takes_its_parts_back_out,
        a_config_access_has_a_width_and_is_aligned_to_it,
        a_selection_holds_what_its_iterator_gives,
        a_crooked_selection_holds_nothing,
    );
}
