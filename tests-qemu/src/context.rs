//! Where everything is, and how a case starts its machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bundle::build::{EthernetSpec, Load, PartitionSpec};
use bundle::{AfterCrash, Console, Device, Processors};
use qemu_run::{Machine, Piped, Session};
use regex::Regex;

/// The DMA window that test devices get, in bytes.
const WINDOW_BYTES: u64 = 1 << 30;

/// Paths, and what belongs to the case that runs.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Context {
    /// The hypervisor's image.
    #[arg(
        long,
        env = "BULKHEAD_IMAGE",
        default_value = "target/bulkhead/bulkhead.img"
    )]
    image: PathBuf,
    /// The test guest, an ELF.
    #[arg(
        long,
        env = "BULKHEAD_GUEST_TEST",
        default_value = "target/bulkhead/guest-test.elf"
    )]
    guest_test: PathBuf,
    /// The image of `selftest`.
    #[arg(
        long,
        env = "BULKHEAD_SELFTEST",
        default_value = "target/bulkhead/selftest.img"
    )]
    selftest_image: PathBuf,
    /// The image that drives P7IOCs.
    #[arg(
        long,
        env = "BULKHEAD_P7IOC",
        default_value = "target/bulkhead/bulkhead-p7ioc.img"
    )]
    p7ioc_image: PathBuf,
    /// The folder with the Linux guests that `cargo xtask setup` provides.
    #[arg(long, env = "BULKHEAD_GUESTS", default_value = "target/guests")]
    pub(crate) guests: PathBuf,
    /// The folder for logs, bundles and disks.
    #[arg(long, env = "BULKHEAD_LOGS", default_value = "target/logs/tests-qemu")]
    logs: PathBuf,
    /// Linux guests that are not there make their cases fail instead of being skipped.
    #[arg(long)]
    pub(crate) require_guests: bool,
    /// Multiplies every time limit, which are what an idle host of two CPUs keeps with room; a busy or slow one needs more.
    #[arg(long, default_value_t = 4)]
    patience: u32,
    /// How many calls the attacker makes beside Linux, which is booted again until it has.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) attack_calls: u64,
    /// How long the case `soak` has partitions work, in seconds.
    #[arg(long, default_value_t = 15)]
    pub(crate) soak_seconds: u64,
    /// More words for guest-test's command line in the case `guest-test`, such as `only=tce`.
    #[arg(long, default_value = "")]
    pub(crate) payload_words: String,
    /// A folder with eeh-basic.sh and eeh-functions.sh of Linux's tools/testing/selftests/powerpc/eeh, which the case
    /// `eeh-basic-linux-6.1` runs; it is skipped without.
    #[arg(long, env = "BULKHEAD_EEH_SELFTEST")]
    pub(crate) eeh_selftest: Option<PathBuf>,
    #[arg(skip)]
    case: String,
}

impl Context {
    /// The context of case `name`.
    pub(crate) fn of(&self, name: &str) -> Self {
        Self {
            case: name.replace(['/', ' '], "-"),
            ..self.clone()
        }
    }

    /// The same with `selftest` in the hypervisor's place.
    pub(crate) fn with_selftest(&self) -> Self {
        Self {
            image: self.selftest_image.clone(),
            ..self.clone()
        }
    }

    /// The same with the image that drives P7IOCs.
    pub(crate) fn with_p7ioc(&self) -> Self {
        Self {
            image: self.p7ioc_image.clone(),
            ..self.clone()
        }
    }

    /// A time limit of `seconds`.
    pub(crate) fn limit(&self, seconds: u64) -> Duration {
        Duration::from_secs(seconds) * self.patience
    }

    /// A file of this case, named with `suffix`; its folder is made.
    pub(crate) fn file(&self, suffix: &str) -> Result<PathBuf> {
        std::fs::create_dir_all(&self.logs)
            .with_context(|| format!("{} cannot be made", self.logs.display()))?;
        Ok(self.logs.join(format!("{}.{suffix}", self.case)))
    }

    /// The reference machine: 2 CPUs, 2 GiB.
    pub(crate) fn machine(&self) -> Machine {
        Machine::new(&self.image)
    }

    /// `machine` with the bundle `bytes`, started.
    pub(crate) fn boot(&self, machine: Machine, bytes: &[u8]) -> Result<Session> {
        self.start(self.with_bundle(machine, bytes)?)
    }

    /// `machine` with the bundle `bytes`, started for a program at its serial line.
    pub(crate) fn boot_piped(&self, machine: Machine, bytes: &[u8]) -> Result<Piped> {
        let machine = self.with_bundle(machine, bytes)?;
        Ok(machine.spawn_piped(&self.file("log")?)?)
    }

    fn with_bundle(&self, machine: Machine, bytes: &[u8]) -> Result<Machine> {
        ensure!(
            self.image.exists(),
            "{} is missing: run `cargo xtask build`",
            self.image.display()
        );
        let path = self.file("bundle")?;
        std::fs::write(&path, bytes)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(machine.bundle(path))
    }

    /// `machine` as it is, started.
    pub(crate) fn start(&self, machine: Machine) -> Result<Session> {
        ensure!(
            self.image.exists(),
            "{} is missing: run `cargo xtask build`",
            self.image.display()
        );
        Ok(machine.spawn(&self.file("log")?)?)
    }

    /// A partition with `guest-test` and command line `words`: 512 MiB, 2 CPUs, no device.
    pub(crate) fn payload(&self, words: &str) -> Result<PartitionSpec> {
        Ok(PartitionSpec {
            name: "payload".to_owned(),
            memory_bytes: 512 << 20,
            cpus: 2,
            processors: Processors::Dedicated,
            console: Console::Vty,
            after_crash: AfterCrash::GoOn,
            kernel: read(&self.guest_test)?,
            load: Load::Elf,
            initrd: None,
            command_line: words.to_owned(),
            devices: Vec::new(),
            ethernets: Vec::new(),
        })
    }
}

/// The device at `path` with a DMA window of 1 GiB and 16 interrupts.
pub(crate) fn device(path: &str) -> Result<Device> {
    let path = path
        .parse()
        .map_err(|error| anyhow::anyhow!("{path}: {error:?}"))?;
    Ok(Device {
        path,
        dma_window_bytes: WINDOW_BYTES,
        msi_quota: 16,
    })
}

/// A virtual Ethernet adapter on VLAN `vlan` of the only switch; `last` ends its address, and no other's.
pub(crate) fn ethernet(vlan: u16, last: u8) -> EthernetSpec {
    EthernetSpec {
        switch: "lan".to_owned(),
        vlan,
        mac: [0x02, 0x42, 0x48, 0, 0, last],
    }
}

/// The file at `path`, or an error that names it.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// A regular expression of the tests' own.
pub(crate) fn regex(pattern: &str) -> Result<Regex> {
    Ok(Regex::new(pattern)?)
}

/// Waits for the machine's end and returns the reason given for it.
///
/// The reasons are spelled out, as a line may be looked at before all of it has come.
pub(crate) fn stop_reason(session: &mut Session, limit: Duration) -> Result<String> {
    let reasons = "power-off|panic|machine-check|unexpected-interrupt|bad-machine|bad-bundle";
    let line = session.wait_for(&regex(&format!(r"^bulkhead\| STOP ({reasons})"))?, limit)?;
    Ok(line.rsplit(' ').next().unwrap_or_default().to_owned())
}

/// Waits for the machine's end and checks that `reason` was given for it.
pub(crate) fn stops_with(session: &mut Session, reason: &str, limit: Duration) -> Result<()> {
    let got = stop_reason(session, limit)?;
    ensure!(
        got == reason,
        "the machine stopped with `{got}` and not `{reason}`; {}",
        session.log().display()
    );
    Ok(())
}
