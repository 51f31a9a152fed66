//! `run`: boots a manifest, for a person at a terminal or for a script.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use clap::Args;
use qemu_run::{Machine, Session, Source, WaitError};
use regex::Regex;

use crate::manifest::Manifest;
use crate::workspace::Workspace;
use crate::{build, guests, process, setup, ui};

/// What `run` starts when it is not told.
const DEFAULT_MANIFEST: &str = "examples/linux.toml";
/// What it starts when nothing could be downloaded.
const SELFTEST_MANIFEST: &str = "examples/selftest.toml";
/// QEMU's setting that makes one instruction one nanosecond.
const DEFAULT_ICOUNT: &str = "shift=0,sleep=off";
/// The line by which the hypervisor reports that a partition's kernel has given up.
pub(crate) const PARTITION_PANIC: &str = r"^bulkhead\| .*partition \S+: os-term: ";

/// The boot argument by which the hypervisor prints its map.
pub(crate) const MAP_ARGUMENT: &str = "bulkhead.map";

/// The bridges that the hypervisor drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Phb {
    /// The machine's own.
    Phb3,
    /// P7IOCs, their registers by the model of the chip, over the machine's own bridges.
    P7ioc,
}

/// Which machine is started.
#[derive(Debug, Args)]
pub(crate) struct MachineArguments {
    /// The manifest; examples/linux.toml if not given.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Text to add to every partition's command line.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    append: String,
    /// Has the hypervisor print, before partitions run, the lines that `cargo xtask map` draws.
    #[arg(long)]
    map: bool,
    /// Which host bridges the hypervisor drives.
    #[arg(long, value_enum, value_name = "KIND", default_value_t = Phb::Phb3)]
    phb: Phb,
    /// QEMU's machine and its options, as after -M.
    #[arg(long, value_name = "MACHINE", default_value = qemu_run::REFERENCE_MACHINE)]
    machine: String,
    /// One more argument for QEMU; may be given often.
    #[arg(long = "qemu-arg", value_name = "ARGUMENT", allow_hyphen_values = true)]
    qemu_arguments: Vec<String>,
    /// Counts instructions, so that runs repeat exactly.
    #[arg(long, value_name = "SETTING", num_args = 0..=1, require_equals = true, default_missing_value = DEFAULT_ICOUNT)]
    icount: Option<String>,
    /// Waits for a debugger before the first instruction, on a loopback TCP port.
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "1234")]
    gdb: Option<u16>,
}

/// Boots the partitions of a manifest under QEMU.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    machine: MachineArguments,
    /// For scripts: succeed as soon as a line of a partition's console matches.
    #[arg(long, value_name = "REGEX")]
    expect: Option<Regex>,
    /// How long to wait for the line.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 300,
        requires = "expect"
    )]
    timeout: u64,
}

/// Runs as `arguments` say; the exit code is what docs/manifest.md promises to scripts.
pub(crate) fn run(workspace: &Workspace, arguments: &RunArguments) -> Result<ExitCode> {
    let terminal = Terminal::save();
    qemu_run::stop_all_on_interrupt(move || terminal.restore());
    let (machine, manifest) = arguments.machine.make(workspace)?;
    let log = log_path(workspace, &manifest);
    match &arguments.expect {
        Some(regex) => expect(
            workspace,
            &machine,
            &log,
            regex,
            Duration::from_secs(arguments.timeout),
        ),
        None => interactive(workspace, &machine, &log),
    }
}

/// Packs `manifest` into a bundle and describes the machine that it is for, `image` its firmware.
pub(crate) fn prepare(
    workspace: &Workspace,
    image: &Path,
    manifest: &Path,
    append: &str,
) -> Result<Machine> {
    ui::step(format!("packing {}", workspace.show(manifest)));
    let content = Manifest::load(workspace, manifest)?;
    let machine = content.qemu(image)?;
    let name = manifest
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let bundle = workspace.products().join(name + ".bundle");
    write_bundle(&bundle, &content.pack(append)?)?;
    Ok(machine.bundle(bundle))
}

/// Writes a bundle, making its folder.
pub(crate) fn write_bundle(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    std::fs::write(path, bytes)
        .with_context(|| format!("the bundle {} cannot be written", path.display()))
}

/// Makes the guests ready that the manifest needs; without a network the default becomes the built-in test guest.
fn choose_manifest(workspace: &Workspace, given: Option<&Path>) -> Result<PathBuf> {
    let default = workspace.root().join(DEFAULT_MANIFEST);
    let manifest = given.map_or(default, Path::to_owned);
    let text = std::fs::read_to_string(&manifest).unwrap_or_default();
    match guests::provide(workspace, &guests::needed_by(&text)) {
        Ok(()) => Ok(manifest),
        Err(error) if given.is_none() => {
            ui::note(format!("{error:#}"));
            ui::note(
                "no guest could be downloaded and none is cached: starting the built-in test guest instead",
            );
            Ok(workspace.root().join(SELFTEST_MANIFEST))
        }
        Err(error) => Err(error.context(format!(
            "a guest that {} needs is not there",
            manifest.display()
        ))),
    }
}

impl MachineArguments {
    /// Builds all that it needs. Returns it with its manifest.
    pub(crate) fn make(&self, workspace: &Workspace) -> Result<(Machine, PathBuf)> {
        setup::tools()?;
        let manifest = choose_manifest(workspace, self.manifest.as_deref())?;
        let (image, elf) = match self.phb {
            Phb::Phb3 => {
                build::build(workspace)?;
                (workspace.image(), workspace.image_elf())
            }
            Phb::P7ioc => {
                build::p7ioc(workspace)?;
                (workspace.p7ioc_image(), workspace.p7ioc_elf())
            }
        };
        let machine = prepare(workspace, &image, &manifest, &self.append)?;
        if let Some(port) = self.gdb {
            let elf = workspace.show(&elf);
            ui::note("the machine waits for a debugger; attach with");
            ui::note(format!(
                "gdb-multiarch {elf} -ex 'target remote 127.0.0.1:{port}'"
            ));
        }
        Ok((self.adjust(machine), manifest))
    }

    fn adjust(&self, machine: Machine) -> Machine {
        let mut machine = machine.kind(&self.machine);
        if let Some(setting) = &self.icount {
            machine = machine.icount(setting);
        }
        if let Some(port) = self.gdb {
            machine = machine.gdb(port);
        }
        if self.map {
            machine = machine.arg("-append").arg(MAP_ARGUMENT);
        }
        let more = self.qemu_arguments.iter();
        more.fold(machine, |machine, argument| machine.arg(argument))
    }
}

/// The log of a run that begins now.
pub(crate) fn log_path(workspace: &Workspace, manifest: &Path) -> PathBuf {
    let seconds = SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_secs());
    let name = manifest.file_stem().unwrap_or_default().to_string_lossy();
    workspace.logs().join(format!("{name}-{seconds}.log"))
}

fn interactive(workspace: &Workspace, machine: &Machine, log: &Path) -> Result<ExitCode> {
    std::fs::create_dir_all(workspace.logs())?;
    ui::step(
        "starting QEMU: this terminal is the console; Ctrl-A x leaves, Ctrl-A h lists more, Ctrl-] ? tells whose console it is",
    );
    let terminal = Terminal::save();
    let mut command = machine.interactive_command(log);
    let status = qemu_run::run_in_terminal(&mut command);
    terminal.restore();
    let status =
        status.with_context(|| format!("`{}` could not be started", process::show(&command)))?;
    ui::note(format!(
        "QEMU has ended; the log is {}",
        workspace.show(log)
    ));
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn expect(
    workspace: &Workspace,
    machine: &Machine,
    log: &Path,
    regex: &Regex,
    timeout: Duration,
) -> Result<ExitCode> {
    ui::step(format!(
        "starting QEMU, waiting up to {} s for `{regex}`",
        timeout.as_secs()
    ));
    let bar = ui::spinner("running");
    let mut session = machine.spawn(log)?;
    let found = wait(&mut session, regex, timeout);
    bar.finish_and_clear();
    let seconds = session.elapsed().as_secs_f32();
    drop(session);
    let shown = workspace.show(log);
    match found {
        Ok(text) => {
            println!("found after {seconds:.1} s: {text}");
            println!("log: {shown}");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("{error}");
            println!("log: {shown}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Waits for a line of a partition; any partition's panic ends the wait.
pub(crate) fn wait(
    session: &mut Session,
    regex: &Regex,
    timeout: Duration,
) -> Result<String, WaitError> {
    session.fail_on(Regex::new(PARTITION_PANIC).expect("a constant that the tests use"));
    session.wait_for_prompt(Source::Partitions, regex, timeout)
}

/// The terminal's settings, which QEMU changes and, when it is killed, leaves changed.
#[derive(Debug, Clone)]
struct Terminal(Option<String>);

impl Terminal {
    fn save() -> Self {
        let mut stty = Command::new("stty");
        Self(process::capture(stty.arg("-g").stdin(Stdio::inherit())).ok())
    }

    fn restore(&self) {
        if let Some(settings) = &self.0 {
            // Nothing more can be done about a terminal that is gone.
            let _ = Command::new("stty").arg(settings).status();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partitions_panic_is_recognised() {
        let regex = Regex::new(PARTITION_PANIC).expect("a regular expression");
        assert!(
            regex.is_match(
                "bulkhead|     1.234567 cpu0 ERROR partition linux: os-term: Kernel panic"
            )
        );
        assert!(!regex.is_match("os-term: partition linux"));
        assert!(!regex.is_match("partition linux: os-term: typed by somebody"));
    }

    #[test]
    fn without_a_network_the_default_is_the_built_in_guest() {
        let folder = tempfile::tempdir().expect("a folder");
        let workspace = Workspace::at(folder.path());
        std::fs::create_dir(folder.path().join("examples")).expect("made");
        std::fs::write(
            folder.path().join(DEFAULT_MANIFEST),
            "guests/debian-6.1/vmlinux",
        )
        .expect("written");
        // A file where the folder of the guests should be: as good as no network, and sure to fail.
        std::fs::create_dir(folder.path().join("target")).expect("made");
        std::fs::write(workspace.guests(), "").expect("written");
        let chosen = choose_manifest(&workspace, None).expect("falls back");
        assert_eq!(chosen, folder.path().join(SELFTEST_MANIFEST));
        let given = folder.path().join(DEFAULT_MANIFEST);
        let error = choose_manifest(&workspace, Some(&given))
            .expect_err("was asked for")
            .to_string();
        assert!(
            error.starts_with("a guest that ") && error.ends_with("needs is not there"),
            "{error}"
        );
    }
}
