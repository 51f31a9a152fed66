//! Seeds: real bundles, trees, kernels and calls, small, for fuzzers to begin with.

mod calls;

pub use calls::{hcalls, rtas};

use crate::machine_tree::{self, TREES};
use crate::{bundles, config_space, kernel};
use bundle::build::{EthernetSpec, Load, PartitionSpec, pack};
use bundle::{AfterCrash, Console, Device, Processors};

/// Names and bytes.
type Seeds = Vec<(String, Vec<u8>)>;

/// Programs of accesses as a kernel's PCI code makes them.
#[must_use]
pub fn config_space() -> Seeds {
    use config_space::Step::{self, Call, Read, Write};
    let sizing: Vec<Step> = (0x10..0x34)
        .step_by(4)
        .flat_map(|at| {
            [
                Write(at, 4, u32::MAX),
                Read(at, 4),
                Write(at, 4, 0x8000_0000),
                Read(at, 4),
            ]
        })
        .collect();
    let messages = [
        Call(0),
        Read(0x48, 4),
        Write(0x4a, 2, 0x71),
        Write(0x4c, 4, 0xdead_beec),
        Write(0x54, 2, 0x1234),
        Call(3),
        Write(0x62, 2, 0xc000),
        Call(1),
        Call(4),
    ];
    let resets = [
        Call(0),
        Write(0x44, 2, 3),
        Write(0x44, 2, 0),
        Read(0x10, 4),
        Write(0x7c, 2, 0x8000),
        Read(0x04, 2),
        Call(5),
        Call(6),
        Write(0x04, 2, 0xffff),
    ];
    let all: Vec<Step> = (0..0x100)
        .step_by(4)
        .map(|at| Write(at, 4, u32::MAX))
        .collect();
    let extended: Vec<Step> = (0x100..0x200)
        .step_by(4)
        .map(|at| Write(at, 4, u32::MAX))
        .collect();
    [
        ("sizing", &sizing[..]),
        ("messages", &messages),
        ("resets", &resets),
        ("all", &all),
        ("extended", &extended),
    ]
    .into_iter()
    .map(|(name, steps)| (name.to_owned(), config_space::encode(0, steps)))
    .collect()
}

/// Bundles, and descriptions of bundles.
#[must_use]
pub fn bundle() -> Seeds {
    let device = |path: &str| Device {
        path: path.parse().expect("a path"),
        dma_window_bytes: 1 << 30,
        msi_quota: 16,
    };
    let adapter = |vlan, last| EthernetSpec {
        switch: "lan".into(),
        vlan,
        mac: [2, 0, 0, 0, 0, last],
    };
    let linux = PartitionSpec {
        name: "linux".into(),
        memory_bytes: 1 << 30,
        cpus: 2,
        processors: Processors::Dedicated,
        console: Console::Vty,
        after_crash: AfterCrash::Restart,
        kernel: vec![0x7f; 200],
        load: Load::Elf,
        initrd: Some(vec![0x1f; 100]),
        command_line: "console=hvc0".into(),
        devices: vec![device("phb0/00.0/00.0"), device("phb1/00.0/1f.7")],
        ethernets: vec![adapter(1, 1), adapter(2, 1)],
    };
    let raw = PartitionSpec {
        name: "raw".into(),
        load: Load::Raw {
            load_address: 0x100,
            entry: 0x104,
        },
        initrd: None,
        command_line: String::new(),
        devices: vec![device("phb2/00.0/00.0/03.0")],
        ethernets: vec![adapter(1, 2)],
        ..linux.clone()
    };
    let packed = |specs: &[PartitionSpec]| pack(specs).expect("they are right");
    // The ramdisk's place becomes the kernel's, of which it takes a part.
    let mut overlap = packed(std::slice::from_ref(&linux));
    let (kernel, initrd) = (64 + 48, 64 + 80);
    overlap.copy_within(kernel..kernel + 8, initrd);
    bundle::build::seal(&mut overlap);
    let description = [
        &[
            bundles::DESCRIPTION,
            2,
            0x30,
            0x40,
            0xaa,
            9,
            0,
            1,
            2,
            1,
            4,
            0,
        ][..],
        &[7; 60],
    ];
    vec![
        ("one".into(), packed(std::slice::from_ref(&linux))),
        ("raw".into(), packed(std::slice::from_ref(&raw))),
        ("two".into(), packed(&[linux, raw])),
        ("overlap".into(), overlap),
        ("description".into(), description.concat()),
    ]
}

/// Real trees, and edits of them.
#[must_use]
pub fn machine_tree() -> Seeds {
    let mut seeds: Seeds = (0..)
        .zip(TREES)
        .map(|(number, tree): (u8, _)| (format!("tree-{number}"), tree.to_vec()))
        .collect();
    for kind in 0..8 {
        let edits = [
            machine_tree::EDITS,
            kind & 1,
            kind,
            40 + kind,
            0,
            9,
            1,
            2,
            3,
            4,
            kind,
        ];
        seeds.push((format!("edit-{kind}"), edits.to_vec()));
    }
    seeds
}

/// Partitions to make trees for.
#[must_use]
pub fn guest_tree() -> Seeds {
    let mut one = vec![0];
    // PVR, time base, clock.
    one.extend(0x004d_0200_u32.to_le_bytes());
    one.extend(512_000_000_u32.to_le_bytes());
    one.extend(4_000_000_000_u64.to_le_bytes());
    one.push(7);
    one.extend(b"console");
    // Kernel's end, ramdisk, real mode area.
    one.extend([3, 0, 1, 3, 9, 0, 2]);
    // Two processors, one function with one register space.
    one.extend([2, 1, 1, 0, 1, 1]);
    one.extend(0x8080_0000_u64.to_le_bytes());
    one.extend(0x2_0000_u64.to_le_bytes());
    one.extend([
        0x86, 0x80, 0xd3, 0x10, 0x86, 0x80, 0x1f, 0xa0, 1, 0xf8, 0x0f, 0, 0,
    ]);
    one.extend(0x8000_0000_2000_0001_u64.to_le_bytes());
    one.push(4);
    one.extend(b"phb0");
    let mut two = one.clone();
    two.extend([7; 60]);
    let mut many = one.clone();
    many[32] = 255;
    vec![
        ("one".into(), one),
        ("two".into(), two),
        ("many".into(), many),
    ]
}

/// Requests and replies, and the beginning of one.
#[must_use]
pub fn frames() -> Seeds {
    use ::frames::{Denial, Endpoint, Partition, Reply, Request, State};
    let mut requests = Vec::new();
    let mut put = |part: &[u8]| requests.extend_from_slice(part);
    Request::Hello { nonce: 0x1d02 }.encode(1, &mut put);
    Request::Partitions.encode(2, &mut put);
    Request::Endpoints.encode(3, &mut put);
    let bytes = b"ls\r\x1d";
    Request::Type { to: 1, bytes }.encode(4, &mut put);
    Request::Bye.encode(5, &mut put);
    let mut replies = b"login: ".to_vec();
    let mut put = |part: &[u8]| replies.extend_from_slice(part);
    Reply::Hello { nonce: 7, hz: 9 }.encode(1, &mut put);
    let partition = Partition {
        lpid: 1,
        state: State::Running,
        cpus: 2,
        at: 3,
        ran: 4,
        hcalls: 5,
        interrupts: 6,
        freezes: 7,
        refusals: 8,
        has_console: true,
        name: "db",
    };
    Reply::Partition(partition).encode(2, &mut put);
    let endpoint = Endpoint {
        lpid: 1,
        phb: 2,
        pe: 3,
        stopped: 3,
        location: "phb2/00.0",
    };
    Reply::Endpoint(endpoint).encode(3, &mut put);
    Reply::Done { count: 1 }.encode(3, &mut put);
    Reply::Denied(Denial::Busy).encode(4, &mut put);
    Reply::Output { from: 1, bytes }.encode(0, &mut put);
    let begun = requests.get(..5).unwrap_or_default().to_vec();
    vec![
        ("requests".into(), requests),
        ("replies".into(), replies),
        ("begun".into(), begun),
    ]
}

/// Kernels of either byte order, and a raw image.
#[must_use]
pub fn kernel() -> Seeds {
    vec![
        (
            "little".into(),
            kernel::elf(false, &[(0x1000, 40, 80), (0x2000, 8, 8)]),
        ),
        ("big".into(), kernel::elf(true, &[(0, 64, 0x200)])),
        ("overlap".into(), kernel::elf(false, &[(0x1000, 40, 40); 3])),
        (
            "raw".into(),
            [&[0, 1, 0, 0, 0, 0, 0, 0, 4, 1][..], &[0; 30]].concat(),
        ),
    ]
}
