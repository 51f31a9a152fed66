//! Where QEMU's PHB3 and the model disagree, and why: [`EXPECTED`].

use super::side::MACHINE_CHECK;

/// Makes the gaps of their names and words.
macro_rules! gaps {
    ($($name:ident: $words:literal;)*) => {
        /// In what QEMU's bridge is not as the chip.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Gap {
            $(#[doc = $words] $name,)*
        }

        impl Gap {
            /// The gap in words.
            pub(crate) const fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }
        }
    };
}

gaps! {
    FreezeNotModelled: "freeze states are not modelled: PESTA and PESTB read 0, PEEV is storage, a frozen endpoint goes on";
    ErrorsNotLatched: "errors are not latched: no summary, nothing in PEST";
    NeverFenced: "never fenced: NFIR reads 0";
    WindowBounds: "bounds of DMA windows are not checked: addresses wrap around inside the table";
    BypassLimits: "start and end of a bypass TVE are ignored";
    NoTceCache: "there is no TCE cache: a change acts at once, a missing kill is never noticed";
    InvalidateAll: "any RTC_INVALIDATE forgets all requesters";
    MemoryIveOnly: "only the entry in memory counts: IVC_UPDATE and IVC_INVALIDATE are ignored";
    RejectedLost: "a rejected message whose number mod 64 is 32 or more is lost";
    ResetsWithoutEffect: "PERST, ETU reset and complete reset have no effect";
    AlwaysDone: "waiting is over at once: DMARD_SYNC is always done";
    Unclaimed: "an unclaimed MMIO load is a machine check";
    SmallWindow: "a single-PE M64 window ends (PE & 31) MiB early";
    RootWindows: "the root port's windows are PCI's: base above limit closes them, and all of the prefetch window is there";
    RemapOfWindows: "MMIO windows are evaluated again at writes to their registers alone";
    ConstantRegister: "PCIE_SYSTEM_CONFIG is a constant";
    CapabilitiesZero: "capability registers read 0; what the chip has there is not published, and the model gives ones";
    PlainStorage: "registers that QEMU does not know are storage; status bits do not clear by ones";
    NestDropped: "registers of the PowerBus side that QEMU does not know are dropped";
    UpstreamForwarded: "a root port forwards requests upstream whatever its bus master bit says (the chip's: PCI Express Base 3.1, Command Register)";
}

/// On which model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// The model as the chip.
    Chip,
    /// The model as the emulator.
    Emulator,
    /// Either.
    Both,
}

impl On {
    /// Whether this is about the model `kind`.
    pub(crate) fn holds(self, kind: Self) -> bool {
        self == Self::Both || self == kind
    }
}

/// A disagreement: at which step of which program, what both sides have, why.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) program: &'static str,
    pub(crate) step: &'static str,
    pub(crate) on: On,
    pub(crate) model: u64,
    pub(crate) machine: u64,
    pub(crate) gap: Gap,
}

/// Makes the table: by program, which model, step, what the model has, what QEMU has, why.
macro_rules! expected {
    ($($program:literal { $($on:ident $step:literal: $model:expr, $machine:expr, $gap:ident;)* })*) => {
        /// Every disagreement.
        pub(crate) const EXPECTED: &[Expected] = &[$($(Expected {
            program: $program,
            step: $step,
            on: On::$on,
            model: $model,
            machine: $machine,
            gap: Gap::$gap,
        },)*)*];
    };
}

/// A load that nothing answers, as the chip has it; a write that landed nowhere.
const ONES: u64 = 0xffff_ffff;

expected! {
    "registers::started" {
        Chip "SYSTEM_CONFIG": 0, 0x4411_00fc_3000_0000, ConstantRegister;
        Chip "GEN_CAP": u64::MAX, 0, CapabilitiesZero;
        Chip "TCE_CAP": u64::MAX, 0, CapabilitiesZero;
        Chip "IRQ_CAP": u64::MAX, 0, CapabilitiesZero;
        Chip "EEH_CAP": u64::MAX, 0, CapabilitiesZero;
        Chip "hardware config": 0x1010_0000_0000_0000, 0, NestDropped;
    }
    "registers::values_of_the_start" {
        Chip "UTL 410": 0, u64::MAX, PlainStorage;
        Chip "UTL 548": 0, u64::MAX, PlainStorage;
    }
    "registers::error_bits" {
        Both "the summary": 1, 0, ErrorsNotLatched;
    }
    "registers::freeze_bits" {
        Both "PESTA set": 0x8000_0000_0000_0000, 0, FreezeNotModelled;
        Both "PESTB set": 0x8000_0000_0000_0000, 0, FreezeNotModelled;
        Both "PEEV": 0x40_0000_0000_0000, 0, FreezeNotModelled;
    }
    "config::absent_functions" {
        Both "its endpoint's PESTA": 0x8000_0000_0000_0000, 0, FreezeNotModelled;
    }
    "config::a_function_bus_0_has_not" {
        Both "fenced": 0x8000_0000_0000, 0, NeverFenced;
    }
    "mmio::a_segment_of_another" {
        Both "when that is frozen": ONES, 0x1234_5678, FreezeNotModelled;
    }
    "mmio::a_frozen_segment" {
        Both "a load": ONES, 1, FreezeNotModelled;
        Both "after a store that is dropped": 1, 2, FreezeNotModelled;
        Both "a load with DMA stopped": 1, 2, FreezeNotModelled;
    }
    "mmio::an_unclaimed_address" {
        Both "a load": ONES, MACHINE_CHECK, Unclaimed;
        Both "PESTA": 0x8000_0000_0000_0000, 0, FreezeNotModelled;
    }
    "mmio::windows_off" {
        Both "the 32-bit window off in PHB3_CONFIG": ONES, MACHINE_CHECK, Unclaimed;
        Both "MMIO1 off": ONES, MACHINE_CHECK, Unclaimed;
        Both "on": 9, MACHINE_CHECK, RemapOfWindows;
    }
    "mmio::root_port_windows" {
        Chip "closed": 7, MACHINE_CHECK, RootWindows;
        Both "elsewhere": ONES, MACHINE_CHECK, Unclaimed;
        Chip "the prefetch limit's upper half": 0, 0x1234, RootWindows;
        Emulator "closed": ONES, MACHINE_CHECK, Unclaimed;
    }
    "mmio::a_small_64_bit_window" {
        Both "at the end": 0, MACHINE_CHECK, SmallWindow;
    }
    "dma::bounds" {
        Both "2 MiB on": ONES, 0x10_0010, WindowBounds;
        Both "4 GiB on": ONES, 0x10_0018, WindowBounds;
        Both "2^58 on": ONES, 0x10_0020, WindowBounds;
    }
    "dma::two_levels" {
        Both "1 GiB on": ONES, 0x10_0020, WindowBounds;
    }
    "dma::bypass" {
        Both "a write outside the bounds": ONES, 0x10_0000, BypassLimits;
    }
    "dma::a_change_without_a_kill" {
        Both "changed": 0x10_0010, 0x10_1010, NoTceCache;
        Both "another endpoint killed": 0x10_1020, 0x10_0020, NoTceCache;
        Both "cleared": 0x10_0030, ONES, NoTceCache;
    }
    "dma::a_requester_moves" {
        Both "told of another": 0x10_0018, 0x10_1018, InvalidateAll;
    }
    "dma::a_refusal_freezes" {
        Both "mapped, but after that": ONES, 0x10_0008, FreezeNotModelled;
        Both "PESTA": 0x8000_0000_0000_0000, 0, FreezeNotModelled;
        Both "PESTB": 0x8000_0000_0000_0000, 0, FreezeNotModelled;
        Both "the requester noted": 0x100, 0, ErrorsNotLatched;
        Both "the address noted": 0x5000, 0, ErrorsNotLatched;
        Both "the summary": 1, 0, ErrorsNotLatched;
    }
    "dma::not_a_master" {
        Both "the root port": ONES, 0x10_0010, UpstreamForwarded;
    }
    "dma::a_frozen_endpoint" {
        Both "DMA stopped": ONES, 0x10_0008, FreezeNotModelled;
    }
    "interrupts::a_foreign_message" {
        Both "the sender's PESTB": 0x8000_0000_0000_0000, 0, FreezeNotModelled;
    }
    "interrupts::changes_in_memory" {
        Both "changed in memory alone": 0, 0x8_4307, MemoryIveOnly;
    }
    "interrupts::while_nothing_is_admitted" {
        Both "message 0x63": 0x8_6305, 0, RejectedLost;
    }
    "resets::perst" {
        Both "BAR 0 after PERST": 0, 0x8080_0000, ResetsWithoutEffect;
    }
    "resets::logic_held" {
        Chip "VERSION while held": 0xffff_ffff_ffff_ffff, 0xa3_0000_0005, ResetsWithoutEffect;
        Chip "M32DT is kept": 0, 1, ResetsWithoutEffect;
        Chip "RTT_BAR is kept": 0, 1, ResetsWithoutEffect;
    }
    "resets::fence" {
        Chip "fenced": 0x8000_0000_0000, 0, NeverFenced;
        Chip "VERSION": 0xffff_ffff_ffff_ffff, 0xa3_0000_0005, NeverFenced;
    }
    "resets::sync_of_reads" {
        Both "at once": 0, 0x4000_0000_0000_0000, AlwaysDone;
    }
}
