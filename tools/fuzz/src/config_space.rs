//! Programs of accesses to the configuration space of a partition's function, through the filter that it sees it by.
//!
//! Below the filter are the PHB3 driver and the model of its bridge, with a function that has every capability that
//! the filter knows. The first byte says whether the function's INTx wire is its owner's; each step is one byte of
//! kind and its numbers.

use crate::steps;
use arbitrary::{Arbitrary, Result, Unstructured};
use ioda::{Ioda, Irq, MsiBlock, PhbId, Step as Progress};
use ioda_model::{Device, Fabric, Kind, Phb3 as Model};
use pci::{GuestFunction, Intx, MsiKind, Refusal, plan, scan};
use phb3::on_model::Memory;
use phb3::{Bases, Pbcq, Phb3, Port};
use std::cell::RefCell;

/// The function's index in the fabric.
const DEVICE: usize = 1;
/// Its MSI capability.
const MSI: usize = 0x48;
/// Its PCI Express capability.
const EXPRESS: usize = 0x74;
/// Command: I/O, special cycles, VGA palette; memory; INTx off.
const COMMAND_NEVER: u32 = 1 | 1 << 3 | 1 << 5;
const COMMAND_MEMORY: u32 = 2;
const COMMAND_INTX_OFF: u32 = 1 << 10;
/// The most steps of a program.
const MAX_STEPS: usize = 256;
/// Extended capabilities that no guest may see: SR-IOV, address translation, page requests, resizable BARs.
const HIDDEN: [u32; 4] = [0x10, 0x0f, 0x13, 0x15];

/// One step of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The owner reads: offset, bytes.
    Read(u16, u8),
    /// The owner writes: offset, bytes, value.
    Write(u16, u8, u32),
    /// The hypervisor does something: 0 to 2 gives so many times two messages, 3 takes them, 4 switches MSI-X off, 5
    /// resets the function, 6 has its owner restart.
    Call(u8),
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let kind = u8::arbitrary(u)?;
        // Mostly as wide as there are accesses; sometimes not.
        let bytes = [1, 2, 4, 4, 2, 1, 3, 8][usize::from(kind >> 2 & 7)];
        Ok(match kind & 3 {
            0 => Self::Read(u.arbitrary()?, bytes),
            3 => Self::Call(u8::arbitrary(u)? % 7),
            _ => Self::Write(u.arbitrary()?, bytes, u.arbitrary()?),
        })
    }
}

impl Step {
    fn encode(self, out: &mut Vec<u8>) {
        let width = |bytes: u8| match bytes {
            1 => 0,
            2 => 1 << 2,
            _ => 2 << 2,
        };
        match self {
            Self::Read(at, bytes) => {
                out.push(width(bytes));
                out.extend(at.to_le_bytes());
            }
            Self::Write(at, bytes, value) => {
                out.push(1 | width(bytes));
                out.extend(at.to_le_bytes());
                out.extend(value.to_le_bytes());
            }
            Self::Call(number) => out.extend([3, number]),
        }
    }
}

/// Writes a program; 1 grants INTx.
#[must_use]
pub fn encode(intx: u8, steps: &[Step]) -> Vec<u8> {
    let mut out = vec![intx];
    steps.iter().for_each(|step| step.encode(&mut out));
    out
}

/// A bridge with the function behind it, used by one program after another.
struct Bench {
    model: &'static Model,
    host: Phb3<&'static Model, &'static Model>,
    /// The function and the port above it as they were planned.
    device: Device,
    port: Vec<u32>,
    guests: [GuestFunction; 2],
}

fn device() -> Device {
    Device::endpoint(0x8086, 0x10c9, 0x02_0000)
        .with_bar32(0, 128 << 10)
        .with_bar64(2, 1 << 20)
        .with_intx(0)
        .with_power()
        .with_msi(2)
        .with_msix(16, 0, 0x4000)
        .with_cap(0x03, 8)
        .with_express(0, 1 << 28)
        .with_cap(0x14, 8)
        .with_extended(
            0x01,
            0x48,
            &[(0x08, u32::MAX), (0x0c, u32::MAX), (0x14, u32::MAX)],
        )
        .with_extended(0x10, 0x40, &[(0x08, u32::MAX)])
        .with_extended(0x03, 12, &[])
}

impl Bench {
    fn new() -> Self {
        let mut fabric = Fabric::new(Device::bridge(0x1014, 0x03dc, 4).with_intx(0));
        assert_eq!(fabric.add(0, 0, device()), DEVICE);
        let model: &'static Model = Box::leak(Box::new(Model::new(Kind::Emulator, fabric)));
        let tables = Memory::leak().attach(model);
        let id = PhbId { chip: 0, index: 0 };
        let pbcq = Pbcq::open(model, id, Bases::of(0)).expect("it answers");
        let port = Box::leak(Box::new(Port::new(model, pbcq.irq_base(), &tables)));
        let mut host = Phb3::new(pbcq, port, tables).expect("the tables are good");
        while host.poll().expect("it starts") != Progress::Done {}
        let topology = scan(0, &mut host).expect("config space answers");
        let plan = plan(&topology, host.caps()).expect("it fits");
        plan.apply(&topology, &mut host).expect("it is kept");
        plan.activate(&topology, DEVICE, &mut host)
            .expect("it is free");
        let guests = [Intx::Denied, Intx::Granted].map(|intx| {
            let (function, plan) = (&topology.functions[DEVICE], &plan.functions[DEVICE]);
            GuestFunction::new(function, plan, intx).expect("a device")
        });
        let device = model.with_fabric(|fabric| fabric.device(DEVICE).clone());
        let mut this = Self {
            model,
            host,
            device,
            port: vec![],
            guests,
        };
        this.port = this.image(0);
        this
    }

    /// All of a function's config space.
    fn image(&self, index: usize) -> Vec<u32> {
        self.model.with_fabric(|fabric| {
            let device = fabric.device(index);
            (0..1024).map(|word| device.get(word * 4, 4)).collect()
        })
    }
}

/// Runs the program that `data` holds.
///
/// # Panics
/// When an invariant breaks: no access moves a BAR, stops the function decoding memory or starts it decoding anything
/// else, changes where its messages go or what it is, or reaches the port above it; the owner sees no capability that
/// it must not; only accesses that are no accesses are refused; values are as wide as was asked for.
pub fn target(data: &[u8]) {
    thread_local! {
        static BENCH: RefCell<Option<Bench>> = const { RefCell::new(None) };
    }
    BENCH.with(|bench| {
        // Taken out, so that a program that panics leaves none behind.
        let taken = bench.borrow_mut().take();
        let mut this = taken.unwrap_or_else(Bench::new);
        run(&mut this, &mut Unstructured::new(data));
        *bench.borrow_mut() = Some(this);
    });
}

fn run(bench: &mut Bench, u: &mut Unstructured<'_>) {
    let is_granted = u8::arbitrary(u).unwrap_or(0) & 1 == 1;
    let mut guest = bench.guests[usize::from(is_granted)].clone();
    let original = bench.device.clone();
    bench
        .model
        .with_fabric(|fabric| *fabric.device_mut(DEVICE) = original);
    let mut given = None;
    for step in steps(u, MAX_STEPS) {
        act(bench, &mut guest, step, &mut given);
        assert_settled(bench, &mut guest, is_granted, given);
    }
    assert_shown(bench, &mut guest);
    assert_eq!(bench.image(0), bench.port, "the port was reached");
    assert_eq!(bench.model.complaints(), Vec::<String>::new());
}

fn act(bench: &mut Bench, guest: &mut GuestFunction, step: Step, given: &mut Option<MsiBlock>) {
    let host = &mut bench.host;
    let is_access = |at: u16, bytes: u8| {
        matches!(bytes, 1 | 2 | 4) && at < 4096 && at.is_multiple_of(bytes.into())
    };
    match step {
        Step::Read(at, bytes) => match guest.read(host, at.into(), bytes.into()) {
            Ok(value) => {
                assert!(is_access(at, bytes));
                assert!(
                    bytes == 4 || value < 1 << (8 * bytes),
                    "{step:x?}: {value:#x}"
                );
            }
            Err(error) => assert!(!is_access(at, bytes) && error == Refusal::Parameter),
        },
        Step::Write(at, bytes, value) => match guest.write(host, at.into(), bytes.into(), value) {
            Ok(()) => assert!(is_access(at, bytes)),
            Err(error) => assert!(!is_access(at, bytes) && error == Refusal::Parameter),
        },
        Step::Call(number @ 0..3) => {
            let block = MsiBlock {
                first: Irq(0x840),
                count: 1 << number,
                address32: 0xffff_0400,
                address64: 1 << 60 | 0x400,
                data: 8,
            };
            let set = guest.set_msi(host, &block, MsiKind::Msi);
            set.expect("it has four");
            *given = Some(block);
        }
        Step::Call(3) => {
            guest.clear_msi(host).expect("it answers");
            *given = None;
        }
        Step::Call(4) => guest.clear_msix(host).expect("it answers"),
        Step::Call(5) => {
            let wait = guest.start_flr(host).expect("it answers");
            assert!(wait.is_some(), "it can be reset");
        }
        Step::Call(_) => {
            guest.restart(host).expect("it answers");
            *given = None;
        }
    }
}

/// Panics unless the function is where and what it was, once an access has put back what a reset has undone.
fn assert_settled(
    bench: &mut Bench,
    guest: &mut GuestFunction,
    is_granted: bool,
    given: Option<MsiBlock>,
) {
    let shown = guest.read(&mut bench.host, 4, 2).expect("it answers");
    bench.model.with_fabric(|fabric| {
        let (now, then) = (fabric.device(DEVICE), &bench.device);
        // What it is, its BARs, expansion ROM and first capability.
        for word in [
            0x00, 0x08, 0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x2c, 0x30, 0x34,
        ] {
            assert_eq!(now.get(word, 4), then.get(word, 4), "word {word:#x}");
        }
        let command = now.get(4, 2);
        assert_eq!(command & COMMAND_NEVER, 0);
        // After a reset it decodes before its owner says so.
        assert!(shown & !command & COMMAND_MEMORY == 0, "it does not decode");
        assert!(is_granted || command & COMMAND_INTX_OFF != 0, "INTx is on");
        let message = [4, 8, 12].map(|by| now.get(MSI + by, if by == 12 { 2 } else { 4 }));
        let enabled = now.get(MSI + 2, 2) & 1 != 0;
        match given {
            Some(block) => {
                let address = [block.address64 as u32, (block.address64 >> 32) as u32];
                assert_eq!(message, [address[0], address[1], block.data.into()]);
                let count = 1 << (now.get(MSI + 2, 2) >> 4 & 7);
                assert!(
                    !enabled || count == u32::from(block.count),
                    "{count} messages"
                );
            }
            None => assert!(!enabled, "messages that nobody gave"),
        }
        // Payload size, phantom functions.
        let control = 7 << 5 | 1 << 9;
        assert_eq!(
            now.get(EXPRESS + 8, 2) & control,
            then.get(EXPRESS + 8, 2) & control
        );
    });
}

/// Panics when the owner's lists of capabilities do not end or show what must be hidden.
fn assert_shown(bench: &mut Bench, guest: &mut GuestFunction) {
    let mut read = |at: u32| guest.read(&mut bench.host, at, 4).expect("it answers");
    let mut at = read(0x34) & 0xfc;
    for steps in 0.. {
        assert!(steps < 48, "the list of capabilities does not end");
        if at == 0 {
            break;
        }
        at = read(at) >> 8 & 0xfc;
    }
    let mut at = 0x100;
    for steps in 0.. {
        assert!(
            steps < 480,
            "the list of extended capabilities does not end"
        );
        let header = read(at);
        assert!(
            !HIDDEN.contains(&(header & 0xffff)),
            "{header:#x} at {at:#x}"
        );
        at = header >> 20;
        if at < 0x100 {
            break;
        }
    }
}
