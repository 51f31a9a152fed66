//! Debian's kernels in QEMU's own partition (`pseries`): what fails here is not Bulkhead's doing.
//!
//! The same checks of processors, disk and network as `tests-qemu` makes under Bulkhead, from both sides.
//!
//! The guest's init script does its half (`tools/xtask/guest/init.sh`) and reports line by line; this side makes the
//! disk, serves the web page, and afterwards looks at what the guest has written.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use qemu_run::{HttpFixture, Machine, disk};
use regex::Regex;

use crate::guests::Guest;
use crate::run;
use crate::workspace::Workspace;

/// What every guest must report as `ok`.
const CHECKS: [&str; 6] = [
    "cpus",
    "nvme-read",
    "nvme-write",
    "nvme-interrupts",
    "ping",
    "http",
];
/// A boot takes some ten seconds; a machine with other work to do takes longer.
const TIMEOUT: Duration = Duration::from_secs(420);
const CPUS: u32 = 2;
/// What the guest fetches, in lines of 65 bytes: text, as the guest takes it apart with sed, and many packets long.
const PAGE_LINES: usize = 4096;

/// Runs the checks; an error tells what failed and where the log is.
pub(crate) fn spine(workspace: &Workspace, guest: Guest) -> Result<()> {
    let image = workspace
        .target()
        .join(format!("disks/spine-pseries-{}.img", guest.name));
    let page = Fixture::new(&image)?;
    let machine = machine(workspace, guest, &page.arguments);
    let machine = machine
        .nvme("phb0/00.0/00.0", &image)?
        .e1000e("phb1/00.0/00.0")?;
    page.run(
        &machine,
        &workspace
            .logs()
            .join(format!("spine-pseries-{}.log", guest.name)),
    )
}

/// QEMU's own partition with `guest`, as large as that of examples/linux.toml.
pub(crate) fn machine(workspace: &Workspace, guest: Guest, arguments: &str) -> Machine {
    let folder = workspace.guests().join(guest.name);
    let command_line = format!("console=hvc0 quiet {arguments}");
    let machine = Machine::pseries(
        &folder.join("vmlinux"),
        &folder.join("initramfs.gz"),
        &command_line,
    );
    machine.cpus(CPUS).memory_mib(1024)
}

/// This side of the checks.
struct Fixture {
    server: HttpFixture,
    image: std::path::PathBuf,
    arguments: String,
}

impl Fixture {
    fn new(image: &Path) -> Result<Self> {
        disk::create(image, disk::MIN_BYTES)
            .with_context(|| format!("{} cannot be made", image.display()))?;
        let page: String = disk::pattern()
            .chunks(32)
            .take(PAGE_LINES)
            .map(|line| disk::sha256_hex(line) + "\n")
            .collect();
        let page_sum = disk::sha256_hex(page.as_bytes());
        let server = HttpFixture::serve(page)?;
        let arguments = format!(
            "bulkhead.test=spine bulkhead.cpus={CPUS} bulkhead.disk={} bulkhead.port={} bulkhead.page={page_sum}",
            disk::sha256_hex(&disk::pattern()),
            server.port()
        );
        Ok(Self {
            server,
            image: image.to_owned(),
            arguments,
        })
    }

    fn run(&self, machine: &Machine, log: &Path) -> Result<()> {
        let mut session = machine.spawn(log)?;
        let end =
            Regex::new("^BH-CHECK all (ok|failed) .*").expect("a constant that the tests use");
        let end = run::wait(&mut session, &end, TIMEOUT)?;
        // Until the machine is off its last writes may not have reached the image.
        let off = session.wait_for_exit(Duration::from_secs(60));
        let lines = session.stop();
        judge(&lines, &end).with_context(|| format!("the whole log: {}", log.display()))?;
        ensure!(
            off.is_some(),
            "the machine did not power off after its last check; the whole log: {}",
            log.display()
        );
        ensure!(
            self.server.requests() == 1,
            "the web server answered {} requests, not 1",
            self.server.requests()
        );
        let copy = disk::read_file(&self.image, disk::COPY_FILE)
            .context("the guest's file is not on the disk")?;
        ensure!(
            copy == disk::pattern(),
            "the file that the guest wrote differs from the one it read"
        );
        Ok(())
    }
}

/// Requires each check's `ok` among the guest's lines.
fn judge(lines: &[String], end: &str) -> Result<()> {
    let ok = |name: &&str| {
        lines
            .iter()
            .any(|line| line.starts_with(&format!("BH-CHECK {name} ok")))
    };
    let missing: Vec<&str> = CHECKS.into_iter().filter(|name| !ok(name)).collect();
    if missing.is_empty() && end.starts_with("BH-CHECK all ok") {
        return Ok(());
    }
    let reports: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|line| line.starts_with("BH-"))
        .collect();
    bail!(
        "the guest's checks failed: {}\n{}",
        missing.join(", "),
        reports.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_must_be_reported() {
        let report = |failed: &str| -> Vec<String> {
            CHECKS
                .iter()
                .map(|name| {
                    format!(
                        "BH-CHECK {name} {} x",
                        if *name == failed { "failed" } else { "ok" }
                    )
                })
                .collect()
        };
        judge(&report(""), "BH-CHECK all ok 6").expect("all is well");
        let error = judge(&report("ping"), "BH-CHECK all failed 1")
            .expect_err("one failed")
            .to_string();
        assert!(
            error.starts_with("the guest's checks failed: ping\nBH-CHECK cpus ok x\n"),
            "{error}"
        );
        assert!(judge(&report("")[1..], "BH-CHECK all ok 6").is_err());
        assert!(judge(&report(""), "BH-CHECK all failed 1").is_err());
    }

    #[test]
    fn the_init_script_makes_every_check() {
        let script = include_str!("../guest/init.sh");
        for name in CHECKS {
            assert!(
                script.contains(&format!("    check {name} check_")),
                "{name}"
            );
        }
        assert!(script.contains(&format!("BH-CHECK all ok {}", CHECKS.len())));
    }
}
