//! What programs are made of: [`Op`].
//!
//! Endpoints, segments, windows and the like are given by small numbers, which the interpreter takes modulo what
//! there is, so that any numbers are a program.

use ioda::{Freeze, ResetKind};

/// A step of a program. Every field is a choice, taken modulo the number of choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the names say it; each is one call of a driver, or one deed of a device"
)]
pub enum Op {
    Wait,
    Assign {
        rids: u8,
        pe: u8,
    },
    Release {
        rids: u8,
    },
    MapM32 {
        segment: u8,
        pe: u8,
    },
    MapIo {
        segment: u8,
        pe: u8,
    },
    OpenM64 {
        window: u8,
        place: u8,
        shift: u8,
        pe: u8,
    },
    /// Every segment an owner of its own (P7IOC), or segment n endpoint n (PHB3).
    OpenM64Shared {
        window: u8,
        place: u8,
        shift: u8,
        pe: u8,
    },
    MoveM64 {
        window: u8,
        segment: u8,
        pe: u8,
    },
    CloseM64 {
        window: u8,
    },
    CreateWindow {
        pe: u8,
        table: u8,
        at: u8,
    },
    DestroyWindow {
        window: u8,
        forged: u8,
    },
    /// Changes pages and tells the bridge, and waits.
    Map {
        window: u8,
        page: u8,
        count: u8,
        target: u8,
    },
    /// Changes pages and tells nobody.
    Change {
        window: u8,
        page: u8,
        target: u8,
    },
    Flush {
        window: u8,
        page: u8,
        count: u8,
    },
    AllocMsi {
        pe: u8,
        count: u8,
    },
    FreeMsi {
        block: u8,
        forged: u8,
    },
    Quota {
        pe: u8,
        most: u8,
    },
    Target {
        irq: u8,
        server: u8,
        priority: u8,
    },
    ResetIrq {
        irq: u8,
    },
    Eoi {
        irq: u8,
    },
    Link {
        parent: u8,
        child: u8,
    },
    Unlink {
        parent: u8,
        child: u8,
    },
    Freeze {
        pe: u8,
        what: u8,
    },
    Thaw {
        pe: u8,
        what: u8,
    },
    ClearErrors,
    Error {
        rid: u8,
    },
    Latch,
    Reset {
        kind: u8,
    },
    Fence,
    WriteConfig {
        function: u8,
        value: u8,
    },
    HostileConfig {
        target: u8,
        at: u8,
    },
    Dma {
        rid: u8,
        window: u8,
        page: u8,
        edge: u8,
    },
    DmaAnywhere {
        rid: u8,
        bits: u32,
    },
    Message {
        rid: u8,
        block: u8,
        index: u8,
        twist: u8,
    },
    Load {
        segment: u8,
        offset: u8,
    },
    PullIntx {
        wire: u8,
    },
    Destroy {
        pe: u8,
    },
    /// Everything of one endpoint becomes another's.
    HandOver {
        from: u8,
        to: u8,
    },
}

/// Takes small numbers out of a large one.
struct Digits(u64);

impl Digits {
    fn below(&mut self, end: u64) -> u64 {
        let digit = self.0 % end;
        self.0 /= end;
        digit
    }
    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }
}

macro_rules! kinds {
    ($digits:ident: $($weight:literal $name:ident { $($field:ident),* };)*) => {
        const WEIGHTS: u64 = 0 $(+ $weight)*;

        impl Op {
            /// The step that `bits` stand for; smaller numbers are simpler steps.
            #[must_use]
            pub fn from_bits(bits: u64) -> Self {
                let mut $digits = Digits(bits);
                let mut kind = $digits.below(WEIGHTS);
                $(
                    if kind < $weight {
                        return Self::$name { $($field: $digits.byte()),* };
                    }
                    kind -= $weight;
                )*
                let _ = kind;
                Self::DmaAnywhere { rid: $digits.byte(), bits: $digits.0 as u32 }
            }
        }
    };
}

kinds! { digits:
    2 Wait {};
    6 Assign { rids, pe };
    3 Release { rids };
    5 MapM32 { segment, pe };
    2 MapIo { segment, pe };
    4 OpenM64 { window, place, shift, pe };
    3 OpenM64Shared { window, place, shift, pe };
    2 MoveM64 { window, segment, pe };
    2 CloseM64 { window };
    7 CreateWindow { pe, table, at };
    3 DestroyWindow { window, forged };
    12 Map { window, page, count, target };
    4 Change { window, page, target };
    4 Flush { window, page, count };
    5 AllocMsi { pe, count };
    2 FreeMsi { block, forged };
    1 Quota { pe, most };
    6 Target { irq, server, priority };
    1 ResetIrq { irq };
    3 Eoi { irq };
    3 Link { parent, child };
    1 Unlink { parent, child };
    2 Freeze { pe, what };
    4 Thaw { pe, what };
    1 ClearErrors {};
    2 Error { rid };
    1 Latch {};
    1 Reset { kind };
    1 Fence {};
    2 WriteConfig { function, value };
    2 HostileConfig { target, at };
    8 Dma { rid, window, page, edge };
    5 Message { rid, block, index, twist };
    2 Load { segment, offset };
    1 PullIntx { wire };
    1 Destroy { pe };
    2 HandOver { from, to };
}

pub(crate) fn freeze(what: u8) -> Freeze {
    [Freeze::MMIO, Freeze::DMA, Freeze::all()][usize::from(what) % 3]
}

pub(crate) fn reset(kind: u8) -> ResetKind {
    [ResetKind::Complete, ResetKind::Hot, ResetKind::Fundamental][usize::from(kind) % 3]
}
