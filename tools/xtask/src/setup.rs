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
const COMPILER_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
/// A linker, for machines without a rustup toolchain.
const LINKER_PACKAGE: &str = "binutils-powerpc64-linux-gnu";
/// Debian 12's newer packages.
const BACKPORTS: &str = "bookworm-backports";
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
                "- a linker for PowerPC: a rustup toolchain has one; else lld, or {LINKER_PACKAGE}"
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

    /// The packages of Debian's own archives, and whether its backports' QEMU is wanted too.
    fn packages(&self) -> Vec<&'static str> {
        let mut packages = Vec::new();
        if self.compiler {
            packages.extend(COMPILER_PACKAGES);
        }
        if self.linker {
            packages.push(LINKER_PACKAGE);
        }
        packages
    }

    fn install(&self, debian: Debian) -> Result<()> {
        let packages = self.packages();
        let Some(apt) = Privileged::obtain()? else {
            bail!(
                "packages are missing, and this user is neither root nor has sudo. Remedy: as root, run\n{}",
                self.commands(debian, &guests::mirror()).join("\n")
            );
        };
        let names: Vec<&str> = packages
            .iter()
            .copied()
            .chain(self.qemu.map(|_| QEMU_PACKAGE))
            .collect();
        ui::step(format!("installing by apt-get: {}", names.join(", ")));
        self.install_by(&apt, debian, &packages).map_err(|error| {
            anyhow!(
                "the packages could not be installed: {error:#}. Is there a network?\n{}",
                self.advice()
            )
        })
    }

    fn install_by(&self, apt: &Privileged, debian: Debian, packages: &[&str]) -> Result<()> {
        apt.get(&["update"])?;
        if !packages.is_empty() {
            apt.install(packages, &[])?;
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
    fn commands(&self, debian: Debian, mirror: &str) -> Vec<String> {
        let install = "    apt-get install --no-install-recommends";
        let mut lines = Vec::new();
        let backports = self.qemu.is_some() && debian == Debian::Bookworm;
        if backports {
            lines.push(format!(
                "    echo 'deb {mirror} {BACKPORTS} main' > {BACKPORTS_LIST}"
            ));
        }
        lines.push("    apt-get update".to_owned());
        let mut packages = self.packages();
        if backports {
            lines.push(format!("{install} -t {BACKPORTS} {QEMU_PACKAGE}"));
        } else if self.qemu.is_some() {
            packages.push(QEMU_PACKAGE);
        }
        if !packages.is_empty() {
            lines.push(format!("{install} {}", packages.join(" ")));
        }
        lines
    }
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
        Ok(Some(Self { sudo: true }))
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
        process::run(self.command("apt-get").args(["-q"]).args(arguments))
    }

    fn install(&self, packages: &[&str], options: &[String]) -> Result<()> {
        let mut command = self.command("apt-get");
        command
            .args(["-q", "install", "-y", "--no-install-recommends"])
            .args(options)
            .args(packages);
        process::run(&mut command)
    }

    /// Makes sure that bookworm-backports is among the package sources; returns apt-get's options to install from it.
    fn backports(&self) -> Result<Vec<String>> {
        let policy = process::capture(Command::new("apt-cache").args(["policy", QEMU_PACKAGE]))?;
        if !policy.contains(BACKPORTS) {
            let mirror = guests::mirror();
            ui::note(format!(
                "adding the package source {BACKPORTS} in {BACKPORTS_LIST}"
            ));
            let line = format!("deb {mirror} {BACKPORTS} main\n");
            let draft =
                std::env::temp_dir().join(format!("bulkhead-backports.{}", std::process::id()));
            std::fs::write(&draft, line)?;
            let copied = process::run(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_recognised() {
        let of = |version: &str| Debian::of(&format!("PRETTY_NAME=\"x\"\nID=debian\n{version}"));
        assert_eq!(of("VERSION_ID=\"12\""), Some(Debian::Bookworm));
        assert_eq!(of("VERSION_ID=\"13\""), Some(Debian::Later));
        assert_eq!(of("VERSION_ID=\"11\""), None);
        assert_eq!(of(""), Some(Debian::Later));
        assert_eq!(
            Debian::of("ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\""),
            None
        );
    }

    #[test]
    fn versions_of_qemu_are_compared_as_numbers() {
        assert_eq!(
            qemu_version("QEMU emulator version 10.0.2 (Debian 1:10.0.2)\nCopyright"),
            Some((10, 0))
        );
        assert_eq!(qemu_version("QEMU emulator version 7.2.22"), Some((7, 2)));
        assert_eq!(qemu_version("something else"), None);
        assert!(qemu_version("QEMU emulator version 9.2.0") < Some(MIN_QEMU));
        assert!(qemu_version("QEMU emulator version 11.0.0") >= Some(MIN_QEMU));
    }

    #[test]
    fn who_has_no_sudo_is_told_what_root_must_type() {
        let all = Missing {
            qemu: Some(None),
            compiler: true,
            linker: false,
        };
        assert_eq!(
            all.commands(Debian::Bookworm, "http://m.example/debian"),
            [
                "    echo 'deb http://m.example/debian bookworm-backports main' > \
                 /etc/apt/sources.list.d/bulkhead-backports.list",
                "    apt-get update",
                "    apt-get install --no-install-recommends -t bookworm-backports qemu-system-ppc",
                "    apt-get install --no-install-recommends rustc-web cargo-web rust-web-src",
            ]
        );
        assert_eq!(
            all.commands(Debian::Later, "http://m.example/debian"),
            [
                "    apt-get update",
                "    apt-get install --no-install-recommends rustc-web cargo-web rust-web-src qemu-system-ppc",
            ]
        );
    }

    #[test]
    fn advice_names_only_what_is_missing() {
        let qemu = Missing {
            qemu: Some(Some((7, 2))),
            compiler: false,
            linker: false,
        };
        assert!(
            qemu.advice()
                .contains("qemu-system-ppc64 10.0 or later (7.2 is installed)")
        );
        assert!(!qemu.advice().contains("Rust compiler"));
        let compiler = Missing {
            qemu: None,
            compiler: true,
            linker: false,
        };
        assert!(
            compiler
                .advice()
                .contains("`rustc-web`, `cargo-web` and `rust-web-src`")
        );
        assert!(!compiler.advice().contains("qemu"));
    }
}
