//! What the monitor is told of the machine: [`Facts`].

use crate::command::Problem;
use core::fmt;
use ioda::{Freeze, PeNumber};
use map_dump::Record;
use trace::{Kind, TraceRing};

/// What a partition does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionState {
    /// It is being loaded.
    Starting,
    /// Its processors may run.
    Running,
    /// They run; it is asked to shut itself down, and has not taken notice.
    Asked,
    /// They run; it has taken notice that it is to shut itself down.
    Told,
    /// They are to stop, or have, and what it set up is taken back.
    Ending,
    /// None of them runs.
    Off,
}

/// A partition.
#[derive(Clone, Copy, Debug)]
pub struct Partition<'a> {
    /// Its logical partition id.
    pub lpid: u32,
    /// Its name.
    pub name: &'a str,
    /// What it does.
    pub state: PartitionState,
    /// Where its memory begins, real.
    pub memory_at: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of it that are reached without translation.
    pub real_mode_bytes: u64,
    /// Bytes of its page table.
    pub hpt_bytes: u64,
    /// How many processors it has.
    pub cpus: u32,
    /// What it has of the threads that its processors share with others; `None` when each has a thread to itself.
    pub share: Option<Share>,
    /// Requests of its that were refused.
    pub refusals: u32,
    /// Bytes that its console has printed, and that wait to be shown; `None` without a console.
    pub console: Option<(u64, usize)>,
}

/// What a partition has of the threads that it shares.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// What it is entitled to, hundredths of a processor.
    pub entitlement: u32,
    /// Its weight among those who want what is left over; 0 when it is capped.
    pub weight: u8,
}

/// What a virtual processor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessorState {
    /// It waits for start-cpu.
    Stopped,
    /// It is on its way to there.
    Stopping,
    /// It runs.
    Running,
    /// It waits for an interrupt or a prod.
    Ceded,
}

/// A virtual processor.
#[derive(Clone, Copy, Debug)]
pub struct Processor {
    /// Its number in its partition.
    pub server: u32,
    /// The physical thread that it has to itself, by its processor identification.
    pub pir: Option<u32>,
    /// What it does.
    pub state: ProcessorState,
}

/// Registers of a virtual processor, as they are while it does not run.
#[derive(Clone, Debug)]
pub struct Registers {
    /// r0 to r31.
    pub gpr: [u64; 32],
    /// The next instruction.
    pub pc: u64,
    /// Machine state.
    pub msr: u64,
    /// Link.
    pub lr: u64,
    /// Count.
    pub ctr: u64,
    /// Condition, in the low 32 bits.
    pub cr: u64,
    /// Fixed-point exception.
    pub xer: u64,
    /// Where the last interrupt came from, and the machine state there.
    pub srr: [u64; 2],
    /// Data address of the last storage interrupt.
    pub dar: u64,
    /// What that was.
    pub dsisr: u64,
}

/// What a partition is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// To be off, at once.
    Stop,
    /// To shut itself down, in its own time.
    ShutDown,
    /// To begin, being off.
    Start,
    /// To begin anew, whether it runs or is off.
    Restart,
}

/// What an endpoint is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeChange {
    /// To stop, as by an error.
    Freeze,
    /// To go on, all of it.
    Thaw,
}

/// An interrupt source of a partition.
#[derive(Clone, Copy, Debug)]
pub struct Interrupt {
    /// The machine's number.
    pub number: u32,
    /// Whether it is a level; else a message.
    pub level: bool,
    /// The virtual processor that it is sent to.
    pub server: u32,
    /// With what priority; 0xff is never.
    pub priority: u8,
    /// Whether it is on.
    pub on: bool,
}

/// A DMA window of a partition.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Its number towards the partition.
    pub liobn: u32,
    /// Its first bus address.
    pub first: u64,
    /// Its bytes.
    pub bytes: u64,
    /// log2 of a page's bytes.
    pub page_shift: u8,
}

/// An entry of a DMA window that permits something.
#[derive(Clone, Copy, Debug)]
pub struct Tce {
    /// The bus address that it translates.
    pub bus: u64,
    /// The entry: real page, and in bits 62 and 63 what is permitted.
    pub entry: u64,
}

/// The machine's memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// The hypervisor's own: image, tables, rings.
    pub own: u64,
    /// Lent to partitions.
    pub lent: u64,
    /// Neither.
    pub free: u64,
    /// Used of the heap.
    pub heap: u64,
}

/// An endpoint by its bridge and number, written `0:1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeName {
    /// The bridge's index in locations.
    pub phb: u8,
    /// The endpoint.
    pub pe: PeNumber,
}

impl PeName {
    /// Reads one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (phb, pe) = text.split_once(':')?;
        Some(Self {
            phb: phb.parse().ok()?,
            pe: PeNumber(pe.parse().ok()?),
        })
    }
}

impl fmt::Display for PeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phb, pe } = self;
        // As one word, so that columns can be aligned.
        let mut text = [0; 12];
        let mut left = &mut text[..];
        let _ = write_to(&mut left, format_args!("{phb}:{}", pe.0));
        let used = 12usize.saturating_sub(left.len());
        let text = text.get(..used).unwrap_or_default();
        f.pad(core::str::from_utf8(text).unwrap_or_default())
    }
}

/// Formats into `left`, which becomes what is left of it.
fn write_to(left: &mut &mut [u8], text: fmt::Arguments<'_>) -> fmt::Result {
    struct Bytes<'a, 'b>(&'a mut &'b mut [u8]);
    impl fmt::Write for Bytes<'_, '_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let (to, rest) = core::mem::take(self.0)
                .split_at_mut_checked(text.len())
                .ok_or(fmt::Error)?;
            to.copy_from_slice(text.as_bytes());
            *self.0 = rest;
            Ok(())
        }
    }
    fmt::Write::write_fmt(&mut Bytes(left), text)
}

/// What the machine tells of itself, and can be asked to do. Everything may change between two calls; nothing waits for a device or a guest.
pub trait Facts {
    /// Gives each partition, by rising id.
    fn partitions(&self, each: &mut dyn FnMut(&Partition<'_>));
    /// Gives each processor of partition `lpid`.
    fn processors(&self, lpid: u32, each: &mut dyn FnMut(&Processor));
    /// Gives each processor of partition `lpid`, by its server number, with its registers; `None` while it runs.
    fn registers(&self, lpid: u32, each: &mut dyn FnMut(u32, Option<&Registers>));
    /// Returns the doubleword at real address `at` of partition `lpid`, a multiple of 8, if that has memory there.
    fn doubleword(&self, lpid: u32, at: u64) -> Option<u64>;
    /// Has partition `lpid` change, which takes a while; the log tells of it.
    ///
    /// # Errors
    /// [`Problem::NoPartition`], [`Problem::Off`], [`Problem::Running`], [`Problem::Between`].
    fn change(&self, lpid: u32, change: Change) -> Result<(), Problem>;
    /// Has the endpoint `name` change.
    ///
    /// # Errors
    /// [`Problem::NoOwner`], [`Problem::InReset`], [`Problem::Failed`].
    fn change_pe(&self, name: PeName, change: PeChange) -> Result<(), Problem>;
    /// Has endpoint `name` go to partition `lpid`, which takes a while; the log tells of it.
    ///
    /// # Errors
    /// [`Problem::NoOwner`], [`Problem::NoPartition`], [`Problem::Same`], [`Problem::NotOff`], [`Problem::Moving`],
    /// [`Problem::NoReset`], [`Problem::NoRoom`].
    fn move_pe(&self, name: PeName, lpid: u32) -> Result<(), Problem>;
    /// Gives each interrupt source of partition `lpid`, by rising number.
    fn interrupts(&self, lpid: u32, each: &mut dyn FnMut(&Interrupt));
    /// Gives each DMA window of partition `lpid`.
    fn windows(&self, lpid: u32, each: &mut dyn FnMut(&Window));
    /// Gives each entry of window `liobn` of partition `lpid` that permits something, by rising bus address.
    fn tces(&self, lpid: u32, liobn: u32, each: &mut dyn FnMut(&Tce));
    /// Gives who owns what of every bridge, as the records of a map, without the first and the last. Not to be asked
    /// for again meanwhile.
    fn map(&self, each: &mut dyn FnMut(&Record<'_>));
    /// Returns the endpoint of the function at `location`, if that has an owner.
    fn pe_at(&self, location: &str) -> Option<PeName>;
    /// Returns what of `pe` is stopped; `None` if there is no such endpoint.
    fn freeze(&self, pe: PeName) -> Option<Freeze>;
    /// Returns how the memory is used.
    fn memory(&self) -> Memory;
    /// Gives the last `count` lines of the log, the oldest first.
    fn log(&self, count: usize, each: &mut dyn FnMut(&str));
    /// Returns the trace of each CPU, and keeps it as it is for a second.
    fn trace(&self) -> &[TraceRing<'_>];
    /// Lets the trace go on before that.
    fn release_trace(&self);
    /// Says whether all hcalls are traced.
    fn trace_hcalls(&self, on: bool);
    /// Returns the name of the call that an event of `kind` with `code` is about.
    fn call_name(&self, kind: Kind, code: u32) -> Option<&'static str>;
    /// Returns the ticks of the time base in a second.
    fn timebase_hz(&self) -> u64;
}
