//! What Bulkhead must refuse to start: each with one clear message, a stop, and nothing of a partition run.

use anyhow::{Result, ensure};
use bundle::build::{Load, PartitionSpec, pack_unchecked, seal};

use crate::case::{Case, Outcome};
use crate::context::{Context, device, regex, stop_reason};
use crate::passed;

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "refuses/no-bundle",
        run: no_bundle,
    },
    Case {
        name: "refuses/flipped-bit-in-header",
        run: |context| damaged(context, |bytes| flip(bytes, At::Byte(0x14))),
    },
    Case {
        name: "refuses/flipped-bit-in-record",
        run: |context| damaged(context, |bytes| flip(bytes, At::Byte(0x90))),
    },
    Case {
        name: "refuses/flipped-bit-in-kernel",
        run: |context| damaged(context, |bytes| flip(bytes, At::Middle)),
    },
    Case {
        name: "refuses/flipped-last-bit",
        run: |context| damaged(context, |bytes| flip(bytes, At::End)),
    },
    Case {
        name: "refuses/truncated",
        run: |context| damaged(context, |bytes| bytes.truncate(bytes.len() / 2)),
    },
    Case {
        name: "refuses/truncated-to-header",
        run: |context| damaged(context, |bytes| bytes.truncate(40)),
    },
    Case {
        name: "refuses/truncated-to-a-byte",
        run: |context| damaged(context, |bytes| bytes.truncate(1)),
    },
    Case {
        name: "refuses/wrong-magic",
        run: |context| damaged(context, |bytes| resealed(bytes, 0, b"X")),
    },
    Case {
        name: "refuses/wrong-version",
        run: |context| {
            damaged(context, |bytes| {
                resealed(bytes, 8, &(bundle::VERSION + 1).to_be_bytes())
            })
        },
    },
    Case {
        name: "refuses/more-memory-than-the-machine",
        run: too_much_memory,
    },
    Case {
        name: "refuses/more-cpus-than-the-machine",
        run: |context| changed(context, |partition| partition.cpus = 3),
    },
    Case {
        name: "refuses/device-that-is-not-there",
        run: |context| with_devices(context, &["phb0/00.0/05.0"]),
    },
    Case {
        name: "refuses/bridge-that-is-not-there",
        run: |context| with_devices(context, &["phb3/00.0/00.0"]),
    },
    Case {
        name: "refuses/device-named-twice",
        run: |context| with_devices(context, &["phb0/00.0/00.0"; 2]),
    },
    Case {
        name: "refuses/device-of-two-partitions",
        run: device_of_two,
    },
    Case {
        name: "refuses/kernel-that-is-no-elf",
        run: |context| changed(context, |partition| partition.kernel = vec![0x60; 4096]),
    },
    Case {
        name: "refuses/kernel-of-few-bytes",
        run: |context| changed(context, |partition| partition.kernel.truncate(20)),
    },
    Case {
        name: "refuses/kernel-cut-short",
        run: |context| changed(context, |partition| partition.kernel.truncate(0x1_0100)),
    },
    Case {
        name: "refuses/kernel-past-its-memory",
        run: |context| changed(context, |partition| segment_at(partition, 1 << 40)),
    },
    Case {
        name: "refuses/kernel-that-wraps",
        run: |context| changed(context, |partition| segment_at(partition, u64::MAX - 0xfff)),
    },
];

/// Where a file's first program header has its physical address: 64 bytes of ELF header, then 24.
const FIRST_P_PADDR: usize = 64 + 24;

/// Where a bundle is damaged.
enum At {
    Byte(usize),
    Middle,
    End,
}

fn flip(bytes: &mut [u8], at: At) {
    let at = match at {
        At::Byte(at) => at,
        At::Middle => bytes.len() / 2,
        At::End => bytes.len() - 1,
    };
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 0x10;
    }
}
fn resealed(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes
        .iter_mut()
        .skip(at)
        .zip(new)
        .for_each(|(byte, new)| *byte = *new);
    seal(bytes);
}
fn segment_at(partition: &mut PartitionSpec, real: u64) {
    let address = real.to_be_bytes();
    partition
        .kernel
        .iter_mut()
        .skip(FIRST_P_PADDR)
        .zip(address)
        .for_each(|(byte, new)| *byte = new);
}

/// Boots and checks that this was refused.
fn refused(context: &Context, bytes: Option<&[u8]>) -> Outcome {
    // A device for bundles to name; what they say of it is wrong, not the machine.
    let machine = context.machine().device("phb0/00.0/00.0", "edu")?;
    let mut session = match bytes {
        Some(bytes) => context.boot(machine, bytes)?,
        None => context.start(machine)?,
    };
    let reason = stop_reason(&mut session, context.limit(60))?;
    let log = session.log().to_owned();
    let lines = session.stop();
    ensure!(
        ["bad-bundle", "bad-machine"].contains(&reason.as_str()),
        "stopped with `{reason}`; {}",
        log.display()
    );
    let complaint = regex(r"^bulkhead\|\s+[0-9.]+ cpu\d+ ERROR +(\S.*)$")?;
    let complaints: Vec<&str> = lines
        .iter()
        .filter_map(|line| Some(complaint.captures(line)?.get(1)?.as_str()))
        .collect();
    ensure!(
        complaints.len() == 1,
        "one message is wanted, these were given: {complaints:?}; {}",
        log.display()
    );
    ensure!(
        complaints.iter().all(|text| text.len() > 15),
        "`{complaints:?}` tells too little; {}",
        log.display()
    );
    let ran = lines.iter().find(|line| line.contains("guest-test:"));
    ensure!(
        ran.is_none(),
        "the partition ran: {ran:?}; {}",
        log.display()
    );
    passed()
}

fn no_bundle(context: &Context) -> Outcome {
    refused(context, None)
}

/// A good bundle, then damaged.
fn damaged(context: &Context, damage: impl Fn(&mut Vec<u8>)) -> Outcome {
    let mut bytes = pack_unchecked(&[context.payload("only=basics")?]);
    damage(&mut bytes);
    refused(context, Some(&bytes))
}

/// A whole bundle of a partition that is not as it should be.
fn changed(context: &Context, change: impl Fn(&mut PartitionSpec)) -> Outcome {
    let mut partition = context.payload("only=basics")?;
    change(&mut partition);
    refused(context, Some(&pack_unchecked(&[partition])))
}

fn with_devices(context: &Context, paths: &[&str]) -> Outcome {
    let devices = paths
        .iter()
        .map(|path| device(path))
        .collect::<Result<Vec<_>>>()?;
    changed(context, |partition| partition.devices.clone_from(&devices))
}

fn too_much_memory(context: &Context) -> Outcome {
    changed(context, |partition| partition.memory_bytes = 4 << 30)
}

fn device_of_two(context: &Context) -> Outcome {
    let mut first = context.payload("only=basics")?;
    first.cpus = 1;
    first.devices = vec![device("phb0/00.0/00.0")?];
    let second = PartitionSpec {
        name: "second".to_owned(),
        load: Load::Elf,
        ..first.clone()
    };
    refused(context, Some(&pack_unchecked(&[first, second])))
}
