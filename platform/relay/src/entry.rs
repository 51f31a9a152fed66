//! Entries of a P7IOC's tables, as the model has them: [`Filter`], [`Window`], [`Sender`], [`Route`].

use ioda::{PeNumber, RidSel};

/// The tables' numbers.
pub(crate) mod table {
    pub(crate) const LXIVT: u64 = 2;
    pub(crate) const MXIVT: u64 = 4;
    pub(crate) const MVT: u64 = 5;
    pub(crate) const PELTM: u64 = 6;
    pub(crate) const PESTA: u64 = 7;
    pub(crate) const PESTB: u64 = 8;
    pub(crate) const TVT: u64 = 9;
    pub(crate) const M64BT: u64 = 16;
    pub(crate) const M32DT: u64 = 18;
}

/// IBM bit `n` of a doubleword.
pub(crate) const fn bit(n: u32) -> u64 {
    1u64.wrapping_shl(63u32.wrapping_sub(n))
}

/// IBM bits `first` to `last` of `value`, at the bottom.
const fn field(value: u64, first: u32, last: u32) -> u64 {
    let above = 63u32.wrapping_sub(last).wrapping_add(first);
    value.wrapping_shr(63u32.wrapping_sub(last)) & u64::MAX.wrapping_shr(above)
}

/// The endpoint in a table's entry, of 7 bits.
const fn endpoint(value: u64, last: u32) -> PeNumber {
    PeNumber(field(value, last.wrapping_sub(6), last) as u16)
}

/// What is compared of a requester.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    /// 0: no bit of the bus, else one more than so many of its upper bits.
    bus_valid: u8,
    bus: u8,
    device: Option<u8>,
    function: Option<u8>,
}

impl Filter {
    const fn new(bus_valid: u64, bus: u64, device: Option<u8>, function: Option<u8>) -> Self {
        let bus_valid = bus_valid as u8;
        Self {
            bus_valid,
            bus: if bus_valid == 0 { 0 } else { bus as u8 },
            device,
            function,
        }
    }

    /// Of an entry of the requester table.
    pub(crate) fn of_requesters(entry: u64) -> Self {
        let device = (entry & bit(19) != 0).then_some(field(entry, 8, 12) as u8);
        let function = (entry & bit(20) != 0).then_some(field(entry, 13, 15) as u8);
        Self::new(field(entry, 16, 18), field(entry, 0, 7), device, function)
    }

    /// The requesters; `None` if there can be none, or nobody knows which. The root port sends nothing, so
    /// what names bus 0 alone is nobody.
    pub(crate) const fn rids(self) -> Option<RidSel> {
        let bus_shift = match self.bus_valid {
            0 => 8,
            valid @ 2..=7 => 7u8.saturating_sub(valid),
            _ => return None,
        };
        let bus = match bus_shift {
            8 => 0,
            shift => self.bus >> shift << shift,
        };
        if bus == 0 && bus_shift == 0 {
            return None;
        }
        Some(RidSel {
            bus,
            bus_shift,
            device: self.device,
            function: self.function,
        })
    }
}

/// An open DMA window: one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Real address of its entries, for pages of 4 KiB.
    pub(crate) table: u64,
    /// Bytes of the bus that they translate.
    pub(crate) bytes: u64,
    pub(crate) pe: PeNumber,
    pub(crate) filter: Filter,
}

impl Window {
    /// Bytes of a slot.
    pub(crate) const SLOT: u64 = 1 << 28;

    /// `None` if it is closed, or not of a kind that the chip is known to take.
    pub(crate) fn of([first, second]: [u64; 2]) -> Option<Self> {
        let bytes = match field(first, 51, 55) {
            1 => Self::SLOT / 2,
            2 => Self::SLOT,
            _ => return None,
        };
        if field(second, 19, 23) != 1 {
            return None;
        }
        let device = (second & bit(2) != 0).then_some(field(second, 3, 7) as u8);
        let function = (second & bit(12) != 0).then_some(field(second, 13, 15) as u8);
        Some(Self {
            table: field(first, 0, 47) << 12,
            bytes,
            pe: endpoint(second, 63),
            filter: Filter::new(field(first, 48, 50), field(first, 56, 63), device, function),
        })
    }
}

/// Who may send messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) pe: PeNumber,
    pub(crate) filter: Filter,
}

impl Sender {
    /// `None` for an entry that is not valid.
    pub(crate) fn of(entry: u64) -> Option<Self> {
        let device = (entry & bit(50) != 0).then_some(field(entry, 51, 55) as u8);
        let function = (entry & bit(60) != 0).then_some(field(entry, 61, 63) as u8);
        (entry & bit(0) != 0).then(|| Self {
            pe: endpoint(entry, 47),
            filter: Filter::new(field(entry, 21, 23), field(entry, 24, 31), device, function),
        })
    }
}

/// Where an interrupt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) pe: PeNumber,
    /// PIR of the thread.
    pub(crate) server: u32,
    /// 0xff: nowhere.
    pub(crate) priority: u8,
}

impl Route {
    /// To nobody, from nobody.
    pub(crate) const NONE: Self = Self {
        pe: crate::RESERVED,
        server: 0,
        priority: 0xff,
    };

    /// The low three bits of the server, which has two link bits below the PIR, sit above the priority.
    pub(crate) const fn of(entry: u64) -> Self {
        let (server, priority) = (field(entry, 8, 23), field(entry, 24, 31));
        let pe = endpoint(entry, 47);
        if server == 0 && priority == 0xff {
            return Self { pe, ..Self::NONE };
        }
        Self {
            pe,
            server: (server << 3 | priority >> 5) as u32 >> 2,
            priority: ((priority & 0x1f) << 3) as u8,
        }
    }

    /// Whether both go to the same place.
    pub(crate) const fn leads_as(self, other: Self) -> bool {
        self.server == other.server && self.priority == other.priority
    }
}
