//! `setup`: installs what is missing, on Debian; elsewhere says by name what to install.
//!
//! What is there is recognised by looking for it, so a second run asks no package manager anything.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use crate::toolchain;
use crate::workspace::Workspace;
use crate::{guests, process, ui};

/// The oldest QEMU whose POWER8 machine is good enough.
const MIN_QEMU: (u32, u32) = (10, 0);
const QEMU: &str = "qemu-system-ppc64";
const QEMU_PACKAGE: &str = "qemu-system-ppc";
/// Debian's packages with a Rust compiler and its library's sources: those for browsers, which stay new in a release,
/// and the ordinary ones.
const COMPILERS: [[&str; 3]; 2] = [
    ["rustc-web", "cargo-web", "rust-web-src"],
    ["rustc", "cargo", "rust-src"],
];
/// A linker, for machines without a rustup toolchain.
const LINKER_PACKAGE: &str = "lld";
/// Debian 12's newer packages.
const BACKPORTS: &str = "bookworm-backports";
/// Debian 12's security archive, which has a newer compiler than its main archive.
const SECURITY: &str = "bookworm-security";
const BACKPORTS_LIST: &str = "/etc/apt/sources.list.d/bulkhead-backports.list";

/// Makes everything ready: tools, and all guests.
pub(crate) fn all(workspace: &Workspace) -> Result<()> {
    tools()?;
    components()?;
    crates(workspace)?;
    guests::provide(workspace, &guests::GUESTS)?;
    ui::note("everything is there");
    Ok(())
}

/// Makes the emulator and the firmware's compiler ready.
pub(crate) fn tools() -> Result<()> {
    let missing = Missing::look();
    if missing.is_nothing() {
        return Ok(());
    }
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    match Debian::of(&release) {
        Some(debian) => missing.install(debian),
        None => bail!("{}", missing.advice()),
    }?;
    let still = Missing::look();
    if !still.is_nothing() {
        bail!(
            "after the installation something is still missing.\n{}",
            still.advice()
        );
    }
    Ok(())
}

/// Makes rustfmt and clippy ready, which only `check` needs.
pub(crate) fn components() -> Result<()> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if process::capture(Command::new("cargo").args([subcommand, "--version"])).is_ok() {
            continue;
        }
        ui::step(format!("installing the component {component}"));
        let added = process::run(Command::new("rustup").args(["component", "add", component]));
        added.with_context(|| {
            format!("`cargo {subcommand}` is missing. Remedy: rustup component add {component}")
        })?;
    }
    Ok(())
}

/// Downloads all crates, so that later commands need no network.
fn crates(workspace: &Workspace) -> Result<()> {
    ui::step("downloading crates");
    let mut host = Command::new("cargo");
    toolchain::clean_environment(&mut host);
    process::run(
        host.current_dir(workspace.root())
            .args(["fetch", "--locked"]),
    )?;
    // Those that the library of the firmware's target is made of.
    toolchain::Toolchain::find()?.fetch(workspace.root())
}

/// What a machine lacks.
#[derive(Debug, PartialEq, Eq)]
struct Missing {
    /// The emulator, and the version found if there is one.
    qemu: Option<Option<(u32, u32)>>,
    compiler: bool,
    linker: bool,
}

/// A Debian release that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Debian {
    /// 12: its QEMU is too old, its backports have a newer one.
    Bookworm,
    /// 13 and later.
    Later,
}

impl Debian {
    fn of(os_release: &str) -> Option<Self> {
        let field = |name: &str| {
            let line = os_release
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.map(|value| value.trim_matches('"'))
        };
        if field("ID") != Some("debian") {
            return None;
        }
        // Testing and unstable have no number, and are later than any.
        match field("VERSION_ID").map(|version| version.parse::<u32>()) {
            Some(Ok(12)) => Some(Self::Bookworm),
            Some(Ok(..12)) => None,
            _ => Some(Self::Later),
        }
    }
}

impl Missing {
    fn look() -> Self {
        let version = process::capture(Command::new(QEMU).arg("--version")).ok();
        let version = version.as_deref().and_then(qemu_version);
        let toolchain = toolchain::Parts::look();
        Self {
            qemu: if version >= Some(MIN_QEMU) {
                None
            } else {
                Some(version)
            },
            compiler: !toolchain.compiler,
            linker: !toolchain.linker,
        }
    }

    fn is_nothing(&self) -> bool {
        self.qemu.is_none() && !self.compiler && !self.linker
    }

    /// What to install, by name.
    fn advice(&self) -> String {
        let mut lines = vec![
            "This system lacks what Bulkhead is built and run with. Please install:".to_owned(),
        ];
        if let Some(found) = self.qemu {
            let found = found.map_or("none is installed".to_owned(), |(major, minor)| {
                format!("{major}.{minor} is installed")
            });
            lines.push(format!(
                "- {QEMU} {}.{} or later ({found}): Debian {QEMU_PACKAGE} (12: from bookworm-backports), Fedora \
                 qemu-system-ppc, Arch qemu-system-ppc, openSUSE qemu-ppc",
                MIN_QEMU.0, MIN_QEMU.1
            ));
        }
        if self.compiler {
            lines.push(format!(
                "- a Rust compiler that can build `core`: {}",
                toolchain::WANTED
            ));
        }
        if self.linker {
            lines.push(format!(
                "- a linker for PowerPC: a rustup toolchain has one; else {LINKER_PACKAGE}"
            ));
        }
        if !guests::is_possible() {
            lines.push(format!(
                "- to download Debian's kernels, without which `run` boots the built-in test guest: {}",
                guests::WANTED
            ));
        }
        lines.join("\n")
    }

    /// The packages that are wanted, but for QEMU's; the compiler's are `compiler`.
    fn packages(&self, compiler: [&'static str; 3]) -> Vec<&'static str> {
        let mut packages = Vec::new();
        if self.compiler {
            packages.extend(compiler);
        }
        if self.linker {
            packages.push(LINKER_PACKAGE);
        }
        packages
    }

    fn install(&self, debian: Debian) -> Result<()> {
        let Some(apt) = Privileged::obtain()? else {
            bail!(
                "packages are missing, and this user is neither root nor may use sudo. Remedy: as root, run\n{}",
                self.commands(debian, guests::mirrors().first().map(String::as_str))
                    .join("\n")
            );
        };
        self.install_by(&apt, debian).map_err(|error| {
            anyhow!(
                "the packages could not be installed: {error:#}\n{}",
                self.advice()
            )
        })
    }

    fn install_by(&self, apt: &Privileged, debian: Debian) -> Result<()> {
        apt.get(&["update"])
            .context("the package lists could not be fetched; is there a network?")?;
        let compiler = if self.compiler {
            choose_compiler(debian, candidate)?
        } else {
            COMPILERS[0]
        };
        let packages = self.packages(compiler);
        if !packages.is_empty() {
            apt.install(&packages, &[])?;
        }
        if self.qemu.is_some() {
            let from = match debian {
                Debian::Bookworm => apt.backports()?,
                Debian::Later => Vec::new(),
            };
            apt.install(&[QEMU_PACKAGE], &from)?;
        }
        Ok(())
    }

    /// What [`install`](Self::install) does, for somebody else to type.
    fn commands(&self, debian: Debian, mirror: Option<&str>) -> Vec<String> {
        let install = "    apt-get install --no-install-recommends";
        let mut lines = Vec::new();
        let backports = self.qemu.is_some() && debian == Debian::Bookworm;
        if backports {
            let mirror = mirror.unwrap_or("MIRROR");
            lines.push(format!(
                "    echo 'deb {mirror} {BACKPORTS} main' > {BACKPORTS_LIST}"
            ));
        }
        lines.push("    apt-get update".to_owned());
        let mut packages = self.packages(COMPILERS[0]);
        if backports {
            lines.push(format!("{install} -t {BACKPORTS} {QEMU_PACKAGE}"));
        } else if self.qemu.is_some() {
            packages.push(QEMU_PACKAGE);
        }
        if !packages.is_empty() {
            lines.push(format!("{install} {}", packages.join(" ")));
        }
        if backports && mirror.is_none() {
            lines.push("where MIRROR is the address of a mirror of Debian's archive".to_owned());
        }
        if self.compiler && debian == Debian::Bookworm {
            lines.push(format!(
                "{} come from the suite {SECURITY}",
                COMPILERS[0].join(", ")
            ));
        }
        lines
    }
}

/// The version of `package` that apt would install.
fn candidate(package: &str) -> Option<String> {
    let policy = process::capture(Command::new("apt-cache").args(["policy", package]));
    candidate_in(&policy.ok()?)
}

/// The `1.96.0` of a line `  Candidate: 1.96.0`.
fn candidate_in(policy: &str) -> Option<String> {
    let version = policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (version != "(none)").then(|| version.to_owned())
}

/// Chooses the compiler's packages by what the package sources offer.
fn choose_compiler(
    debian: Debian,
    candidate: impl Fn(&str) -> Option<String>,
) -> Result<[&'static str; 3]> {
    let offers = COMPILERS.map(|packages| (packages, candidate(packages[0])));
    let found = offers
        .iter()
        .find(|(_, version)| version.as_deref().is_some_and(toolchain::is_new_enough));
    if let Some((packages, _)) = found {
        return Ok(*packages);
    }
    let offered: Vec<String> = offers
        .iter()
        .filter_map(|(packages, version)| Some(format!("{} {}", packages[0], version.as_ref()?)))
        .collect();
    let offered = match offered.is_empty() {
        true => "none".to_owned(),
        false => format!("only {}", offered.join(" and ")),
    };
    let remedy = match debian {
        Debian::Bookworm => format!(
            "add Debian's security archive, suite {SECURITY}, to this system's package sources; its packages are {}",
            COMPILERS[0].join(", ")
        ),
        Debian::Later => format!("install {}", toolchain::WANTED),
    };
    bail!(
        "this system's package sources have no Rust compiler that is new enough: {offered}. Remedy: {remedy}"
    )
}

/// The `10, 0` of `QEMU emulator version 10.0.2 (Debian …)`.
fn qemu_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split("version ").nth(1)?.split(['.', ' ', '\n']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Runs apt-get as root.
struct Privileged {
    sudo: bool,
}

impl Privileged {
    /// Finds a way to be root; `None` when there is none.
    fn obtain() -> Result<Option<Self>> {
        let root = process::capture(Command::new("id").arg("-u"))? == "0";
        if root {
            return Ok(Some(Self { sudo: false }));
        }
        if process::find("sudo").is_none() {
            return Ok(None);
        }
        ui::note("this needs root: sudo may ask for your password");
        // Not every user who has the program may use it.
        let this = Self { sudo: true };
        let tried = process::capture(this.command("apt-get").arg("--version"));
        Ok(match tried {
            Ok(_) => Some(this),
            Err(error) => {
                ui::note(format!("{error:#}"));
                None
            }
        })
    }

    fn command(&self, program: &str) -> Command {
        if self.sudo {
            let mut command = Command::new("sudo");
            command.args(["DEBIAN_FRONTEND=noninteractive", program]);
            return command;
        }
        let mut command = Command::new(program);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    fn get(&self, arguments: &[&str]) -> Result<()> {
        announce_and_run(self.command("apt-get").args(["-q"]).args(arguments))
    }

    fn install(&self, packages: &[&str], options: &[String]) -> Result<()> {
        let mut command = self.command("apt-get");
        command
            .args(["-q", "install", "-y", "--no-install-recommends"])
            .args(options)
            .args(packages);
        announce_and_run(&mut command)
    }

    /// Makes sure that bookworm-backports is among the package sources; returns apt-get's options to install from it.
    fn backports(&self) -> Result<Vec<String>> {
        let policy = process::capture(Command::new("apt-cache").args(["policy", QEMU_PACKAGE]))?;
        if !policy.contains(BACKPORTS) {
            let mirrors = guests::mirrors();
            let mirror = mirrors.first().with_context(guests::no_mirror)?;
            ui::note(format!(
                "adding the package source {BACKPORTS} in {BACKPORTS_LIST}"
            ));
            let line = format!("deb {mirror} {BACKPORTS} main\n");
            let draft =
                std::env::temp_dir().join(format!("bulkhead-backports.{}", std::process::id()));
            std::fs::write(&draft, line)?;
            let copied = announce_and_run(
                self.command("install")
                    .args(["-m", "644"])
                    .arg(&draft)
                    .arg(Path::new(BACKPORTS_LIST)),
            );
            std::fs::remove_file(&draft)?;
            copied?;
            self.get(&["update"])?;
        }
        Ok(["-t", BACKPORTS].map(str::to_owned).to_vec())
    }
}

/// Shows a command that changes the system, and runs it.
fn announce_and_run(command: &mut Command) -> Result<()> {
    ui::step(process::show(command));
    process::run(command)
}

#[cfg(test)]
mod tests;
