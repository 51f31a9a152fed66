//! H_SET_MODE, and the interrupt modes of a partition that it sets.

use super::{After, Args, Caller, Class, Hcall, Row};
use crate::vcpu::attention;
use crate::{HResult, Refusal, VcpuState};
use core::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, SeqCst},
};
use papr_abi::{HError, Order, token};

/// Where a partition's interrupts with translation on are delivered. Source: Power ISA 2.07, LPCR
/// field AIL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Ail {
    /// At the vector, translation off.
    None = 0,
    /// At the vector + 0x18000, translation on.
    Offset18000 = 2,
    /// At the vector + 0xc000_0000_0000_4000, translation on.
    OffsetC000 = 3,
}

/// Byte order and place of a partition's interrupts, the same for all its processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterruptMode {
    /// Whether interrupts are taken in little-endian mode (LPCR bit ILE).
    pub little_endian: bool,
    /// Where they are taken (LPCR field AIL).
    pub ail: Ail,
}

impl InterruptMode {
    /// As a partition begins: big-endian, at the vectors, translation off.
    pub const START: Self = Self {
        little_endian: false,
        ail: Ail::None,
    };

    const LITTLE_ENDIAN: u32 = 1 << 8;

    const fn pack(self) -> u32 {
        self.ail as u32
            | if self.little_endian {
                Self::LITTLE_ENDIAN
            } else {
                0
            }
    }

    const fn unpack(word: u32) -> Self {
        Self {
            little_endian: word & Self::LITTLE_ENDIAN != 0,
            ail: match word & 3 {
                3 => Ail::OffsetC000,
                2 => Ail::Offset18000,
                _ => Ail::None,
            },
        }
    }
}

/// A partition's [`InterruptMode`], shared by its processors.
#[derive(Debug)]
pub struct Modes(AtomicU32);

impl Modes {
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(InterruptMode::START.pack()))
    }

    pub(crate) fn reset(&self) {
        self.0.store(InterruptMode::START.pack(), SeqCst);
    }

    /// Returns the modes that every processor of the partition must run with.
    #[must_use]
    #[inline]
    pub fn get(&self) -> InterruptMode {
        InterruptMode::unpack(self.0.load(Acquire))
    }

    /// Changes the modes; returns whether they are others than before.
    fn change(&self, change: impl Fn(&mut InterruptMode)) -> bool {
        let step = |word| {
            let mut mode = InterruptMode::unpack(word);
            change(&mut mode);
            (mode.pack() != word).then_some(mode.pack())
        };
        // Fails only when there is nothing to change; each further round means that another
        // processor of the partition did change something.
        self.0.fetch_update(SeqCst, SeqCst, step).is_ok()
    }
}

/// What [`SetMode`] sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource {
    Ail(Ail),
    LittleEndian(bool),
}

/// `H_SET_MODE`: sets a mode of the partition's processors.
///
/// Source: LoPAR 2.9, "H_SET_MODE" for the resources; Linux's and KVM's use for the byte order,
/// which LoPAR describes without its number (4), and for the order of the checks.
///
/// r4 is the mode; r5 the resource, 3 the place of interrupts (mode 0, 2 or 3), 4 their byte order
/// (0 big, 1 little); r6 and r7 are zero. Break- and watchpoints (resources 1, 2, 5) are not
/// offered. No outputs. Errors, in this order:
/// - [`HError::P2`]: another resource.
/// - [`HError::P3`]: r6 is not zero.
/// - [`HError::P4`]: r7 is not zero.
/// - [`HError::UnsupportedFlag`]: another mode; the number is that of the most significant bit that
///   has no meaning, or 62 for the reserved place 1, where LoPAR writes out -318.
/// - [`HError::LongBusy`], 1 ms: other processors of the partition are still running in the former
///   mode. It will be changed; the same call again tells when it is.
#[doc(alias = "H_SET_MODE")]
#[derive(Debug)]
pub struct SetMode(Resource);

impl Hcall for SetMode {
    const ROW: Row = Row::new(
        token::H_SET_MODE,
        "H_SET_MODE",
        Class::Normal,
        "hcall-set-mode",
    );

    fn decode(&[mode, resource, value1, value2, ..]: &Args) -> Result<Self, Refusal> {
        let modes = match resource {
            3 => 3,
            4 => 1,
            _ => return Err(Refusal::new(HError::P2, "no such resource")),
        };
        if value1 != 0 {
            return Err(Refusal::new(HError::P3, "value 1 not zero"));
        }
        if value2 != 0 {
            return Err(Refusal::new(HError::P4, "value 2 not zero"));
        }
        let unknown = mode & !modes;
        if unknown != 0 {
            let bit = unknown.leading_zeros() as u8;
            return Err(Refusal::new(
                HError::UnsupportedFlag { bit },
                "no such mode",
            ));
        }
        Ok(Self(match (resource, mode) {
            (3, 0) => Resource::Ail(Ail::None),
            (3, 2) => Resource::Ail(Ail::Offset18000),
            (3, 3) => Resource::Ail(Ail::OffsetC000),
            (3, _) => {
                // LoPAR 2.9, H_SET_MODE, case 3: "H_UNSUPPORTED_FLAG (-318)".
                let code = HError::UnsupportedFlag { bit: 62 };
                return Err(Refusal::new(code, "reserved place of interrupts"));
            }
            (_, mode) => Resource::LittleEndian(mode == 1),
        }))
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let changed = caller.lpar.modes.change(|mode| match self.0 {
            Resource::Ail(ail) => mode.ail = ail,
            Resource::LittleEndian(little_endian) => mode.little_endian = little_endian,
        });
        caller.after = After::ReloadMode;
        let others = || {
            let this = caller.vcpu.server;
            let vcpus = caller.lpar.vcpus.iter();
            vcpus.filter(move |vcpu| vcpu.server != this && vcpu.state() != VcpuState::Stopped)
        };
        if changed {
            for vcpu in others() {
                vcpu.request(attention::MODE);
                caller.lpar.machine.threads.kick(vcpu.pir);
            }
        }
        if others().any(|vcpu| vcpu.attention.load(Acquire) & attention::MODE != 0) {
            return Err(Refusal::ordinary(HError::LongBusy(Order::Ms1)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bench::{Bench, call};
    use core::sync::atomic::Ordering::Relaxed;

    fn set(bench: &Bench, words: [u64; 4]) -> (i64, After) {
        let (code, _, after) = call(bench, token::H_SET_MODE, &words);
        (code, after)
    }

    #[test]
    fn a_partition_begins_big_endian_at_the_vectors_and_linux_gets_its_modes() {
        let bench = Bench::new();
        assert_eq!(bench.lpar.modes.get(), InterruptMode::START);
        assert_eq!(set(&bench, [3, 3, 0, 0]), (0, After::ReloadMode));
        assert_eq!(set(&bench, [1, 4, 0, 0]), (0, After::ReloadMode));
        let linux = InterruptMode {
            little_endian: true,
            ail: Ail::OffsetC000,
        };
        assert_eq!(bench.lpar.modes.get(), linux);
        assert_eq!(set(&bench, [2, 3, 0, 0]).0, 0);
        assert_eq!(bench.lpar.modes.get().ail, Ail::Offset18000);
        assert_eq!(set(&bench, [0, 3, 0, 0]).0, 0);
        assert_eq!(set(&bench, [0, 4, 0, 0]).0, 0);
        assert_eq!(bench.lpar.modes.get(), InterruptMode::START);
    }

    #[test]
    fn each_bad_argument_has_its_code_and_changes_nothing() {
        let bench = Bench::new();
        for (words, code) in [
            ([0, 0, 0, 0], -55),
            ([0, 1, 0, 0], -55),
            ([0, 2, 0, 0], -55),
            ([0, 5, 1, 1], -55),
            ([0, 1 << 32 | 3, 0, 0], -55),
            ([1, 3, 1, 1], -56),
            ([1, 4, 1, 0], -56),
            ([1, 3, 0, 1], -57),
            ([1, 4, 0, 1], -57),
            ([1, 3, 0, 0], -256 - 62),
            ([4, 3, 0, 0], -256 - 61),
            ([2, 4, 0, 0], -256 - 62),
            ([3, 4, 0, 0], -256 - 62),
            ([1 << 63 | 1, 4, 0, 0], -256),
        ] {
            assert_eq!(set(&bench, words), (code, After::Return), "{words:?}");
        }
        assert_eq!(bench.lpar.modes.get(), InterruptMode::START);
    }

    #[test]
    fn the_call_is_busy_until_every_running_processor_took_the_mode_over() {
        let bench = Bench::new();
        let other = &bench.lpar.vcpus[1];
        other.set_state(VcpuState::Running);
        assert_eq!(set(&bench, [1, 4, 0, 0]), (9900, After::ReloadMode));
        assert!(bench.lpar.modes.get().little_endian);
        assert_eq!(bench.threads.kicked(), [other.pir]);
        assert_eq!(set(&bench, [1, 4, 0, 0]).0, 9900);
        assert_eq!(bench.threads.kicked(), []);
        assert_eq!(
            other.attention.swap(0, Relaxed) & attention::MODE,
            attention::MODE
        );
        assert_eq!(set(&bench, [1, 4, 0, 0]), (0, After::ReloadMode));
    }

    #[test]
    fn a_stopped_processor_is_neither_asked_nor_waited_for() {
        let bench = Bench::new();
        assert_eq!(set(&bench, [3, 3, 0, 0]).0, 0);
        assert_eq!(bench.threads.kicked(), []);
        assert_eq!(bench.lpar.vcpus[1].attention.load(Relaxed), 0);
    }
}
