//! Which compiler builds the firmware, and which linker.
//!
//! The target is not one that rustc knows, so `core` and `alloc` are built too. That takes their sources and unstable
//! options: Debian's `rustc-web` and `cargo-web` with `rust-web-src`, or a nightly rustup toolchain with `rust-src`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

/// The lowest rustc version that builds the workspace (`rust-version` in Cargo.toml).
const MIN_MINOR: u32 = 95;
/// Where Debian installs its compiler, beside rustup's.
const DEBIAN_BIN: &str = "/usr/bin";
/// Cargo's variable for the linker of the target in `linker/powerpc64-bulkhead.json`.
const LINKER_VARIABLE: &str = "CARGO_TARGET_POWERPC64_BULKHEAD_LINKER";

/// Cargo's variable for its compiler's flags, parted by spaces.
const FLAGS_VARIABLE: &str = "CARGO_TARGET_POWERPC64_BULKHEAD_RUSTFLAGS";

/// A compiler that can build the firmware.
#[derive(Debug, Clone)]
pub(crate) struct Toolchain {
    bin: PathBuf,
    linker: PathBuf,
    /// What it calls itself.
    pub(crate) version: String,
}

/// Tells whether Debian's `version` of its compiler, such as `1.96.0+dfsg1-1`, builds the workspace.
pub(crate) fn is_new_enough(version: &str) -> bool {
    minor_version(version).is_some_and(|minor| minor >= MIN_MINOR)
}

/// What there is not, in words for a message.
pub(crate) const WANTED: &str = "the Debian packages `rustc-web`, `cargo-web` and `rust-web-src` \
(Debian 12, of its security archive, and 13), or `rustup toolchain install nightly --component rust-src`";

/// Which parts of a toolchain there are.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) compiler: bool,
    pub(crate) linker: bool,
}

impl Parts {
    /// Looks for them.
    pub(crate) fn look() -> Self {
        let compiler = Toolchain::find_compiler();
        let bin = compiler
            .as_ref()
            .map_or(Path::new(DEBIAN_BIN), |(bin, _)| bin);
        Self {
            compiler: compiler.is_some(),
            linker: find_linker(bin).is_some(),
        }
    }
}

impl Toolchain {
    /// Looks for a complete toolchain and a linker.
    pub(crate) fn find() -> Result<Self> {
        let Some((bin, version)) = Self::find_compiler() else {
            bail!(
                "no Rust compiler that can build the firmware was found.\n\
                 Remedy: run `cargo xtask setup`, or install {WANTED}"
            );
        };
        let Some(linker) = find_linker(&bin) else {
            bail!(
                "no linker for big-endian PowerPC was found: neither rust-lld in a rustup toolchain nor `ld.lld`.\n\
                 Remedy: install the package `lld`, or a rustup stable toolchain"
            );
        };
        Ok(Self {
            bin,
            linker,
            version,
        })
    }

    fn find_compiler() -> Option<(PathBuf, String)> {
        let nightly = process::capture(
            Command::new("rustup").args(["run", "nightly", "rustc", "--print", "sysroot"]),
        );
        let nightly = nightly
            .ok()
            .map(|sysroot| PathBuf::from(sysroot).join("bin"));
        std::iter::once(PathBuf::from(DEBIAN_BIN))
            .chain(nightly)
            .find_map(|bin| Some((bin.clone(), complete(&bin)?)))
    }

    /// Returns a cargo command for the firmware's target, with everything but the subcommand's own arguments.
    pub(crate) fn cargo(&self, subcommand: &str, root: &Path, target_dir: &Path) -> Command {
        let mut command = Command::new(self.bin.join("cargo"));
        clean_environment(&mut command);
        command
            .current_dir(root)
            .arg(subcommand)
            .args([
                "-Zbuild-std=core,alloc",
                "-Zbuild-std-features=compiler-builtins-mem,optimize_for_size",
                "-Zjson-target-spec",
            ])
            .arg("--target")
            .arg(root.join("linker/powerpc64-bulkhead.json"))
            .arg("--target-dir")
            .arg(target_dir)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", self.bin.join("rustc"))
            .env("RUSTDOC", self.bin.join("rustdoc"))
            .env(LINKER_VARIABLE, &self.linker)
            .env(FLAGS_VARIABLE, self.short_places().join(" "));
        command
    }

    /// Has panics name the files of outside crates and of the compiler's library without the folders of this machine:
    /// that is shorter, and the image is the same wherever it is built.
    fn short_places(&self) -> Vec<String> {
        let library = sysroot(Command::new(self.bin.join("rustc")))
            .map(|sysroot| sysroot.join("lib/rustlib/src/rust/library"));
        let cargo_home = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
        let registries = cargo_home
            .and_then(|home| std::fs::read_dir(home.join("registry/src")).ok())
            .into_iter()
            .flatten()
            .flatten()
            .map(|registry| registry.path());
        let mut folders: Vec<PathBuf> = library.into_iter().chain(registries).collect();
        folders.sort();
        // A space would part the flag in two.
        folders.retain(|folder| !folder.as_os_str().to_string_lossy().contains(' '));
        std::iter::once("--remap-path-scope=macro".to_owned())
            .chain(
                folders
                    .iter()
                    .map(|folder| format!("--remap-path-prefix={}/=", folder.display())),
            )
            .collect()
    }

    /// Downloads the crates that this compiler's own library needs, and the firmware.
    pub(crate) fn fetch(&self, root: &Path) -> Result<()> {
        let mut command = Command::new(self.bin.join("cargo"));
        clean_environment(&mut command);
        command
            .current_dir(root)
            .args(["fetch", "--locked", "-Zbuild-std=core,alloc"])
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", self.bin.join("rustc"));
        process::run(&mut command)
    }

    /// Tells whether clippy is beside this compiler.
    pub(crate) fn has_clippy(&self) -> bool {
        ["cargo-clippy", "clippy-driver"]
            .iter()
            .all(|name| self.bin.join(name).exists())
    }
}

/// Takes out what the cargo and rustup that run this program have set for themselves.
pub(crate) fn clean_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let inherited = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "RUSTUP_TOOLCHAIN",
            "RUST_RECURSION_COUNT",
            "RUSTC",
        ];
        if text == "CARGO" || inherited.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
}

/// Returns the version of the compiler in `bin` when it, its cargo and the library sources are there and new enough.
fn complete(bin: &Path) -> Option<String> {
    let (rustc, cargo) = (bin.join("rustc"), bin.join("cargo"));
    if !rustc.exists() || !cargo.exists() {
        return None;
    }
    let ask = |argument: &[&str]| {
        let mut command = Command::new(&rustc);
        clean_environment(&mut command);
        process::capture(command.args(argument)).ok()
    };
    let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
    let version = ask(&["--version"])?;
    let sources = sysroot.join("lib/rustlib/src/rust/library/alloc/Cargo.toml");
    let number = version.strip_prefix("rustc ")?;
    (sources.exists() && is_new_enough(number)).then_some(version)
}

/// The `96` of `1.96.0 (…)`.
fn minor_version(version: &str) -> Option<u32> {
    version.strip_prefix("1.")?.split('.').next()?.parse().ok()
}

/// The folder that a compiler has its library in.
fn sysroot(mut rustc: Command) -> Option<PathBuf> {
    clean_environment(&mut rustc);
    let printed = process::capture(rustc.args(["--print", "sysroot"]));
    printed.ok().map(PathBuf::from)
}

fn find_linker(bin: &Path) -> Option<PathBuf> {
    let lld_of = |rustc: Command| {
        let hosts = std::fs::read_dir(sysroot(rustc)?.join("lib/rustlib")).ok()?;
        hosts
            .flatten()
            .map(|host| host.path().join("bin/rust-lld"))
            .find(|file| file.exists())
    };
    lld_of(Command::new(bin.join("rustc")))
        .or_else(|| lld_of(Command::new("rustc")))
        .or_else(|| process::find("ld.lld"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minor_version_is_read() {
        assert_eq!(
            minor_version("1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)"),
            Some(96)
        );
        assert_eq!(minor_version("1.97.0-nightly (x 2026-06-01)"), Some(97));
        assert_eq!(minor_version("1.85.0+dfsg3-1~deb12u3"), Some(85));
        assert_eq!(minor_version("12"), None);
        assert_eq!(minor_version("(none)"), None);
    }

    #[test]
    fn a_folder_without_a_compiler_is_no_toolchain() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(complete(folder.path()), None);
    }
}
