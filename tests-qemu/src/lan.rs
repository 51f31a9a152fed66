//! Debian's kernels with `ibmveth` on a virtual network: one partition serves, the other checks.

use anyhow::Result;
use bundle::build::{Load, PartitionSpec};
use bundle::{AfterCrash, Console, Processors};
use qemu_run::Session;

use crate::case::{Case, Outcome};
use crate::context::{Context, ethernet, regex, stops_with};
use crate::linux::{absent, checks, images};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "lan-dedicated",
        run: |context| pair(context, Processors::Dedicated, 2),
    },
    Case {
        name: "lan-shared",
        run: |context| {
            let share = Processors::Shared {
                entitlement: 50,
                weight: 128,
            };
            pair(context, share, 1)
        },
    },
];

/// The checks that the one makes; none may be missing.
const CHECKS: [&str; 6] = [
    "cpus",
    "lan-ping",
    "lan-ping-large",
    "lan-fetch",
    "lan-send",
    "lan-interrupts",
];
const GUEST: &str = "debian-6.1";

/// Two partitions of a virtual CPU each, on `cpus` CPUs: they ping each other, and send checked data both ways.
fn pair(context: &Context, processors: Processors, cpus: u32) -> Outcome {
    let Some([kernel, initrd]) = images(context, GUEST)? else {
        return Ok(vec![absent(GUEST)]);
    };
    let partition = |name: &str, number: u8, console, words: &str| PartitionSpec {
        name: name.to_owned(),
        memory_bytes: 512 << 20,
        cpus: 1,
        processors,
        console,
        after_crash: AfterCrash::GoOn,
        kernel: kernel.clone(),
        load: Load::Elf,
        initrd: Some(initrd.clone()),
        command_line: format!("console=hvc0 bulkhead.cpus=1 bulkhead.lan={number} {words}"),
        devices: Vec::new(),
        ethernets: vec![ethernet(7, number)],
    };
    let partitions = [
        partition("asks", 1, Console::Vty, "bulkhead.test=lan bulkhead.peer=2"),
        partition("serves", 2, Console::None, "bulkhead.test=lan-serve"),
    ];
    let bytes = bundle::build::pack(&partitions)?;
    let mut session = context.boot(context.machine().cpus(cpus), &bytes)?;
    session.fail_on(regex("Kernel panic|Oops:|partition [a-z]+: os-term:")?);
    let parts = checks(context, &mut session, &CHECKS)?;
    off(context, &mut session)?;
    Ok(parts)
}

fn off(context: &Context, session: &mut Session) -> Result<()> {
    stops_with(session, "power-off", context.limit(60))
}
