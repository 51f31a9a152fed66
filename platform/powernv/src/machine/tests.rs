//! Tests of [`MachineInfo`] on trees that QEMU built, whole and damaged.
use proptest::prelude::*;

use super::*;
use crate::chip::IsaDevice;
use crate::error::BlobError;
use crate::xscom::Pcb;

const ONE_CHIP: &[u8] = include_bytes!("../../testdata/powernv8.dtb");
const TWO_CHIPS: &[u8] = include_bytes!("../../testdata/powernv8-2chip.dtb");
const POWER9: &[u8] = include_bytes!("../../testdata/powernv9.dtb");

const _: () = assert!(size_of::<MachineInfo<'_>>() < 13 << 10);

#[test]
fn the_reference_machine_is_read_in_full() {
    let machine = MachineInfo::from_fdt(ONE_CHIP).unwrap();
    assert_eq!(machine.model, "IBM PowerNV (emulated by qemu)");
    assert!(machine.qemu);
    assert_eq!(machine.bootargs, "bulkhead.log=debug");
    assert_eq!(machine.initrd, RealRange::new(0x2800_0000, 100_000));
    assert_eq!(
        machine.memory[..],
        [MemoryRange {
            range: RealRange {
                base: 0,
                size: 2 << 30
            },
            chip: 0
        }]
    );
    assert_eq!(machine.memory_bytes(), 2 << 30);
    assert!(machine.reserved.is_empty());
    let threads: Vec<_> = machine
        .threads()
        .map(|thread| (thread.pir, thread.icp))
        .collect();
    assert_eq!(
        threads,
        [(0x8, 0x3_ffff_8000_8000), (0x10, 0x3_ffff_8001_0000)]
    );
    let xscom = RealRange {
        base: 0x3_fc00_0000_0000,
        size: 32 << 30,
    };
    assert_eq!(
        machine.chips[..],
        [Chip {
            id: 0,
            xscom,
            psi: Some(Pcb(0x201_0900))
        }]
    );
    let phb = |index, nest, pci, spci| Phb {
        chip: 0,
        index,
        nest: Pcb(nest),
        pci: Pcb(pci),
        spci: Pcb(spci),
    };
    let expected = [
        phb(0, 0x201_2000, 0x901_2000, 0x901_3c00),
        phb(1, 0x201_2400, 0x901_2400, 0x901_3c40),
    ];
    assert_eq!(machine.phbs[..], expected);
    let device = |port, irq, clock_hz| {
        Some(IsaDevice {
            port,
            irq,
            clock_hz,
        })
    };
    let lpc = Lpc {
        chip: 0,
        eccb: Pcb(0xb_0020),
        uart: device(0x3f8, Some(4), Some(1_843_200)),
        rtc: device(0x70, None, None),
        ipmi_bt: device(0xe4, Some(10), None),
    };
    assert_eq!(machine.lpc, Some(lpc));
}

#[test]
fn the_processor_model_is_what_a_partition_needs() {
    let cpu = MachineInfo::from_fdt(ONE_CHIP).unwrap().cpu;
    assert_eq!(
        (cpu.pvr, cpu.timebase_hz, cpu.clock_hz),
        (0x4d_0200, 512_000_000, 1_000_000_000)
    );
    assert_eq!((cpu.dcache_bytes, cpu.dcache_line_bytes), (32768, 128));
    assert_eq!((cpu.icache_bytes, cpu.icache_line_bytes), (32768, 128));
    assert_eq!(
        (cpu.slb_entries, cpu.vmx, cpu.dfp, cpu.purr),
        (32, Some(2), Some(1), true)
    );
    assert_eq!(
        (
            cpu.segment_page_sizes.len(),
            cpu.segment_page_sizes.first_chunk()
        ),
        (104, Some(&[0, 0, 0, 12]))
    );
    assert_eq!(
        cpu.segment_sizes,
        [
            0, 0, 0, 28, 0, 0, 0, 40, 255, 255, 255, 255, 255, 255, 255, 255
        ]
    );
    assert_eq!(
        (cpu.pa_features.len(), cpu.pa_features.first_chunk()),
        (26, Some(&[0x18, 0, 0xf6]))
    );
}

#[test]
fn threads_and_chips_are_told_apart() {
    let machine = MachineInfo::from_fdt(TWO_CHIPS).unwrap();
    let cores: Vec<_> = machine
        .cores
        .iter()
        .map(|core| (core.chip, core.threads[0].pir))
        .collect();
    assert_eq!(cores, [(0, 0x8), (0, 0x10), (1, 0x88), (1, 0x90)]);
    assert_eq!(
        machine.cores[3].threads[1],
        Thread {
            pir: 0x91,
            icp: 0x3_ffff_8019_1000
        }
    );
    assert_eq!(machine.threads().count(), 8);
    let memory: Vec<_> = machine
        .memory
        .iter()
        .map(|memory| (memory.range.base, memory.chip))
        .collect();
    assert_eq!(memory, [(0, 0), (0x8000_0000, 1)]);
    assert_eq!(machine.chip(1).unwrap().xscom.base, 0x3_fc08_0000_0000);
    assert_eq!(machine.chip(2), None);
    let phbs: Vec<_> = machine
        .phbs
        .iter()
        .map(|phb| (phb.chip, phb.index))
        .collect();
    assert_eq!(phbs, [(0, 0), (1, 2)]);
    assert_eq!(machine.lpc.unwrap().chip, 0);
    assert_eq!((machine.initrd, machine.bootargs), (None, ""));
}

#[test]
fn a_power9_is_refused_by_its_processor_version() {
    let error = MachineInfo::from_fdt(POWER9).unwrap_err();
    assert_eq!(error, TreeError::Processor { pvr: 0x4e_1202 });
    assert!(error.to_string().contains("0x004e1202"));
}

/// A tree to damage on purpose; a property is found by its value.
struct Edit(Vec<u8>);

impl Edit {
    fn new(blob: &[u8]) -> Self {
        Self(blob.to_vec())
    }

    /// Offset of the first property named `name` whose value is `old`.
    fn find(&self, name: &str, old: &[u8]) -> usize {
        let word = |at: usize| u32::from_be_bytes(self.0[at..at + 4].try_into().unwrap()) as usize;
        let (structure, strings) = (word(8), word(12));
        let named = |at: usize| {
            self.0[strings + word(at + 8)..].starts_with(format!("{name}\0").as_bytes())
        };
        (structure..strings - 12)
            .step_by(4)
            .find(|at| {
                word(*at) == 3
                    && word(at + 4) == old.len()
                    && self.0[at + 12..].starts_with(old)
                    && named(*at)
            })
            .unwrap_or_else(|| panic!("no {name}"))
    }

    /// Replaces the value of a property by another of the same padded length.
    fn value(mut self, name: &str, old: &[u8], new: &[u8]) -> Self {
        let at = self.find(name, old);
        assert_eq!(old.len().next_multiple_of(4), new.len().next_multiple_of(4));
        self.0[at + 4..at + 8].copy_from_slice(&(new.len() as u32).to_be_bytes());
        self.0[at + 12..at + 12 + new.len()].copy_from_slice(new);
        self
    }

    fn cells(self, name: &str, old: &[u32], new: &[u32]) -> Self {
        let bytes = |cells: &[u32]| {
            cells
                .iter()
                .flat_map(|cell| cell.to_be_bytes())
                .collect::<Vec<u8>>()
        };
        self.value(name, &bytes(old), &bytes(new))
    }

    /// Takes a property away.
    fn without(mut self, name: &str, old: &[u8]) -> Self {
        let at = self.find(name, old);
        for word in self.0[at..at + 12 + old.len().next_multiple_of(4)].chunks_exact_mut(4) {
            word.copy_from_slice(&4_u32.to_be_bytes());
        }
        self
    }

    /// Renames every node, or text, of exactly that name.
    fn rename(mut self, old: &str, new: &str) -> Self {
        assert_eq!(old.len(), new.len());
        let wanted = format!("{old}\0").into_bytes();
        let found: Vec<_> = (0..self.0.len())
            .filter(|at| self.0[*at..].starts_with(&wanted))
            .collect();
        assert!(!found.is_empty(), "no {old}");
        for at in found {
            self.0[at..at + new.len()].copy_from_slice(new.as_bytes());
        }
        self
    }

    fn error(&self) -> TreeError {
        MachineInfo::from_fdt(&self.0).expect_err("a refusal")
    }
}

fn one() -> Edit {
    Edit::new(ONE_CHIP)
}

fn two() -> Edit {
    Edit::new(TWO_CHIPS)
}

#[test]
fn absurd_processors_are_refused() {
    let absurd = |node, property, value| TreeError::Absurd {
        node,
        property,
        value,
    };
    let cases = [
        (one().rename("cpus", "cpuz"), TreeError::NoNode("/cpus")),
        (
            one().rename("cpu", "cpv"),
            TreeError::NoNode("usable processor"),
        ),
        (
            one().rename("okay", "fail"),
            TreeError::NoNode("usable processor"),
        ),
        (
            one().cells("timebase-frequency", &[512_000_000], &[0]),
            absurd("cpu", "timebase-frequency", 0),
        ),
        (
            one().cells("clock-frequency", &[1_000_000_000], &[0]),
            absurd("cpu", "clock-frequency", 0),
        ),
        (
            one().cells("ibm,slb-size", &[32], &[4097]),
            absurd("cpu", "ibm,slb-size", 4097),
        ),
        (
            one().cells("d-cache-line-size", &[128], &[129]),
            absurd("cpu", "d-cache-line-size", 129),
        ),
        (
            one().cells("ibm,pir", &[16], &[8]),
            absurd("cpu", "ibm,pir", 8),
        ),
        (
            one().cells("ibm,ppc-interrupt-server#s", &[16], &[8192]),
            absurd("cpu", "ibm,ppc-interrupt-server#s", 8192),
        ),
        (
            one()
                .cells("ibm,ppc-interrupt-server#s", &[16], &[8])
                .cells("ibm,pir", &[16], &[8]),
            TreeError::Duplicate {
                what: "processor",
                value: 8,
            },
        ),
        (
            two().cells("ibm,ppc-interrupt-server#s", &[0x90, 0x91], &[0x90, 0x90]),
            TreeError::Duplicate {
                what: "processor",
                value: 0x90,
            },
        ),
        (
            one().cells("cpu-version", &[0x4d_0200], &[0x4d_0100]),
            TreeError::Processor { pvr: 0x4d_0200 },
        ),
        (
            one().cells("cpu-version", &[0x4d_0200], &[0x80_0200]),
            TreeError::Processor { pvr: 0x80_0200 },
        ),
        (
            two().cells("ibm,chip-id", &[1], &[2]),
            absurd("cpu or memory", "ibm,chip-id", 2),
        ),
        (
            one().without("ibm,slb-size", &[0, 0, 0, 32]),
            TreeError::Missing {
                node: "cpu",
                property: "ibm,slb-size",
            },
        ),
    ];
    for (edit, expected) in cases {
        assert_eq!(edit.error(), expected);
    }
}

#[test]
fn lists_that_do_not_add_up_are_refused() {
    let malformed = |property| TreeError::Malformed {
        node: "cpu",
        property,
    };
    let machine = MachineInfo::from_fdt(ONE_CHIP).unwrap().cpu;
    let mut pages = machine.segment_page_sizes.to_vec();
    pages[95] = 2;
    let edit = one().value("ibm,segment-page-sizes", machine.segment_page_sizes, &pages);
    assert_eq!(edit.error(), malformed("ibm,segment-page-sizes"));
    pages[8..12].fill(0xff);
    let edit = one().value("ibm,segment-page-sizes", machine.segment_page_sizes, &pages);
    assert_eq!(edit.error(), malformed("ibm,segment-page-sizes"));
    let mut features = machine.pa_features.to_vec();
    features[0] += 1;
    let edit = one().value("ibm,pa-features", machine.pa_features, &features);
    assert_eq!(edit.error(), malformed("ibm,pa-features"));
    let edit = one().value("ibm,slb-size", &[0, 0, 0, 32], &[32]);
    assert_eq!(edit.error(), malformed("ibm,slb-size"));
}

#[test]
fn absurd_memory_is_refused() {
    let all = [0, 0, 0, 0x8000_0000];
    let absurd = |value| TreeError::Absurd {
        node: "memory",
        property: "reg",
        value,
    };
    let overlap = |what, first, second| TreeError::Overlap {
        what,
        first,
        second,
    };
    let cases = [
        (
            one().rename("memory", "memorx"),
            TreeError::NoNode("memory"),
        ),
        (one().cells("reg", &all, &[0, 0, 0, 0]), absurd(0)),
        (one().cells("reg", &all, &[0, 0, 0, 0x8000_0001]), absurd(0)),
        (
            one().cells("reg", &all, &[0, 0x1_0000, 0, 0x8000_0000]),
            TreeError::NoNode("memory at address 0"),
        ),
        (
            one().cells("reg", &all, &[u32::MAX, 0xffff_0000, 0, 0x2_0000]),
            absurd(u64::MAX << 16),
        ),
        (
            one().cells("reg", &all, &[0, 0, 4 << 16, 0x1_0000]),
            absurd(0),
        ),
        (
            one().cells("reg", &all, &[0, 0, 0x3_ffff, 0]),
            overlap("memory and registers", 0, 0x3_fc00_0000_0000),
        ),
        (
            two().cells(
                "reg",
                &[0, 0x8000_0000, 0, 0x8000_0000],
                &[0, 0x7fff_0000, 0, 0x8000_0000],
            ),
            overlap("memory", 0, 0x7fff_0000),
        ),
    ];
    for (edit, expected) in cases {
        assert_eq!(edit.error(), expected);
    }
}

#[test]
fn absurd_chips_are_refused() {
    let absurd = |node, property, value| TreeError::Absurd {
        node,
        property,
        value,
    };
    let xscom = [0x3_fc00, 0, 8, 0];
    let icp = [0x3_ffff, 0x8000_8000, 0, 0x1000];
    let cases = [
        (
            one()
                .rename("ibm,xscom", "ibm,xscon")
                .rename("ibm,power8-xscom", "ibm,power8-xscon"),
            { TreeError::NoNode("XSCOM of a POWER8 chip") },
        ),
        (
            one().cells("reg", &xscom, &[0x3_fc00, 1, 8, 0]),
            absurd("xscom", "reg", 0x3_fc00_0000_0001),
        ),
        (
            one().cells("reg", &xscom, &[0x3_fc00, 0, 0, 0x1000]),
            absurd("pbcq", "reg", 0x201_2400),
        ),
        (two().cells("reg", &[0x3_fc08, 0, 8, 0], &xscom), {
            TreeError::Overlap {
                what: "XSCOM windows",
                first: 0x3_fc00_0000_0000,
                second: 0x3_fc00_0000_0000,
            }
        }),
        (
            one().cells("ibm,phb-index", &[1], &[0]),
            TreeError::Duplicate {
                what: "host bridge",
                value: 0,
            },
        ),
        (
            one().cells("ibm,phb-index", &[1], &[4]),
            absurd("pbcq", "ibm,phb-index", 4),
        ),
        (
            one().cells("reg", &[1, 0x3f8, 8], &[1, 0x3f8, 1]),
            absurd("uart", "reg", 0x3f8),
        ),
        (
            one().cells("reg", &[1, 0x70, 2], &[1, 0xffff, 2]),
            absurd("rtc", "reg", 0xffff),
        ),
        (
            one().cells("reg", &[1, 0xe4, 3], &[1, 0xe4, u32::MAX]),
            absurd("ipmi-bt", "reg", 0xe4),
        ),
        (
            one().cells("reg", &icp, &[0x3_ffff, 0x8000_8800, 0, 0x1000]),
            { absurd("interrupt presentation", "reg", 0x3_ffff_8000_8800) },
        ),
        (
            one().cells("ibm,interrupt-server-ranges", &[16, 1], &[8, 1]),
            {
                TreeError::Duplicate {
                    what: "interrupt presentation of",
                    value: 8,
                }
            },
        ),
        (
            one().cells("ibm,interrupt-server-ranges", &[16, 1], &[17, 1]),
            { TreeError::NoNode("interrupt presentation for a thread") },
        ),
        (
            one().cells("ibm,interrupt-server-ranges", &[16, 1], &[16, u32::MAX]),
            { absurd("interrupt presentation", "ibm,interrupt-server-ranges", 16) },
        ),
        (
            one().cells("ibm,interrupt-server-ranges", &[16, 1], &[16, 2]),
            {
                TreeError::Malformed {
                    node: "interrupt presentation",
                    property: "reg",
                }
            },
        ),
        (
            one().cells("#address-cells", &[2], &[3]),
            absurd("root node", "#address-cells", 3),
        ),
    ];
    for (edit, expected) in cases {
        assert_eq!(edit.error(), expected);
    }
}

#[test]
fn absurd_images_are_refused() {
    const START: &str = "linux,initrd-start";
    const END: &str = "linux,initrd-end";
    let (start, end) = (0x2800_0000, 0x2800_0000 + 100_000);
    let absurd = |value| TreeError::Absurd {
        node: "chosen",
        property: START,
        value,
    };
    assert_eq!(
        one().cells(END, &[end], &[start]).error(),
        absurd(start.into())
    );
    assert_eq!(one().cells(END, &[end], &[1]).error(), absurd(start.into()));
    assert_eq!(
        one().cells(END, &[end], &[0x8000_0001]).error(),
        absurd(start.into())
    );
    let missing = |property| TreeError::Missing {
        node: "chosen",
        property,
    };
    assert_eq!(one().without(END, &end.to_be_bytes()).error(), missing(END));
    assert_eq!(
        one().without(START, &start.to_be_bytes()).error(),
        missing(START)
    );
}

#[test]
fn every_truncation_is_refused() {
    for blob in [ONE_CHIP, TWO_CHIPS, POWER9] {
        for length in 0..blob.len() {
            assert_eq!(
                MachineInfo::from_fdt(&blob[..length]),
                Err(TreeError::Blob(BlobError::Truncated))
            );
        }
    }
}

#[test]
fn no_single_fault_makes_it_panic() {
    let mut blob = ONE_CHIP.to_vec();
    for at in 0..blob.len() {
        for fault in [1 << (at * 5 % 8), 0xff] {
            blob[at] ^= fault;
            drop(MachineInfo::from_fdt(&blob));
            blob[at] ^= fault;
        }
    }
    assert_eq!(blob, ONE_CHIP);
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic(
        pick in 0..3_usize,
        words in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u32>(), 0..16_u32]), 1..20),
    ) {
        let mut blob = [ONE_CHIP, TWO_CHIPS, POWER9][pick].to_vec();
        for (at, word) in words {
            let at = at.index(blob.len() / 4) * 4;
            blob[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
        match MachineInfo::from_fdt(&blob) {
            Ok(machine) => prop_assert!(machine.threads().count() > 0 && machine.memory_bytes() > 0),
            Err(error) => prop_assert_ne!(error, TreeError::Blob(BlobError::Reader)),
        }
    }

    #[test]
    fn noise_behind_a_good_header_does_not_make_it_panic(
        noise in proptest::collection::vec(prop_oneof![0..10_u32, any::<u32>()], 4..200),
    ) {
        let structure = noise.len() * 4;
        let header = [0xd00d_feed, 56 + structure as u32 + 4, 56, 56 + structure as u32, 40, 17, 16, 0, 4, structure as u32];
        let mut blob: Vec<u8> = header.into_iter().chain([0; 4]).chain(noise).flat_map(u32::to_be_bytes).collect();
        blob.extend(b"reg\0");
        prop_assert!(MachineInfo::from_fdt(&blob).is_err());
    }
}
