//! Processors out of the device tree: [`Core`], [`Thread`] and what they have in common, [`CpuModel`].

use arrayvec::ArrayVec;

use crate::error::TreeError;
use crate::node::{CellSizes, Node};

/// Cores kept account of: four sockets of twelve, and some.
pub(crate) const MAX_CORES: usize = 64;
/// Threads of a POWER8 core.
pub(crate) const MAX_THREADS: usize = 8;
/// A POWER8 PIR: six bits of chip, four of core, three of thread.
const MAX_PIR: u32 = (1 << 13) - 1;
/// Size in bytes, and alignment, of a thread's page of ICP registers.
const ICP_BYTES: u64 = 0x1000;
/// An IPI server number is at most 16 bits on every XICS.
const MAX_SERVER_RANGE: u32 = 1 << 16;

/// One hardware thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// Processor identification register, and on POWER8 also the interrupt server number.
    pub pir: u32,
    /// Real address of the page of registers of the thread's interrupt presentation controller, see [`crate::Icp`].
    pub icp: u64,
}

/// One core, whose threads share LPID, SDR1 and LPCR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    /// Number of the chip that the core is on.
    pub chip: u32,
    /// Its threads by rising PIR; at least one.
    pub threads: ArrayVec<Thread, MAX_THREADS>,
}

/// What all processors of the machine have in common, and what a partition's own tree says about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuModel<'t> {
    /// Processor version register.
    pub pvr: u32,
    /// Ticks of the timebase in a second.
    pub timebase_hz: u32,
    /// Cycles in a second.
    pub clock_hz: u32,
    /// Level 1 data cache, bytes.
    pub dcache_bytes: u32,
    /// Line of the level 1 data cache, bytes.
    pub dcache_line_bytes: u32,
    /// Level 1 instruction cache, bytes.
    pub icache_bytes: u32,
    /// Line of the level 1 instruction cache, bytes.
    pub icache_line_bytes: u32,
    /// `ibm,slb-size`: entries of the segment look-aside buffer.
    pub slb_entries: u32,
    /// `ibm,segment-page-sizes`, big-endian cells as found; its lists are known to be complete.
    pub segment_page_sizes: &'t [u8],
    /// `ibm,processor-segment-sizes`, big-endian cells as found.
    pub segment_sizes: &'t [u8],
    /// `ibm,pa-features`, bytes as found; its length byte is known to be right.
    pub pa_features: &'t [u8],
    /// `ibm,vmx`: 1 for VMX, 2 for VSX also; `None` for neither.
    pub vmx: Option<u32>,
    /// `ibm,dfp`: 1 for decimal floating point.
    pub dfp: Option<u32>,
    /// `ibm,purr`: whether the processor has a PURR.
    pub purr: bool,
}

impl<'t> CpuModel<'t> {
    fn read(cpu: &Node<'t>) -> Result<Self, TreeError> {
        let line = |property| match cpu.need_count(property)? {
            bytes if bytes.is_power_of_two() => Ok(bytes),
            bytes => Err(cpu.absurd(property, bytes.into())),
        };
        let pvr = cpu.need_cell("cpu-version")?;
        // POWER8E, POWER8NVL, POWER8. What others want from the firmware is not the same.
        if !matches!(pvr >> 16, 0x4b..=0x4d) {
            return Err(TreeError::Processor { pvr });
        }
        Ok(Self {
            pvr,
            timebase_hz: cpu.need_count("timebase-frequency")?,
            clock_hz: cpu.need_count("clock-frequency")?,
            dcache_bytes: cpu.need_count("d-cache-size")?,
            dcache_line_bytes: line("d-cache-line-size")?,
            icache_bytes: cpu.need_count("i-cache-size")?,
            icache_line_bytes: line("i-cache-line-size")?,
            slb_entries: match cpu.need_count("ibm,slb-size")? {
                entries @ ..=4096 => entries,
                entries => return Err(cpu.absurd("ibm,slb-size", entries.into())),
            },
            segment_page_sizes: segment_page_sizes(cpu)?,
            segment_sizes: cpu.raw_cells("ibm,processor-segment-sizes")?,
            pa_features: match cpu.need_raw("ibm,pa-features")? {
                all @ [length, _, features @ ..] if usize::from(*length) == features.len() => all,
                _ => return Err(cpu.malformed("ibm,pa-features")),
            },
            vmx: cpu.cell("ibm,vmx")?,
            dfp: cpu.cell("ibm,dfp")?,
            purr: cpu.raw("ibm,purr")?.is_some(),
        })
    }
}

/// Walks the lists of `ibm,segment-page-sizes`: page shift, SLB encoding, number of pairs, pairs (shift, encoding).
fn segment_page_sizes<'t>(cpu: &Node<'t>) -> Result<&'t [u8], TreeError> {
    const NAME: &str = "ibm,segment-page-sizes";
    let mut cells = cpu.cells(NAME)?;
    let mut lists = 0_u32;
    while let Some(_shift) = cells.next() {
        let (_encoding, pairs) = (cells.next(), cells.next());
        for _ in 0..pairs
            .filter(|pairs| *pairs > 0)
            .ok_or_else(|| cpu.malformed(NAME))?
        {
            let (_shift, encoding) = (cells.next(), cells.next());
            encoding.ok_or_else(|| cpu.malformed(NAME))?;
        }
        lists = lists.saturating_add(1);
    }
    if lists == 0 {
        Err(cpu.malformed(NAME))
    } else {
        cpu.need_raw(NAME)
    }
}

/// The usable cores below `cpus`, by rising PIR, with the ICP addresses still zero, and what they have in common.
pub(crate) fn read_cores<'t>(
    cpus: &Node<'t>,
) -> Result<(ArrayVec<Core, MAX_CORES>, CpuModel<'t>), TreeError> {
    let mut cores = ArrayVec::<Core, MAX_CORES>::new();
    let mut common = None;
    for node in cpus.children()? {
        let cpu = node?.called("cpu");
        if cpu.text("device_type")? != Some("cpu") || !cpu.usable()? {
            continue;
        }
        let model = CpuModel::read(&cpu)?;
        // A partition may run on any core, so they have to be alike.
        if *common.get_or_insert(model) != model {
            return Err(TreeError::Processor { pvr: model.pvr });
        }
        let core = read_core(&cpu)?;
        for thread in &core.threads {
            if cores
                .iter()
                .flat_map(|other| &other.threads)
                .any(|other| other.pir == thread.pir)
            {
                return Err(TreeError::Duplicate {
                    what: "processor",
                    value: thread.pir.into(),
                });
            }
        }
        cores
            .try_push(core)
            .map_err(|_| TreeError::TooMany("cores"))?;
    }
    cores.sort_unstable_by_key(|core| core.threads.first().map(|thread| thread.pir));
    Ok((cores, common.ok_or(TreeError::NoNode("usable processor"))?))
}

fn read_core(cpu: &Node<'_>) -> Result<Core, TreeError> {
    const SERVERS: &str = "ibm,ppc-interrupt-server#s";
    let pir = cpu.need_cell("ibm,pir")?;
    let mut threads = ArrayVec::<Thread, MAX_THREADS>::new();
    for server in cpu.cells(SERVERS)? {
        if server > MAX_PIR {
            return Err(cpu.absurd(SERVERS, server.into()));
        }
        if threads.iter().any(|thread| thread.pir == server) {
            return Err(TreeError::Duplicate {
                what: "processor",
                value: server.into(),
            });
        }
        let thread = Thread {
            pir: server,
            icp: 0,
        };
        threads
            .try_push(thread)
            .map_err(|_| TreeError::TooMany("threads in a core"))?;
    }
    threads.sort_unstable_by_key(|thread| thread.pir);
    // POWER8 has one number space for both, and the node bears the first thread's number.
    if threads.first().is_none_or(|first| first.pir != pir) {
        return Err(cpu.absurd("ibm,pir", pir.into()));
    }
    Ok(Core {
        chip: cpu.need_cell("ibm,chip-id")?,
        threads,
    })
}

/// Gives the threads their ICP addresses out of one interrupt presentation node.
pub(crate) fn read_icp(
    node: &Node<'_>,
    cells: CellSizes,
    cores: &mut ArrayVec<Core, MAX_CORES>,
) -> Result<(), TreeError> {
    const RANGES: &str = "ibm,interrupt-server-ranges";
    let mut pages = node.reg(cells)?;
    let mut ranges = node.cells(RANGES)?;
    while let Some(first) = ranges.next() {
        let count = ranges.next().ok_or_else(|| node.malformed(RANGES))?;
        let end = first
            .checked_add(count)
            .filter(|end| *end <= MAX_SERVER_RANGE);
        for server in first..end.ok_or_else(|| node.absurd(RANGES, first.into()))? {
            let (base, size) = pages.next().ok_or_else(|| node.malformed("reg"))??;
            if size < ICP_BYTES || !base.is_multiple_of(ICP_BYTES) || base == 0 {
                return Err(node.absurd("reg", base));
            }
            let mut threads = cores.iter_mut().flat_map(|core| &mut core.threads);
            match threads.find(|thread| thread.pir == server) {
                Some(thread) if thread.icp != 0 => {
                    return Err(TreeError::Duplicate {
                        what: "interrupt presentation of",
                        value: server.into(),
                    });
                }
                Some(thread) => thread.icp = base,
                // Of a core that is out of use.
                None => {}
            }
        }
    }
    Ok(())
}
