//! Processor nodes. Source: LoPAR 2.9, "PA Processor Binding".

use super::writer::{Tree, split};
use crate::Lpar;
use crate::hpt::PageSize;
use alloc::format;
use papr_abi::Server;

/// A first-level cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Its size, bytes.
    pub bytes: u32,
    /// Its line, and what dcbz and icbi work on, bytes.
    pub line_bytes: u32,
    /// Its sets.
    pub sets: u32,
}

/// What the tree tells of the machine's processors.
#[derive(Clone, Copy, Debug)]
pub struct CpuFacts {
    /// Its name, as in `PowerPC,POWER8`.
    pub name: &'static str,
    /// Its processor version register.
    pub pvr: u32,
    /// Ticks of the time base in a second.
    pub timebase_hz: u32,
    /// Cycles in a second.
    pub clock_hz: u64,
    /// Its first data cache.
    pub data: Cache,
    /// Its first instruction cache.
    pub instruction: Cache,
    /// Entries of its segment lookaside buffer.
    pub slb_entries: u32,
    /// `ibm,pa-features`, its two bytes of header included.
    pub features: &'static [u8],
}

impl CpuFacts {
    /// A POWER8. Source: POWER8 Processor User's Manual, "Cache hierarchy".
    #[must_use]
    pub const fn power8(pvr: u32, timebase_hz: u32, clock_hz: u64) -> Self {
        let line_bytes = 128;
        Self {
            name: "POWER8",
            pvr,
            timebase_hz,
            clock_hz,
            data: Cache {
                bytes: 64 << 10,
                line_bytes,
                sets: 64,
            },
            instruction: Cache {
                bytes: 32 << 10,
                line_bytes,
                sets: 32,
            },
            slb_entries: 32,
            features: &POWER8_FEATURES,
        }
    }
}

/// Returns the bits `numbers` of a byte, 0 the most significant.
const fn bits(numbers: &[u8]) -> u8 {
    let mut byte = 0;
    let mut i = 0;
    while i < numbers.len() {
        #[cfg_attr(
            not(test),
            expect(clippy::indexing_slicing, reason = "fails when compiled, if at all")
        )]
        let number = numbers[i];
        byte |= 0x80 >> number;
        i += 1;
    }
    byte
}

/// `ibm,pa-features` of a POWER8, of type 0. Source: LoPAR 2.9, "ibm,pa-features", for the bits; Power
/// ISA 2.07 for which of them hold.
///
/// Left out though the processor has them: the breakpoint registers (byte 0 bit 5, byte 1 bit 4),
/// which are not offered; large cache-inhibited pages (byte 1 bit 2), so that a kernel maps the exact
/// 4 KiB pages of a device that its partition owns; transactional memory (byte 22), which emulators
/// only pretend.
pub const POWER8_FEATURES: [u8; 26] = [
    24,
    0,
    // Memory management, floating point, segment lookaside buffer, RUN, no-execute.
    bits(&[0, 1, 2, 3, 6]),
    // Rounding instructions, SPRG3 for users, invalid segment entries read as zero, PP 110.
    bits(&[3, 5, 6, 7]),
    // Virtual partition memory, data streams of 2.05, PPR, data streams of 2.02 and 2.06.
    bits(&[0, 1, 5, 6, 7]),
    // Load stream disable and urgency in DSCR.
    bits(&[0, 1]),
    0,
    // Little-endian, CFAR, elemental barriers, quadword load and store.
    bits(&[0, 1, 2, 3]),
    // Data streams of 2.07.
    bits(&[0]),
    0,
    // No coprocessors.
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    // Vector of 2.07.
    bits(&[0]),
    0,
    // Vector-scalar of 2.07.
    bits(&[0]),
    0,
    // Cryptography of 2.07.
    bits(&[0]),
    0,
    // No transactional memory.
    0,
    0,
];

/// Segments of 2^28 and 2^40 bytes; no others.
const SEGMENT_SIZES: [u32; 4] = [28, 40, u32::MAX, u32::MAX];

/// Properties of size, sets, line and block.
const DATA_CACHE: [&str; 4] = [
    "d-cache-size",
    "d-cache-sets",
    "d-cache-line-size",
    "d-cache-block-size",
];
/// As [`DATA_CACHE`].
const INSTRUCTION_CACHE: [&str; 4] = [
    "i-cache-size",
    "i-cache-sets",
    "i-cache-line-size",
    "i-cache-block-size",
];

/// Writes the node of processor `server` of `lpar`.
pub(super) fn node(tree: &mut Tree, facts: &CpuFacts, server: Server, lpar: &Lpar) {
    tree.node(&format!("PowerPC,{}@{:x}", facts.name, server.0), |tree| {
        tree.text("device_type", "cpu");
        tree.cell("reg", server.0);
        tree.text("status", "okay");
        // Each is a core of one thread towards the partition.
        tree.cell("ibm,ppc-interrupt-server#s", server.0);
        tree.cells("ibm,ppc-interrupt-gserver#s", &[server.0, 0]);
        tree.cell("cpu-version", facts.pvr);
        tree.cell("timebase-frequency", facts.timebase_hz);
        clock(tree, facts.clock_hz);
        cache(tree, DATA_CACHE, facts.data);
        cache(tree, INSTRUCTION_CACHE, facts.instruction);
        tree.cell("slb-size", facts.slb_entries);
        tree.cell("ibm,slb-size", facts.slb_entries);
        tree.cells("ibm,processor-segment-sizes", &SEGMENT_SIZES);
        tree.cells(
            "ibm,segment-page-sizes",
            &PageSize::segment_cells(&lpar.ram),
        );
        tree.cells("ibm,pft-size", &[0, lpar.hpt.log2_bytes()]);
        tree.bytes("ibm,pa-features", facts.features);
        // 2: vector and vector-scalar.
        tree.cell("ibm,vmx", 2);
        tree.cell("ibm,dfp", 1);
        tree.flag("ibm,purr");
        tree.cell("ibm,spurr", 1);
        tree.flag("64-bit");
        tree.flag("general-purpose");
        tree.flag("graphics")
    })
}

fn clock(tree: &mut Tree, hz: u64) {
    tree.cell("clock-frequency", u32::try_from(hz).unwrap_or(u32::MAX));
    tree.cells("ibm,extended-clock-frequency", &split(hz))
}

fn cache(tree: &mut Tree, names: [&'static str; 4], cache: Cache) {
    let [bytes, sets, line, block] = names;
    tree.cell(bytes, cache.bytes);
    tree.cell(sets, cache.sets);
    tree.cell(line, cache.line_bytes);
    tree.cell(block, cache.line_bytes)
}
