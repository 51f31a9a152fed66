//! Debian's kernels as partitions: two processors, NVMe and e1000e of their own, checked from both sides.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bundle::build::{Load, PartitionSpec};
use bundle::{AfterCrash, Console, Processors};
use qemu_run::{HttpFixture, Machine, Session, Source, disk};

use crate::case::{Case, Outcome, Part, Verdict};
use crate::context::{Context, device, read, regex, stops_with};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "linux-6.1",
        run: |context| spine(context, "debian-6.1", &OWN_BRIDGES),
    },
    Case {
        name: "linux-6.12",
        run: |context| spine(context, "debian-6.12", &OWN_BRIDGES),
    },
];

/// Where the devices are, and which bridges are between.
pub(crate) struct Places {
    /// Places and QEMU's names of the bridges, from above.
    pub(crate) bridges: &'static [(&'static str, &'static str)],
    pub(crate) nvme: &'static str,
    pub(crate) nic: &'static str,
    /// What else the partition owns.
    pub(crate) others: &'static [&'static str],
}

/// Each below a host bridge of its own.
pub(crate) const OWN_BRIDGES: Places = Places {
    bridges: &[],
    nvme: "phb0/00.0/00.0",
    nic: "phb1/00.0/00.0",
    others: &[],
};
/// Both below one host bridge; where that has DMA slots they share them: the second one's window is not at address 0.
pub(crate) const ONE_SWITCH: Places = Places {
    bridges: &[
        ("phb0/00.0/00.0", "x3130-upstream"),
        ("phb0/00.0/00.0/00.0", "xio3130-downstream,chassis=1,slot=1"),
        ("phb0/00.0/00.0/01.0", "xio3130-downstream,chassis=1,slot=2"),
    ],
    nvme: "phb0/00.0/00.0/00.0/00.0",
    nic: "phb0/00.0/00.0/01.0/00.0",
    others: &[],
};
const DISK_BYTES: u64 = 64 << 20;
/// What the web server serves; longer than a few packets.
const PAGE_BYTES: usize = 100_000;
/// The checks that the guest's first process makes at the end of each test; none may be missing.
const CHECKS: [&str; 6] = [
    "cpus",
    "nvme-read",
    "nvme-write",
    "nvme-interrupts",
    "ping",
    "http",
];

/// Boots guest `name` and has it check what it has.
pub(crate) fn spine(context: &Context, name: &str, places: &Places) -> Outcome {
    boot(context, name, places, Variant::SPINE).map(|(parts, _)| parts)
}

/// What a guest's first process is asked for, and what is around it.
pub(crate) struct Variant {
    /// Its test, and the check of that which must not be missing, if it has one of its own.
    pub(crate) test: &'static str,
    pub(crate) wanted: Option<&'static str>,
    /// What is on its disk besides.
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
    pub(crate) processors: Processors,
    pub(crate) others: Vec<PartitionSpec>,
    /// What the machine has besides.
    pub(crate) change: fn(Machine, &Places) -> Result<Machine>,
}

impl Variant {
    pub(crate) const SPINE: Self = Self {
        test: "spine",
        wanted: None,
        files: Vec::new(),
        processors: Processors::Dedicated,
        others: Vec::new(),
        change: |machine, _| Ok(machine),
    };
}

/// The same on such processors, beside other partitions; what its console showed, too.
pub(crate) fn spine_beside(
    context: &Context,
    name: &str,
    places: &Places,
    processors: Processors,
    others: Vec<PartitionSpec>,
) -> Result<(Vec<Part>, Vec<String>)> {
    let variant = Variant {
        processors,
        others,
        ..Variant::SPINE
    };
    boot(context, name, places, variant)
}

/// Boots guest `name` as `variant` says; what its console showed, too.
pub(crate) fn boot(
    context: &Context,
    name: &str,
    places: &Places,
    variant: Variant,
) -> Result<(Vec<Part>, Vec<String>)> {
    let Some([kernel, initrd]) = images(context, name)? else {
        return Ok((vec![absent(name)], Vec::new()));
    };
    let image = context.file("disk")?;
    disk::create(&image, DISK_BYTES)?;
    for (name, content) in &variant.files {
        disk::add_file(&image, name, content)?;
    }
    let page: Vec<u8> = (0..PAGE_BYTES).map(|n| b'a' + (n * n % 26) as u8).collect();
    let server = HttpFixture::serve(page.clone())?;
    let partition = PartitionSpec {
        name: "linux".to_owned(),
        memory_bytes: 1 << 30,
        cpus: 2,
        processors: variant.processors,
        console: Console::Vty,
        after_crash: AfterCrash::GoOn,
        kernel,
        load: Load::Elf,
        initrd: Some(initrd),
        command_line: format!(
            "console=hvc0 bulkhead.test={} bulkhead.cpus=2 bulkhead.disk={} bulkhead.port={} bulkhead.page={}",
            variant.test,
            disk::sha256_hex(&disk::pattern()),
            server.port(),
            disk::sha256_hex(&page)
        ),
        devices: [&[places.nvme, places.nic], places.others]
            .concat()
            .into_iter()
            .map(device)
            .collect::<Result<_>>()?,
        ethernets: Vec::new(),
    };
    let alone = variant.others.is_empty();
    let partitions = [vec![partition], variant.others].concat();
    let bytes = bundle::build::pack(&partitions)
        .map_err(|error| anyhow::anyhow!("the bundle cannot be packed: {error}"))?;
    let mut machine = context.machine();
    for (place, model) in places.bridges {
        machine = machine.device(place, model)?;
    }
    let machine = machine.nvme(places.nvme, &image)?.e1000e(places.nic)?;
    let mut session = context.boot((variant.change)(machine, places)?, &bytes)?;
    session.fail_on(regex("Kernel panic|Oops:|partition linux: os-term:")?);
    let mut parts = console(context, &mut session)?;
    let wanted: Vec<&str> = variant.wanted.into_iter().chain(CHECKS).collect();
    parts.extend(checks(context, &mut session, &wanted)?);
    if alone {
        stops_with(&mut session, "power-off", context.limit(30))?;
    } else {
        session.wait_for(&regex("partition linux: is off")?, context.limit(30))?;
    }
    let lines = session.stop();
    parts.push(Part {
        name: "host-reads-the-copy".to_owned(),
        verdict: verdict(copy_is_right(&image)),
    });
    let served = ensure_served(&server);
    parts.push(Part {
        name: "host-served-the-page".to_owned(),
        verdict: verdict(served),
    });
    Ok((parts, lines))
}

/// Kernel and initramfs of guest `name`, if it is there or must be.
pub(crate) fn images(context: &Context, name: &str) -> Result<Option<[Vec<u8>; 2]>> {
    let folder = context.guests.join(name);
    let files = ["vmlinux", "initramfs.gz"].map(|file| folder.join(file));
    if files.iter().all(|file| file.exists()) || context.require_guests {
        let [kernel, initrd] = &files;
        return Ok(Some([read(kernel)?, read(initrd)?]));
    }
    Ok(None)
}

/// The part of a case that needs guest `name`, which is not there.
pub(crate) fn absent(name: &str) -> Part {
    Part {
        name: "boot".to_owned(),
        verdict: Verdict::Skipped(format!("{name} is not there: run `cargo xtask setup`")),
    }
}

pub(crate) fn verdict(result: Result<()>) -> Verdict {
    match result {
        Ok(()) => Verdict::Passed,
        Err(error) => Verdict::Failed(format!("{error:#}")),
    }
}

/// Waits until the kernel has made hvc0 its console.
fn console(context: &Context, session: &mut Session) -> Result<Vec<Part>> {
    session.wait_for_in(
        Source::Partitions,
        &regex("Linux version ")?,
        context.limit(60),
    )?;
    session.wait_for_in(
        Source::Partitions,
        &regex(r"printk: (legacy )?console \[hvc0\] enabled|console \[hvc0\]")?,
        context.limit(120),
    )?;
    Ok(vec![Part {
        name: "hvc0".to_owned(),
        verdict: Verdict::Passed,
    }])
}

/// Reads the guest's results up to the last; one that never came has failed.
pub(crate) fn checks(
    context: &Context,
    session: &mut Session,
    wanted: &[&str],
) -> Result<Vec<Part>> {
    let form = regex(r"BH-CHECK (\S+) (ok|failed)\b ?(.*)")?;
    let mut parts = Vec::new();
    loop {
        // The whole line must have come before it is read.
        let line = session.wait_for_in(
            Source::Partitions,
            &regex(r"BH-CHECK \S+ (ok|failed)\b.*$")?,
            context.limit(300),
        )?;
        let captures = form
            .captures(&line)
            .context("the expression above matched")?;
        let (_, [name, result, detail]) = captures.extract();
        if name == "all" {
            break;
        }
        let verdict = if result == "ok" {
            Verdict::Passed
        } else {
            Verdict::Failed(detail.to_owned())
        };
        parts.push(Part {
            name: name.to_owned(),
            verdict,
        });
    }
    for &wanted in wanted {
        if !parts.iter().any(|part| part.name == wanted) {
            parts.push(Part {
                name: (*wanted).to_owned(),
                verdict: Verdict::Failed("the guest never made it".to_owned()),
            });
        }
    }
    Ok(parts)
}

pub(crate) fn copy_is_right(image: &Path) -> Result<()> {
    let copy = disk::read_file(image, disk::COPY_FILE).context("the copy on the disk")?;
    ensure!(
        copy == disk::pattern(),
        "the copy on the disk differs from its original"
    );
    Ok(())
}

pub(crate) fn ensure_served(server: &HttpFixture) -> Result<()> {
    ensure!(server.requests() >= 1, "the web server was never asked");
    Ok(())
}
