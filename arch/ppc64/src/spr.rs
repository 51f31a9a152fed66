//! Special purpose registers that the hypervisor reads and writes by name.
#![expect(unsafe_code, reason = "moves to and from special registers")]

/// Numbers of special purpose registers. Source: Power ISA 2.07, Book III-S 4.4.4 and 5.4.4; the
/// POWER8 Processor User's Manual for ACOP, WORT and TSCR-like ones.
pub mod number {
    #![expect(missing_docs, reason = "the architecture's names")]
    pub const DSCR: u32 = 17;
    pub const DSISR: u32 = 18;
    pub const DAR: u32 = 19;
    pub const DEC: u32 = 22;
    pub const SDR1: u32 = 25;
    pub const SRR0: u32 = 26;
    pub const SRR1: u32 = 27;
    pub const CFAR: u32 = 28;
    pub const AMR: u32 = 29;
    pub const ACOP: u32 = 31;
    pub const PID: u32 = 48;
    pub const IAMR: u32 = 61;
    pub const TFHAR: u32 = 128;
    pub const TFIAR: u32 = 129;
    pub const TEXASR: u32 = 130;
    pub const CTRL_READ: u32 = 136;
    pub const CTRL: u32 = 152;
    pub const FSCR: u32 = 153;
    pub const UAMOR: u32 = 157;
    pub const PSPB: u32 = 159;
    pub const DPDES: u32 = 176;
    pub const DAWR: u32 = 180;
    pub const RPR: u32 = 186;
    pub const CIABR: u32 = 187;
    pub const DAWRX: u32 = 188;
    pub const HFSCR: u32 = 190;
    pub const VRSAVE: u32 = 256;
    pub const TB: u32 = 268;
    pub const SPRG0: u32 = 272;
    pub const SPRG1: u32 = 273;
    pub const SPRG2: u32 = 274;
    pub const SPRG3: u32 = 275;
    pub const TBU40: u32 = 286;
    pub const PVR: u32 = 287;
    pub const HSPRG0: u32 = 304;
    pub const HSPRG1: u32 = 305;
    pub const HDSISR: u32 = 306;
    pub const HDAR: u32 = 307;
    pub const SPURR: u32 = 308;
    pub const PURR: u32 = 309;
    pub const HDEC: u32 = 310;
    pub const RMOR: u32 = 312;
    pub const HRMOR: u32 = 313;
    pub const HSRR0: u32 = 314;
    pub const HSRR1: u32 = 315;
    pub const LPCR: u32 = 318;
    pub const LPIDR: u32 = 319;
    pub const HMER: u32 = 336;
    pub const HMEER: u32 = 337;
    pub const PCR: u32 = 338;
    pub const HEIR: u32 = 339;
    pub const AMOR: u32 = 349;
    pub const SIER: u32 = 784;
    pub const MMCR2: u32 = 785;
    pub const MMCRA: u32 = 786;
    pub const PMC1: u32 = 787;
    pub const PMC2: u32 = 788;
    pub const PMC3: u32 = 789;
    pub const PMC4: u32 = 790;
    pub const PMC5: u32 = 791;
    pub const PMC6: u32 = 792;
    pub const MMCR0: u32 = 795;
    pub const SIAR: u32 = 796;
    pub const SDAR: u32 = 797;
    pub const MMCR1: u32 = 798;
    pub const BESCR: u32 = 806;
    pub const EBBHR: u32 = 804;
    pub const EBBRR: u32 = 805;
    pub const TAR: u32 = 815;
    pub const IC: u32 = 848;
    pub const VTB: u32 = 849;
    pub const PPR: u32 = 896;
    pub const WORT: u32 = 895;
    pub const PIR: u32 = 1023;
    pub const HID0: u32 = 1008;
}

/// Reads a special purpose register, by its name in [`number`].
#[macro_export]
macro_rules! mfspr {
    ($name:ident) => {{
        let value: u64;
        // SAFETY: reading a special register of this list changes nothing and touches no memory.
        #[expect(unsafe_code, reason = "mfspr")]
        unsafe {
            core::arch::asm!("mfspr {}, {}", out(reg) value, const $crate::spr::number::$name,
                options(nostack, nomem, preserves_flags));
        }
        value
    }};
}

/// Writes a special purpose register, by its name in [`number`].
///
/// Expands to an unsafe operation: the caller says why the new value keeps the machine sane.
#[macro_export]
macro_rules! mtspr {
    ($name:ident, $value:expr) => {{
        let value: u64 = $value;
        core::arch::asm!("mtspr {}, {}", const $crate::spr::number::$name, in(reg) value,
            options(nostack, preserves_flags))
    }};
}

/// LPCR fields. Source: Power ISA 2.07, Book III-S 2.2; POWER8 PECE bits as used by QEMU and Linux.
pub mod lpcr {
    /// 34:37, position of the real mode limit selector.
    pub const RMLS_SHIFT: u32 = 26;
    /// 38: interrupts are taken little-endian.
    pub const ILE: u64 = 0x0200_0000;
    /// 39:40, position of the alternate interrupt location.
    pub const AIL_SHIFT: u32 = 23;
    /// 45: the thread is online.
    pub const ONL: u64 = 1 << 18;
    /// 49: external interrupts end nap.
    pub const PECE_EXTERNAL: u64 = 1 << 14;
    /// 50: the decrementer ends nap.
    pub const PECE_DECREMENTER: u64 = 1 << 13;
    /// 51: machine checks and the like end nap.
    pub const PECE_OTHER: u64 = 1 << 12;
    /// All that ends nap.
    pub const WAKE: u64 = PECE_EXTERNAL | PECE_DECREMENTER | PECE_OTHER;
    /// 9:11, default prefetch depth, position. Source: Linux `arch/powerpc/include/asm/reg.h`.
    pub const DPFD_SHIFT: u32 = 52;
    /// 60:61: external interrupts and real mode as for a logical partition.
    pub const LPES: u64 = 0xc;
    /// 60 alone: external interrupts go to the partition that runs; without it to the hypervisor.
    pub const LPES0: u64 = 0x8;
    /// 63: hypervisor decrementer interrupts enabled.
    pub const HDICE: u64 = 1;
}

/// HFSCR: facilities that a partition may use. Source: Power ISA 2.07, Book III-S 6.2.11.
pub mod hfscr {
    /// 55 TAR, 56 EBB, 59 BHRB, 60 PM, 61 DSCR, 62 VMX and VSX, 63 FP. Not 58 TM, which no partition
    /// is told of, and not 53 MSGP: cores have one thread each as far as a partition sees.
    pub const PARTITION: u64 = 0x100 | 0x80 | 0x10 | 0x8 | 0x4 | 0x2 | 0x1;
}

/// Returns the time base, in ticks.
#[must_use]
#[inline]
pub fn timebase() -> u64 {
    mfspr!(TB)
}

/// Completes all earlier context changes before what follows.
#[inline]
pub fn isync() {
    // SAFETY: a context synchronisation has no effect of its own.
    unsafe { core::arch::asm!("isync", options(nostack)) }
}

/// Orders all storage accesses, device registers included.
#[inline]
pub fn sync() {
    // SAFETY: a barrier has no effect of its own.
    unsafe { core::arch::asm!("sync", options(nostack)) }
}
