//! The operator's side: the monitor, between its rings, and what it is told of the machine. The crate `monitor` decides.
//!
//! It runs on whichever thread moves the console's bytes; one at a time. Lock order: `MONITOR` → what a fact needs (a
//! bridge, who owns what) → its rings.

use crate::clock::CLOCK;
use crate::partition::handover;
use crate::partition::{self, Partition, find as partition};
use crate::{console, devices, errors, program, stop, thread, trace};
use ::console::{Ring, View};
use ::trace::{Kind, TraceRing};
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use ioda::{Freeze, Ioda};
use lock::Mutex;
use lpar::eeh::EehError;
use lpar::machine::Clock;
use lpar::xics::Trigger;
use lpar::{End, Processors, Shutdown, Stage, Vcpu, VcpuState};
use map_dump::Record;
use monitor::{
    Action, Change, Facts, Interrupt, Memory, Monitor, OUTPUT_BYTES, PartitionState, PeChange,
    PeName, Problem, Processor, ProcessorState, Registers, Share, Tce, Window,
};
use papr_abi::{GuestRealAddr, Liobn};

/// Bytes that may be typed ahead.
const INPUT: usize = 256;
/// Bytes of answers that may wait: more than one can have.
const OUTPUT: usize = 16 * 1024;
const _: () = assert!(OUTPUT_BYTES < OUTPUT);

static MONITOR: Mutex<Monitor> = Mutex::new(Monitor::new());
static TYPED: Mutex<Ring<[u8; INPUT]>> = Mutex::new(Ring::new([0; INPUT], 0));
static ANSWERS: Mutex<Ring<[u8; OUTPUT]>> = Mutex::new(Ring::new([0; OUTPUT], 0));
/// Whether there is something to do; whether it is to begin; whether its line was broken.
static CALLED: AtomicBool = AtomicBool::new(false);
static ENTERED: AtomicBool = AtomicBool::new(false);
static BROKEN: AtomicBool = AtomicBool::new(false);

/// Takes what was typed to the monitor.
pub(crate) fn typed(byte: u8) {
    TYPED.lock().put(&[byte]);
    CALLED.store(true, Relaxed);
}

/// Begins: what was typed or answered before is gone.
pub(crate) fn enter() {
    TYPED.lock().discard(usize::MAX);
    ANSWERS.lock().discard(usize::MAX);
    ENTERED.store(true, Relaxed);
    CALLED.store(true, Relaxed);
}

/// Has the line shown again that is being typed.
pub(crate) fn broken() {
    BROKEN.store(true, Relaxed);
    CALLED.store(true, Relaxed);
}

/// Takes the locks that moving the console's bytes needs from whoever holds them: the machine is stopping.
pub(crate) fn seize() {
    stop::break_lock(&TYPED);
    stop::break_lock(&ANSWERS);
}

/// Takes answers.
pub(crate) fn output(to: &mut [u8]) -> usize {
    ANSWERS.lock().take(to)
}

/// Returns whether there are answers to take, or one is being written.
pub(crate) fn is_busy() -> bool {
    MONITOR.is_locked() || ANSWERS.lock().pending() > 0
}

/// Does what was typed, as far as there is room for the answers. Returns whether there is more to do.
#[inline]
pub(crate) fn work() -> bool {
    // Both, whatever the first returns.
    program::work() | (CALLED.load(Relaxed) && answer())
}

#[inline(never)]
fn answer() -> bool {
    let Some(mut monitor) = MONITOR.try_lock() else {
        return false;
    };
    CALLED.store(false, Relaxed);
    let mut busy = false;
    let mut action = None;
    while action.is_none() {
        if ANSWERS.lock().room() < OUTPUT_BYTES {
            CALLED.store(true, Relaxed);
            return true;
        }
        let mut byte = [0];
        if ENTERED.swap(false, Relaxed) {
            BROKEN.store(false, Relaxed);
            monitor.enter(&mut Answers);
        } else if BROKEN.swap(false, Relaxed) {
            monitor.redraw(&mut Answers);
        } else if monitor.is_dumping() {
            monitor.dump(&Machine, &mut Answers);
        } else if TYPED.lock().take(&mut byte) > 0 {
            let [byte] = byte;
            action = monitor.take(byte, &Machine, &mut Answers);
        } else {
            return busy;
        }
        busy = true;
    }
    drop(monitor);
    match action {
        Some(Action::Attach(lpid)) => console::attach(lpid),
        Some(Action::AllConsoles) => console::show(View::All),
        None => {}
    }
    true
}

struct Answers;

impl fmt::Write for Answers {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let count = ANSWERS.lock().put(text.as_bytes());
        if count == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

/// What the monitor is told.
struct Machine;

pub(crate) fn state(partition: &Partition) -> PartitionState {
    match partition.life.stage() {
        Stage::Preparing => PartitionState::Starting,
        Stage::Running => match partition.lpar.shutdown() {
            Shutdown::Unasked => PartitionState::Running,
            Shutdown::Asked => PartitionState::Asked,
            Shutdown::Told => PartitionState::Told,
        },
        Stage::Ending => PartitionState::Ending,
        Stage::Off | Stage::Held => PartitionState::Off,
    }
}

/// The registers of a virtual processor, unless it is in its guest.
fn registers(vcpu: &Vcpu) -> Option<Registers> {
    let thread = thread::of(vcpu)?;
    let context = thread.context.try_lock()?;
    let (regs, sprs) = (&context.regs, &context.sprs);
    Some(Registers {
        gpr: regs.gpr,
        pc: regs.pc,
        msr: regs.msr,
        lr: regs.lr,
        ctr: regs.ctr,
        cr: regs.cr,
        xer: regs.xer,
        srr: [sprs.srr0, sprs.srr1],
        dar: sprs.dar,
        dsisr: sprs.dsisr,
    })
}

fn share(partition: &Partition) -> Option<Share> {
    match partition.lpar.processors {
        Processors::Dedicated => None,
        Processors::Shared(share) => Some(Share {
            entitlement: share.entitlement,
            weight: share.weight,
        }),
    }
}

impl Facts for Machine {
    fn partitions(&self, each: &mut dyn FnMut(&monitor::Partition<'_>)) {
        for partition in partition::all() {
            let lpar = &partition.lpar;
            each(&monitor::Partition {
                lpid: lpar.lpid,
                name: &lpar.name,
                state: state(partition),
                memory_at: lpar.ram.base().0,
                memory_bytes: lpar.ram.bytes(),
                real_mode_bytes: partition.real_mode_bytes(),
                hpt_bytes: 1u64.checked_shl(lpar.hpt.log2_bytes()).unwrap_or(0),
                cpus: lpar.vcpus.len() as u32,
                share: share(partition),
                refusals: lpar.refusals(),
                console: console::of(lpar.lpid).map(console::Console::usage),
            });
        }
    }

    fn processors(&self, lpid: u32, each: &mut dyn FnMut(&Processor)) {
        let Some(partition) = partition(lpid) else {
            return;
        };
        let shared = share(partition).is_some();
        for vcpu in &partition.lpar.vcpus {
            let state = match vcpu.state() {
                VcpuState::Stopped => ProcessorState::Stopped,
                VcpuState::Stopping => ProcessorState::Stopping,
                VcpuState::Running if vcpu.ceded.load(SeqCst) => ProcessorState::Ceded,
                VcpuState::Running => ProcessorState::Running,
            };
            each(&Processor {
                server: vcpu.server.0,
                pir: (!shared).then_some(vcpu.pir),
                state,
            });
        }
    }

    fn registers(&self, lpid: u32, each: &mut dyn FnMut(u32, Option<&Registers>)) {
        let vcpus = partition(lpid).into_iter().flat_map(|of| &of.lpar.vcpus);
        for vcpu in vcpus {
            each(vcpu.server.0, registers(vcpu).as_ref());
        }
    }

    fn doubleword(&self, lpid: u32, at: u64) -> Option<u64> {
        let ram = &partition(lpid)?.lpar.ram;
        ram.load(GuestRealAddr(at), 8).ok()
    }

    fn change(&self, lpid: u32, change: Change) -> Result<(), Problem> {
        let partition = partition(lpid).ok_or(Problem::NoPartition)?;
        let done = match change {
            Change::Stop => partition.end(End::Stop, None),
            Change::ShutDown => partition.ask_to_shut_down(),
            Change::Start => partition.start(),
            Change::Restart => match partition.end(End::Restart, None) {
                Err(Stage::Off) => partition.start(),
                done => done,
            },
        };
        done.map_err(|stage| match stage {
            Stage::Off => Problem::Off,
            Stage::Running => Problem::Running,
            Stage::Preparing | Stage::Ending | Stage::Held => Problem::Between,
        })
    }

    fn change_pe(&self, name: PeName, change: PeChange) -> Result<(), Problem> {
        let mut done = Err(Problem::NoOwner);
        errors::of_endpoint(name.phb, name.pe, &mut |owned| {
            // After one that failed the others stay as they are.
            if !matches!(done, Ok(()) | Err(Problem::NoOwner)) {
                return;
            }
            let changed = match change {
                PeChange::Freeze => owned.freeze(),
                PeChange::Thaw => owned.thaw(Freeze::all()),
            };
            done = changed.map_err(|error| match error {
                EehError::State | EehError::Later(_) => Problem::InReset,
                EehError::Unsupported | EehError::Hardware => Problem::Failed,
            });
        });
        done
    }

    fn move_pe(&self, name: PeName, lpid: u32) -> Result<(), Problem> {
        let mut found = None;
        errors::of_endpoint(name.phb, name.pe, &mut |owned| found = Some(owned));
        let owned = found.ok_or(Problem::NoOwner)?;
        let to = partition(lpid).ok_or(Problem::NoPartition)?;
        handover::order(owned, to)
    }

    fn interrupts(&self, lpid: u32, each: &mut dyn FnMut(&Interrupt)) {
        let _looking = handover::look();
        let Some(partition) = partition(lpid) else {
            return;
        };
        for (irq, trigger) in partition.lpar.xics.sources() {
            if let Ok(xive) = partition.lpar.xive(irq) {
                each(&Interrupt {
                    number: irq.0,
                    level: trigger == Trigger::Level,
                    server: xive.server.0,
                    priority: xive.priority,
                    on: xive.on,
                });
            }
        }
    }

    fn windows(&self, lpid: u32, each: &mut dyn FnMut(&Window)) {
        let _looking = handover::look();
        let windows = partition(lpid).into_iter();
        for window in windows.flat_map(|partition| partition.lpar.dma.iter()) {
            each(&Window {
                liobn: window.liobn().0,
                first: window.first().0,
                bytes: window.bytes(),
                page_shift: window.page_shift(),
            });
        }
    }

    fn tces(&self, lpid: u32, liobn: u32, each: &mut dyn FnMut(&Tce)) {
        let _looking = handover::look();
        let window = partition(lpid).and_then(|partition| partition.lpar.dma.find(Liobn(liobn)));
        for (bus, entry) in window.into_iter().flat_map(|window| window.mapped()) {
            each(&Tce { bus: bus.0, entry });
        }
    }

    fn map(&self, each: &mut dyn FnMut(&Record<'_>)) {
        devices::map(&mut |record| each(&record));
    }

    fn pe_at(&self, location: &str) -> Option<PeName> {
        let (phb, pe) = errors::find(location)?.endpoint();
        Some(PeName { phb, pe })
    }

    fn freeze(&self, name: PeName) -> Option<Freeze> {
        let bridge = devices::bridges()
            .iter()
            .find(|bridge| bridge.index == name.phb)?;
        let mut host = bridge.host.lock();
        let mut stopped = (name.pe.0 < host.caps().pes).then(|| host.freeze_state(name.pe))?;
        drop(host);
        // Owners' functions may be stopped in themselves, which not every bridge knows of.
        errors::of_endpoint(name.phb, name.pe, &mut |owned| stopped |= owned.stopped());
        Some(stopped)
    }

    fn memory(&self) -> Memory {
        partition::memory_use()
    }

    fn log(&self, count: usize, each: &mut dyn FnMut(&str)) {
        console::last_lines(count, each);
    }

    fn trace(&self) -> &[TraceRing<'_>] {
        trace::hold();
        trace::rings()
    }

    fn release_trace(&self) {
        trace::release();
    }

    fn trace_hcalls(&self, on: bool) {
        trace::set_hcalls(on);
    }

    fn call_name(&self, kind: Kind, code: u32) -> Option<&'static str> {
        match kind {
            Kind::Hcall | Kind::Refused => Some(lpar::hcall::find(code.into())?.row.name),
            Kind::Rtas => Some(lpar::rtas::find(code)?.row.name),
            _ => None,
        }
    }

    fn timebase_hz(&self) -> u64 {
        CLOCK.timebase_hz()
    }
}
