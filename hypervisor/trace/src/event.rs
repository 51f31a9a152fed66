//! One event: [`Event`].

/// Doublewords of an event in a ring.
pub const WORDS: usize = 4;

/// An enumeration whose numbers are in events, with a name for each.
macro_rules! numbered {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal, $text:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$doc])* $variant = $number,)*
        }
        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// Returns the one with `number`, if there is one.
            #[must_use]
            pub fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

numbered! {
    /// What an event is about. The numbers are those of the second doubleword's first byte.
    Kind {
        /// An hcall was served. Code: token, its low half; result: r3; argument: r4 before, for H_XIRR and H_XIRR_X after.
        Hcall = 1, "hcall";
        /// An hcall was refused for a cause that the log tells, or is unknown. Code: token, its low half; result: r3.
        Refused = 2, "refused";
        /// An RTAS call was served. Code: token; result: status; argument: its first input.
        Rtas = 3, "rtas";
        /// A device's interrupt was given to a virtual processor that shares threads. Code: the source.
        Interrupt = 4, "interrupt";
        /// A virtual processor begins to run. Code: [`Dispatched`]; ticks: how long it has not.
        Dispatch = 5, "dispatch";
        /// A virtual processor ceases to run. Code: [`Preempted`]; ticks: how long it has.
        Preempt = 6, "preempt";
        /// An endpoint was found stopped. Code: [`endpoint`]; result: what of it, 1 MMIO, 2 DMA; argument: its PESTA.
        Freeze = 7, "freeze";
        /// An endpoint was found to go on. Code: [`endpoint`]; result: what is still stopped.
        Thaw = 8, "thaw";
        /// An endpoint was found in reset. Code: [`endpoint`], of a whole bridge that of [`u16::MAX`].
        Reset = 9, "reset";
    }
}

numbered! {
    /// Why a virtual processor begins to run: LoPAR's codes of its dispatch trace log.
    Dispatched {
        /// For an external interrupt.
        External = 0, "interrupt";
        /// For something of the hypervisor's own.
        Firmware = 1, "firmware";
        /// It was prodded.
        Prod = 2, "prod";
        /// For its decrementer.
        Decrementer = 3, "decrementer";
        /// It was started or reset.
        Start = 4, "start";
        /// Another gave its time to it.
        Conferred = 6, "conferred";
        /// Its turn came.
        Turn = 7, "turn";
    }
}

numbered! {
    /// Why a virtual processor ceases to run; 2 to 4 are LoPAR's codes of its dispatch trace log.
    Preempted {
        /// It, or its partition, stops.
        Stop = 1, "stop";
        /// It waits for an interrupt (H_CEDE).
        Cede = 2, "cede";
        /// It gives its time away (H_CONFER).
        Confer = 3, "confer";
        /// Its slice is over.
        Slice = 4, "slice";
        /// It is to take a system reset.
        Reset = 5, "reset";
    }
}

/// Returns the code of endpoint `pe` of bridge `phb`.
#[must_use]
pub const fn endpoint(phb: u8, pe: u16) -> u32 {
    (phb as u32) << 16 | pe as u32
}

/// The opposite of [`endpoint`].
#[must_use]
pub const fn endpoint_of(code: u32) -> (u8, u16) {
    ((code >> 16) as u8, code as u16)
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was noted, at its end, by the time base.
    pub at: u64,
    /// How long it took, ticks of the time base; the most there is for what is longer.
    pub ticks: u32,
    /// See [`Kind`].
    pub kind: Kind,
    /// The partition, 0 for none; numbers from 4095 on are all that.
    pub lpid: u16,
    /// Its virtual processor; numbers from 4095 on are all that.
    pub vcpu: u16,
    /// What [`Kind`] says.
    pub code: u32,
    /// What [`Kind`] says.
    pub result: i32,
    /// What [`Kind`] says.
    pub argument: u64,
}

impl Event {
    /// Returns the doublewords: when; kind (8 bits), partition (12), processor (12), ticks (32); code (32), result (32);
    /// argument.
    #[must_use]
    #[inline]
    pub const fn to_words(&self) -> [u64; WORDS] {
        const MOST: u16 = 0xfff;
        let lpid = if self.lpid < MOST { self.lpid } else { MOST };
        let vcpu = if self.vcpu < MOST { self.vcpu } else { MOST };
        let who = (self.kind as u64) << 56 | (lpid as u64) << 44 | (vcpu as u64) << 32;
        [
            self.at,
            who | self.ticks as u64,
            (self.code as u64) << 32 | self.result as u32 as u64,
            self.argument,
        ]
    }

    /// The opposite; `None` when there is no such kind.
    #[must_use]
    pub fn from_words([at, who, what, argument]: [u64; WORDS]) -> Option<Self> {
        Some(Self {
            at,
            ticks: who as u32,
            kind: Kind::from_number((who >> 56) as u32)?,
            lpid: (who >> 44) as u16 & 0xfff,
            vcpu: (who >> 32) as u16 & 0xfff,
            code: (what >> 32) as u32,
            result: what as u32 as i32,
            argument,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const PUT_TCE: Event = Event {
        at: 0x1234_5678_9abc,
        ticks: 103,
        kind: Kind::Hcall,
        lpid: 2,
        vcpu: 3,
        code: 0x20,
        result: -4,
        argument: 0x8000_0001,
    };

    #[test]
    fn the_words_of_an_event_are_pinned_and_come_back() {
        let words = PUT_TCE.to_words();
        let wanted = [
            0x1234_5678_9abc,
            0x0100_2003_0000_0067,
            0x0000_0020_ffff_fffc,
            0x8000_0001,
        ];
        assert_eq!(words, wanted);
        assert_eq!(Event::from_words(words), Some(PUT_TCE));
        for &kind in Kind::ALL {
            let event = Event { kind, ..PUT_TCE };
            assert_eq!(Event::from_words(event.to_words()), Some(event));
        }
    }

    #[test]
    fn what_does_not_fit_is_the_most_there_is_and_disturbs_nothing() {
        let event = Event {
            lpid: u16::MAX,
            vcpu: 0x1000,
            ticks: u32::MAX,
            ..PUT_TCE
        };
        let back = Event::from_words(event.to_words()).unwrap();
        assert_eq!((back.lpid, back.vcpu), (0xfff, 0xfff));
        assert_eq!((back.kind, back.ticks), (Kind::Hcall, u32::MAX));
    }

    #[test]
    fn words_of_no_kind_are_no_event() {
        assert_eq!(Event::from_words([0; WORDS]), None);
        assert_eq!(Event::from_words([u64::MAX; WORDS]), None);
    }

    #[test]
    fn endpoints_have_codes() {
        assert_eq!(endpoint(2, 17), 0x2_0011);
        assert_eq!(endpoint_of(endpoint(255, u16::MAX)), (255, u16::MAX));
    }
}
