//! Why an endpoint was frozen, in words: [`Cause`].

use crate::regs::bit;
use core::fmt;
use ioda::{Pest, Rid};

/// What a bridge has noted of the error that froze an endpoint; to be read before thawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause(pub Pest);

/// PESTA, 5:7.
const TRANSACTIONS: [&str; 8] = [
    "DMA write",
    "message",
    "DMA read",
    "answer to a DMA read",
    "MMIO load",
    "MMIO store",
    "unknown transaction",
    "other transaction",
];
/// PESTA, from bit 8 on.
const ERRORS: [(u32, &str); 14] = [
    (8, "completer abort or time-out"),
    (9, "unsupported request"),
    (10, "non-fatal error"),
    (11, "fatal error"),
    (12, "tag in use"),
    (13, "parity"),
    (14, "correctable error"),
    (15, "interrupt"),
    (16, "no translation of an MMIO address, or a table is wrong"),
    (17, "no such DMA window"),
    (18, "page not mapped"),
    (19, "access not permitted"),
    (20, "no answer to a DMA read"),
    (21, "size"),
];
/// PESTA, 2 to 4: MMIO and config cycles are told apart here.
const CONFIG_READ: u64 = bit(3);
const CONFIG_WRITE: u64 = bit(4);
/// PESTB, 3:63.
const ADDRESS: u64 = u64::MAX >> 3;

impl Cause {
    /// Who did it.
    #[must_use]
    pub const fn rid(self) -> Rid {
        // 32:47
        Rid((self.0.a >> 16) as u16)
    }
    /// The PCI address, where there is one.
    #[must_use]
    pub const fn address(self) -> u64 {
        self.0.b & ADDRESS
    }
    /// The kind of transaction.
    #[must_use]
    pub fn transaction(self) -> &'static str {
        if self.0.a & CONFIG_READ != 0 {
            return "config read";
        }
        if self.0.a & CONFIG_WRITE != 0 {
            return "config write";
        }
        let kind = (self.0.a >> 56 & 7) as usize;
        TRANSACTIONS.get(kind).copied().unwrap_or("")
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pest { a, b } = self.0;
        if (a | b) & !bit(0) == 0 {
            return f.write_str("nothing noted");
        }
        write!(f, "{} by {}", self.transaction(), self.rid())?;
        if self.address() != 0 {
            write!(f, " at {:#x}", self.address())?;
        }
        let mut mark = ": ";
        for (_, error) in ERRORS.iter().filter(|(n, _)| a & bit(*n) != 0) {
            write!(f, "{mark}{error}")?;
            mark = ", ";
        }
        Ok(())
    }
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;
    use cases::prelude::*;

    fn a_cause_is_a_sentence() {
        let say = |a, b| Cause(Pest { a, b }).to_string();
        assert_eq!(say(1 << 63, 1 << 63), "nothing noted");
        assert_eq!(
            say(
                1 << 63 | 2 << 56 | bit(19) | 0x300 << 16,
                1 << 63 | 0x1234_5000
            ),
            "DMA read by 03:00.0 at 0x12345000: access not permitted"
        );
        assert_eq!(
            say(bit(4) | bit(9) | bit(10) | 0x1ff << 16, 0),
            "config write by 01:1f.7: unsupported request, non-fatal error"
        );
        assert_eq!(say(1 << 56 | 0x300 << 16 | 7, 0), "message by 03:00.0");
        // Both halves alike.
        assert_eq!(say(0x1000, 0x1000), "DMA write by 00:00.0 at 0x1000");
    }

    cases::cases!(a_cause_is_a_sentence,);
}
