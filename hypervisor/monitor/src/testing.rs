//! A machine of two partitions, for tests.

use crate::command::{Problem, Request, Run, find};
use crate::facts::{
    Change, Facts, Interrupt, Memory, Partition, PartitionState, PeChange, PeName, Processor,
    ProcessorState, Registers, Share, Tce, Window,
};
use crate::page::DUMP_COLUMNS;
use crate::{COMMANDS, Page};
use core::cell::Cell;
use core::sync::atomic::AtomicU64;
use ioda::{Bdf, DmaModel, Freeze, M32Caps, M64Window, PeNumber, RidRule};
use map_dump::{FunctionRole, Generation, M64Owner, Owner, Record};
use pci::Place;
use trace::{Event, Kind, TraceRing};

pub(crate) struct Machine {
    /// What a partition was asked to do last.
    pub(crate) changed: Cell<Option<(u32, Change)>>,
    /// What the first partition does, if not run.
    pub(crate) state: Cell<Option<PartitionState>>,
    /// Which endpoint was to go to whom.
    pub(crate) moved: Cell<Option<(PeName, u32)>>,
    /// What an endpoint was.
    pub(crate) changed_pe: Cell<Option<(PeName, PeChange)>>,
    /// Whether hcalls are to be traced.
    pub(crate) hcalls: Cell<bool>,
    trace: [TraceRing<'static>; 2],
}

/// Two CPUs' events.
fn traced() -> [TraceRing<'static>; 2] {
    let words = || (0..8 * trace::WORDS).map(|_| AtomicU64::new(0)).collect();
    let rings = [(); 2].map(|()| TraceRing::new(Box::leak(words())));
    let microsecond = |n: u64| 512_000_000 + n * 512;
    for (cpu, at, kind, (lpid, vcpu), code, result, ticks) in [
        (0, 1, Kind::Refused, (2, 0), 0x20, -4, 0),
        (1, 2, Kind::Rtas, (1, 0), 0x2001, 1, 51),
        (0, 3, Kind::Preempt, (2, 1), 2, 0, 512),
        (1, 4, Kind::Interrupt, (2, 0), 0x1810, 0, 0),
    ] {
        rings[cpu].record(&Event {
            at: microsecond(at),
            ticks,
            kind,
            lpid,
            vcpu,
            code,
            result,
            argument: 0,
        });
    }
    rings
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            changed: Cell::default(),
            state: Cell::default(),
            changed_pe: Cell::default(),
            moved: Cell::default(),
            hcalls: Cell::default(),
            trace: traced(),
        }
    }
}

/// All that command `words` answers, `arguments` being after it.
pub(crate) fn answer(words: &str, arguments: &str) -> String {
    answer_of(&Machine::new(), words, arguments)
}

/// The same of `machine`.
pub(crate) fn answer_of(machine: &Machine, words: &str, arguments: &str) -> String {
    let (command, _) = find(COMMANDS, words).expect("a command");
    let mut text = String::new();
    let request = Request::new(arguments, machine);
    let (Run::Show(run) | Run::Dump(run)) = command.run else {
        panic!("{words} shows nothing");
    };
    run(
        &request,
        &mut Page::new(&mut text, 0, u32::MAX, DUMP_COLUMNS),
    )
    .expect("an answer");
    text.replace('\r', "")
}

/// The words of each line of a table's text, without its head.
pub(crate) fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().skip(1);
    lines
        .map(|line| line.split_whitespace().collect())
        .collect()
}

fn bridge(phb: u8, each: &mut dyn FnMut(&Record<'_>)) {
    each(&Record::Phb {
        phb,
        generation: Generation::Ioda2,
        pes: 256,
        reserved: PeNumber(0),
        rids: RidRule::AnySet,
        dma: DmaModel::PerPe { windows: 2 },
        msis: 2048,
        first_msi: 0x1000,
        m32: M32Caps {
            real: 0x3fe0_8000_0000,
            pci: 0x8000_0000,
            segment_shift: 23,
            segments: 256,
        },
    });
}

fn function(phb: u8, pe: u16, lpid: u32, id: (u16, u16), class: u32) -> Record<'static> {
    Record::Function {
        path: format!("phb{phb}/00.0/00.0").parse().expect("a path"),
        bdf: Bdf::new(1, 0, 0),
        id,
        class,
        pe: PeNumber(pe),
        owner: Owner::Partition(lpid),
        role: FunctionRole::Device,
    }
}

impl Facts for Machine {
    fn partitions(&self, each: &mut dyn FnMut(&Partition<'_>)) {
        let linux = Partition {
            lpid: 1,
            name: "linux",
            state: self.state.get().unwrap_or(PartitionState::Running),
            memory_at: 0x4000_0000,
            memory_bytes: 1 << 30,
            real_mode_bytes: 1 << 30,
            hpt_bytes: 8 << 20,
            cpus: 2,
            share: None,
            refusals: 3,
            console: Some((1234, 5)),
        };
        each(&linux);
        each(&Partition {
            lpid: 2,
            name: "db",
            state: PartitionState::Off,
            memory_at: 0x8000_0000,
            memory_bytes: 512 << 20,
            cpus: 1,
            share: Some(Share {
                entitlement: 25,
                weight: 128,
            }),
            refusals: 0,
            ..linux
        });
    }
    fn processors(&self, lpid: u32, each: &mut dyn FnMut(&Processor)) {
        for (server, state) in [(0, ProcessorState::Running), (1, ProcessorState::Ceded)] {
            each(&Processor {
                server,
                pir: (lpid == 1).then_some(0x20 + server),
                state,
            });
        }
    }
    fn registers(&self, _: u32, each: &mut dyn FnMut(u32, Option<&Registers>)) {
        let registers = Registers {
            gpr: core::array::from_fn(|n| n as u64),
            pc: 0x100,
            msr: 0x8000_0000_0000_1000,
            lr: 3,
            ctr: 4,
            cr: 5,
            xer: 6,
            srr: [7, 8],
            dar: 10,
            dsisr: 11,
        };
        each(0, Some(&registers));
        each(1, None);
    }
    fn doubleword(&self, _: u32, at: u64) -> Option<u64> {
        (at < 4096).then_some(0x4142_431b_0000_0000 | at)
    }
    fn change(&self, lpid: u32, change: Change) -> Result<(), Problem> {
        match (lpid, change) {
            (1, Change::Start) => Err(Problem::Running),
            (2, Change::Stop | Change::ShutDown) => Err(Problem::Off),
            _ => {
                self.changed.set(Some((lpid, change)));
                Ok(())
            }
        }
    }
    fn change_pe(&self, name: PeName, change: PeChange) -> Result<(), Problem> {
        if name.phb == 1 {
            return Err(Problem::InReset);
        }
        self.changed_pe.set(Some((name, change)));
        Ok(())
    }
    fn move_pe(&self, name: PeName, lpid: u32) -> Result<(), Problem> {
        match (name.phb, lpid) {
            (0, 1) => Err(Problem::Same),
            (0, 2) => {
                self.moved.set(Some((name, lpid)));
                Ok(())
            }
            _ => Err(Problem::NotOff),
        }
    }
    fn interrupts(&self, lpid: u32, each: &mut dyn FnMut(&Interrupt)) {
        for (number, level) in [(0x0f10, false), (0x16f8, true)] {
            each(&Interrupt {
                number: number + 0x100 * lpid,
                level,
                server: u32::from(!level),
                priority: 5,
                on: !level,
            });
        }
    }
    fn windows(&self, lpid: u32, each: &mut dyn FnMut(&Window)) {
        each(&Window {
            liobn: if lpid == 1 { 0x8000_0001 } else { 0x8001_0002 },
            first: 0,
            bytes: 1 << 30,
            page_shift: 12,
        });
    }
    fn tces(&self, lpid: u32, _: u32, each: &mut dyn FnMut(&Tce)) {
        let entries = [
            (0x1000, 0x4000_5003),
            (0x2000, 0x4000_6003),
            (0x3000, 0x4000_7001),
            (0x9000, 0x4000_8001),
        ];
        let entries = entries.into_iter().filter(|_| lpid == 1);
        entries.for_each(|(bus, entry)| each(&Tce { bus, entry }));
    }
    fn map(&self, each: &mut dyn FnMut(&Record<'_>)) {
        bridge(0, each);
        let (phb, pe, bdf) = (0, PeNumber(1), Bdf::new(1, 0, 0));
        each(&function(0, 1, 1, (0x1b36, 0x0010), 0x01_0802));
        each(&Record::Segments {
            phb,
            first: 4,
            count: 2,
            pe,
        });
        let dma = Record::Dma {
            phb,
            pe,
            tve: 2,
            base: 0,
            bytes: 1 << 30,
            page_shift: 12,
        };
        each(&dma);
        each(&Record::Msi {
            phb,
            pe,
            first: 0x1010,
            count: 16,
        });
        each(&Record::Lsi {
            phb,
            pe,
            irq: 0x17f8,
        });
        bridge(1, each);
        let (phb, pe) = (1, PeNumber(2));
        each(&function(1, 2, 2, (0x8086, 0x10d3), 0x02_0000));
        each(&Record::Bar {
            phb,
            bdf,
            bar: 0,
            pci: 0x8000_0000,
            real: 0x3fe0_8000_0000,
            bytes: 128 << 10,
            place: Place::M32,
        });
        each(&Record::M64 {
            phb,
            window: M64Window(3),
            base: 0x3d00_0000_0000,
            bytes: 256 << 20,
            owner: M64Owner::Single(pe),
        });
        each(&Record::Dma {
            phb,
            pe,
            tve: 4,
            base: 0,
            bytes: 1 << 30,
            page_shift: 12,
        });
    }
    fn pe_at(&self, location: &str) -> Option<PeName> {
        (location == "phb0/00.0/00.0").then_some(PeName {
            phb: 0,
            pe: PeNumber(1),
        })
    }
    fn freeze(&self, pe: PeName) -> Option<Freeze> {
        match (pe.phb, pe.pe.0) {
            (0, 0..256) => Some(Freeze::empty()),
            (1, 0..256) => Some(Freeze::all()),
            _ => None,
        }
    }
    fn memory(&self) -> Memory {
        Memory {
            own: 9000 << 10,
            lent: 1536 << 20,
            free: 500 << 20,
            heap: 30 << 10,
        }
    }
    fn log(&self, count: usize, each: &mut dyn FnMut(&str)) {
        (100 - count.min(100)..100).for_each(|n| each(&format!("line {n}")));
    }
    fn trace(&self) -> &[TraceRing<'_>] {
        &self.trace
    }
    fn release_trace(&self) {}
    fn trace_hcalls(&self, on: bool) {
        self.hcalls.set(on);
    }
    fn call_name(&self, kind: Kind, code: u32) -> Option<&'static str> {
        (kind == Kind::Rtas && code == 0x2001).then_some("event-scan")
    }
    fn timebase_hz(&self) -> u64 {
        512_000_000
    }
}
