//! Partitions of every shape that the manifest and the machine can give them, to make device trees for.

use crate::bench::{LPID, Machine};
use crate::machine_tree::{Token, flatten};
use arbitrary::{Arbitrary, Result, Unstructured};
use fdt::Fdt;
use ioda::BeU64;
use lpar::dma::DmaWindows;
use lpar::hcall::cpu::CpuSecurity;
use lpar::hpt::Hpt;
use lpar::mmio::Mmio;
use lpar::pci::{BarSpace, Buid, PciBar, PciFunction, PciFunctionConfig, PciIds};
use lpar::tree::{self, BootFacts, CpuFacts, Layout};
use lpar::{GuestRam, Lpar, LparConfig, Processors, Vcpu};
use papr_abi::{Irq, Liobn, RealAddr, Server};
use std::collections::BTreeSet;

const RAM_BYTES: u64 = 2 << 20;

/// Makes the tree of the partition that `data` describes.
///
/// # Panics
/// When an invariant breaks: what is made is a whole tree that says what it was made from, and lies with RTAS and
/// ramdisk in memory, apart from each other and above the kernel.
pub fn target(data: &[u8]) {
    let _ = run(&mut Unstructured::new(data));
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let machine = Machine::of_this_thread();
    machine.reset();
    machine.break_parts(u.arbitrary()?);
    let cpu = CpuFacts::power8(u.arbitrary()?, u.arbitrary()?, u.arbitrary()?);
    let bootargs = text(u)?;
    let facts = BootFacts {
        bootargs: &bootargs,
        kernel_end: size(u)?,
        initrd_bytes: size(u)?,
        rma_bytes: size(u)?,
        cpu: &cpu,
    };
    let lpar = partition(u, machine)?;
    let Ok(layout) = tree::prepare(&lpar, &facts) else {
        return Ok(());
    };
    assert_placed(&facts, &layout);
    let mut bytes = vec![0; layout.fdt_bytes as usize];
    lpar.ram.read(layout.fdt, &mut bytes).expect("inside");
    assert_reads(&lpar, &facts, &bytes);
    Ok(())
}

/// A size: often near memory's, never of a kind that a file could not have.
fn size(u: &mut Unstructured<'_>) -> Result<u64> {
    let choice = u8::arbitrary(u)?;
    Ok(match choice % 4 {
        0 => u64::from(u32::arbitrary(u)?),
        1 => u64::arbitrary(u)?,
        2 => RAM_BYTES,
        _ => u64::from(u16::arbitrary(u)?) << 5,
    })
}

/// Any text.
fn text(u: &mut Unstructured<'_>) -> Result<String> {
    let length = u8::arbitrary(u)?;
    let bytes = (0..length).map(|_| u8::arbitrary(u));
    let bytes = bytes.collect::<Result<Vec<u8>>>()?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn partition(u: &mut Unstructured<'_>, machine: &'static Machine) -> Result<Lpar> {
    thread_local! {
        static MEMORY: [&'static [BeU64]; 2] = [RAM_BYTES, Hpt::MIN_BYTES]
            .map(|bytes| &*Vec::leak((0..bytes / 8).map(|_| BeU64::new(0)).collect()));
    }
    let [ram, hpt] = MEMORY.with(|memory| *memory);
    let vcpus = match u8::arbitrary(u)? {
        choice @ 0..=254 => u32::from(choice % 17),
        // As many as there is room for in most layouts; more only take more time.
        _ => 256,
    };
    let functions = u8::arbitrary(u)? % 5;
    let functions = (0..functions).map(|_| function(u)).collect::<Result<_>>()?;
    Ok(Lpar::new(LparConfig {
        name: text(u)?,
        lpid: LPID,
        ram: GuestRam::new(ram, RealAddr(u64::from(u8::arbitrary(u)?) << 16)),
        hpt: Hpt::new(hpt).expect("the constant is right"),
        mmio: Mmio::default(),
        dma: DmaWindows::default(),
        vcpus: (0..vcpus).map(|n| Vcpu::new(Server(n), n)).collect(),
        processors: Processors::Dedicated,
        terminal: machine,
        machine: machine.as_traits(),
        pci: functions,
        ethernet: Vec::new(),
        nvram_bytes: 0,
        security: CpuSecurity::CAUTIOUS,
        after_crash: Default::default(),
    }))
}

fn function(u: &mut Unstructured<'_>) -> Result<PciFunction> {
    let bars = u8::arbitrary(u)? % 7;
    let bars = (0..bars)
        .map(|index| bar(u, index))
        .collect::<Result<_>>()?;
    let [vendor, device, subsystem_vendor, subsystem] = u.arbitrary()?;
    let has_lsi = bool::arbitrary(u)?;
    let lsi = Irq(u.arbitrary()?);
    let machine = Machine::of_this_thread();
    let access = machine.functions().swap_remove(0);
    Ok(PciFunction::new(PciFunctionConfig {
        buid: Buid(u.arbitrary()?),
        location: text(u)?,
        ids: PciIds {
            vendor,
            device,
            class: u.arbitrary()?,
            revision: u.arbitrary()?,
            subsystem_vendor,
            subsystem,
        },
        bars,
        lsi: has_lsi.then_some(lsi),
        first_msi: Irq(u.arbitrary()?),
        // Few enough for `Lpar::new` to keep account of.
        reserved_msis: u32::from(u16::arbitrary(u)? % 512),
        msi_capability: u.arbitrary()?,
        msix_capability: u.arbitrary()?,
        liobn: Liobn(u.arbitrary()?),
        window_start: u.arbitrary()?,
        window_bytes: u.arbitrary()?,
        access: access.access,
        recovery: None,
    }))
}

fn bar(u: &mut Unstructured<'_>, index: u8) -> Result<PciBar> {
    let [wide, prefetchable, alike]: [bool; 3] = u.arbitrary()?;
    let bus = u.arbitrary()?;
    Ok(PciBar {
        index,
        bus,
        real: RealAddr(if alike { bus } else { u.arbitrary()? }),
        bytes: u.arbitrary()?,
        space: if wide {
            BarSpace::Memory64
        } else {
            BarSpace::Memory32
        },
        prefetchable,
    })
}

fn assert_placed(facts: &BootFacts<'_>, layout: &Layout) {
    let mut ranges = vec![
        layout.rtas.0..layout.rtas.0 + 4096,
        layout.fdt.0..layout.fdt.0 + layout.fdt_bytes,
    ];
    ranges.extend(layout.initrd.clone());
    ranges.sort_by_key(|range| range.start);
    let mut end = facts.kernel_end;
    for range in ranges {
        assert!(range.start >= end && range.start < range.end, "{layout:x?}");
        end = range.end;
    }
    assert!(end <= RAM_BYTES.min(facts.rma_bytes), "{layout:x?}");
    let initrd = layout
        .initrd
        .as_ref()
        .map_or(0, |range| range.end - range.start);
    assert_eq!(initrd, facts.initrd_bytes);
}

fn assert_reads(lpar: &Lpar, facts: &BootFacts<'_>, bytes: &[u8]) {
    let tokens = flatten(bytes).expect("a whole tree");
    let mut names = vec![];
    let mut nodes = 0;
    for token in &tokens {
        match token {
            Token::Begin(_) => {
                nodes += 1;
                names.push(BTreeSet::new());
            }
            Token::Property(name, _) => {
                let new = names.last_mut().is_some_and(|names| names.insert(name));
                assert!(new, "twice: {:?}", String::from_utf8_lossy(name));
            }
            Token::End => assert!(names.pop().is_some()),
        }
    }
    // One for each processor, two for each function, and some that every partition has.
    assert!(nodes >= lpar.vcpus.len() + 2 * lpar.pci.len() + 5);
    let read = Fdt::new_unaligned(bytes).expect("a tree");
    let property = |path: &str, name: &str| {
        let node = read.find_node(path).expect("there");
        node.raw_property(name).map(|found| found.value.to_vec())
    };
    let ended = |text: &str| Some([text.as_bytes(), b"\0"].concat());
    assert_eq!(property("/chosen", "bootargs"), ended(facts.bootargs));
    assert_eq!(property("/", "ibm,partition-name"), ended(&lpar.name));
    assert_eq!(
        property("/chosen", "linux,initrd-start").is_some(),
        facts.initrd_bytes > 0
    );
}
