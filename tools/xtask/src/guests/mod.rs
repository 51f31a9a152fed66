//! Real guests: Debian's kernels for POWER, each with an initramfs made here.
//!
//! What is there already is used without asking anybody, so that a second run is quick and one without a network works.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use flate2::{Compression, write::GzEncoder};

use crate::workspace::Workspace;
use crate::{process, ui};

mod apt;
mod cpio;
mod modules;
mod sources;

use apt::{Apt, Package};
pub(crate) use apt::{WANTED, is_possible, mirrors, no_mirror};

/// The first process of every guest.
const INIT: &str = include_str!("../../guest/init.sh");
/// What the guests' devices and the test disk need.
const MODULES: [&str; 7] = [
    "ibmveth",
    "nvme",
    "e1000e",
    "vfat",
    "nls_cp437",
    "nls_ascii",
    "nls_utf8",
];

/// One of Debian's kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Guest {
    /// Its folder in `target/guests`.
    pub(crate) name: &'static str,
    /// Whether it is the one of Debian 12's backports.
    backports: bool,
}

/// All of them; the first is the one that `cargo xtask run` starts.
pub(crate) const GUESTS: [Guest; 2] = [
    Guest {
        name: "debian-6.1",
        backports: false,
    },
    Guest {
        name: "debian-6.12",
        backports: true,
    },
];

impl Guest {
    fn folder(self, workspace: &Workspace) -> PathBuf {
        workspace.guests().join(self.name)
    }

    /// What must be in its folder's `version` file for its kernel and modules to be the ones wanted here.
    fn stamp() -> String {
        format!("modules: {}", MODULES.join(" "))
    }

    fn is_unpacked(self, workspace: &Workspace) -> bool {
        is_unpacked(&self.folder(workspace))
    }
}

/// Finds the guests that a manifest's text names.
pub(crate) fn needed_by(manifest: &str) -> Vec<Guest> {
    GUESTS
        .into_iter()
        .filter(|guest| manifest.contains(&format!("guests/{}/", guest.name)))
        .collect()
}

/// Makes those of `guests` ready that are not.
pub(crate) fn provide(workspace: &Workspace, guests: &[Guest]) -> Result<()> {
    if guests.is_empty() {
        return Ok(());
    }
    let folder = workspace.guests();
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    let busybox = folder.join("busybox");
    if !busybox.exists() || !guests.iter().all(|guest| guest.is_unpacked(workspace)) {
        let apt = Apt::update(&folder.join("apt"))?;
        if !busybox.exists() {
            provide_busybox(&apt, &busybox)?;
        }
        for guest in guests.iter().filter(|guest| !guest.is_unpacked(workspace)) {
            provide_kernel(&apt, *guest, &guest.folder(workspace))?;
        }
    }
    for guest in guests {
        let folder = guest.folder(workspace);
        if !initramfs_is_current(&folder) {
            ui::step(format!("making the initramfs of {}", guest.name));
            let bar = ui::spinner("packing");
            let made = make_initramfs(&folder, &busybox);
            bar.finish_and_clear();
            made?;
        }
    }
    Ok(())
}

fn provide_busybox(apt: &Apt, file: &Path) -> Result<()> {
    let package = apt
        .versions("busybox-static")?
        .into_iter()
        .next()
        .context("Debian has no busybox-static")?;
    let folder = unpack(&apt.download(&package)?, file)?;
    let binary = ["bin/busybox", "usr/bin/busybox"].map(|path| folder.join(path));
    let binary = binary
        .iter()
        .find(|path| path.is_file())
        .context("busybox-static has no bin/busybox")?;
    std::fs::rename(binary, file)?;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// Puts `vmlinux` and the uncompressed modules into `folder`; `version` last, as it says that all is there.
fn provide_kernel(apt: &Apt, guest: Guest, folder: &Path) -> Result<()> {
    let meta = kernel_package(apt.versions("linux-image-powerpc64le")?, guest.backports)?;
    let name = meta
        .depends
        .iter()
        .find(|name| name.starts_with("linux-image-"));
    let name = name.with_context(|| format!("{} {} names no kernel", meta.name, meta.version))?;
    let package = apt
        .versions(name)?
        .into_iter()
        .next()
        .with_context(|| format!("Debian has no {name}"))?;
    let file = apt.download(&package)?;
    ui::step(format!("unpacking {} {}", package.name, package.version));
    let tree = unpack(&file, folder)?;
    let bar = ui::spinner("reading modules");
    let versions = ["usr/lib/modules", "lib/modules"].map(|path| tree.join(path));
    let versions = versions
        .iter()
        .find(|path| path.is_dir())
        .context("the kernel package has no modules")?;
    let version = only_entry(versions, "")?;
    let modules = modules::closure(&version, &MODULES)?;
    bar.finish_and_clear();
    std::fs::create_dir_all(folder.join("modules"))?;
    let mut order = String::new();
    for module in modules {
        let file = format!("{}.ko", module.name);
        std::fs::write(folder.join("modules").join(&file), module.bytes)?;
        order += &(file + "\n");
    }
    std::fs::write(folder.join("modules/order"), order)?;
    std::fs::rename(
        only_entry(&tree.join("boot"), "vmlinux-")?,
        folder.join("vmlinux"),
    )?;
    std::fs::remove_dir_all(tree)?;
    let version = format!("{} {}\n{}\n", package.name, package.version, Guest::stamp());
    std::fs::write(folder.join("version"), version)?;
    Ok(())
}

/// Of the versions of the package that names the current kernel: that of backports, or of the release.
fn kernel_package(versions: Vec<Package>, backports: bool) -> Result<Package> {
    let found = versions
        .into_iter()
        .find(|package| package.version.contains("~bpo") == backports);
    let suite = if backports {
        "backports"
    } else {
        "main archive"
    };
    found.with_context(|| format!("Debian 12's {suite} has no linux-image-powerpc64le"))
}

/// Unpacks a package into a new folder beside `beside`.
fn unpack(package: &Path, beside: &Path) -> Result<PathBuf> {
    let folder = beside.with_extension("unpacked");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let bar = ui::spinner("dpkg -x");
    let unpacked = process::capture(Command::new("dpkg").arg("-x").arg(package).arg(&folder));
    bar.finish_and_clear();
    unpacked?;
    Ok(folder)
}

/// The one entry of `folder` whose name begins with `prefix`.
fn only_entry(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("{} cannot be read", folder.display()))?;
    let names = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    let mut paths: Vec<PathBuf> = names.map(|entry| entry.path()).collect();
    match (paths.pop(), paths.pop()) {
        (Some(path), None) => Ok(path),
        _ => bail!(
            "{} should have exactly one entry `{prefix}*`",
            folder.display()
        ),
    }
}

/// What the initramfs depends on besides the files next to it.
fn recipe() -> String {
    let mut hasher = DefaultHasher::new();
    (INIT, MODULES).hash(&mut hasher);
    format!("{:016x}\n", hasher.finish())
}

/// Whether `folder` has the kernel and the modules that are wanted, all of them: it may be a copy of another checkout's.
fn is_unpacked(folder: &Path) -> bool {
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    let order = text("modules/order");
    text("version").lines().any(|line| line == Guest::stamp())
        && folder.join("vmlinux").exists()
        && order.lines().next().is_some()
        && order
            .lines()
            .all(|file| folder.join("modules").join(file).exists())
}

fn initramfs_is_current(folder: &Path) -> bool {
    folder.join("initramfs.gz").exists()
        && std::fs::read_to_string(folder.join("initramfs.recipe"))
            .is_ok_and(|text| text == recipe())
}

/// Packs busybox, the modules and the init script; the recipe is written last, as it says that all is there.
fn make_initramfs(folder: &Path, busybox: &Path) -> Result<()> {
    let mut archive = cpio::Archive::default();
    for path in ["bin", "dev", "modules"] {
        archive.folder(path);
    }
    // The kernel opens it for the first process before anything is mounted.
    archive.device("dev/console", 5, 1);
    archive.file("bin/busybox", 0o755, &std::fs::read(busybox)?);
    archive.link("bin/sh", "busybox");
    let order = std::fs::read_to_string(folder.join("modules/order"))?;
    for file in order.lines() {
        archive.file(
            &format!("modules/{file}"),
            0o644,
            &std::fs::read(folder.join("modules").join(file))?,
        );
    }
    archive.file("modules/order", 0o644, order.as_bytes());
    archive.file("init", 0o755, INIT.as_bytes());
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&archive.finish())?;
    std::fs::write(folder.join("initramfs.gz"), packed.finish()?)?;
    std::fs::write(folder.join("initramfs.recipe"), recipe())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_kernel_is_chosen() {
        let package = |version: &str| Package {
            name: "linux-image-powerpc64le".into(),
            version: version.into(),
            depends: Vec::new(),
            bytes: 0,
        };
        let both = || vec![package("6.12.95-1~bpo12+1"), package("6.1.176-1")];
        assert_eq!(
            kernel_package(both(), false).expect("is there").version,
            "6.1.176-1"
        );
        assert_eq!(
            kernel_package(both(), true).expect("is there").version,
            "6.12.95-1~bpo12+1"
        );
        assert!(kernel_package(vec![package("6.1.176-1")], true).is_err());
    }

    #[test]
    fn a_kernel_without_one_of_its_files_is_unpacked_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let stamp = format!("linux-image 1\n{}\n", Guest::stamp());
        let files = [
            ("version", stamp.as_str()),
            ("vmlinux", "ELF"),
            ("modules/order", "a.ko\nb.ko\n"),
            ("modules/a.ko", "module"),
            ("modules/b.ko", "module"),
        ];
        std::fs::create_dir(folder.join("modules")).expect("made");
        let write = |(name, text)| std::fs::write(folder.join(name), text).expect("written");
        files.into_iter().for_each(write);
        assert!(is_unpacked(folder));
        for (name, text) in files {
            std::fs::remove_file(folder.join(name)).expect("was there");
            assert!(!is_unpacked(folder), "{name}");
            write((name, text));
        }
        write(("version", "linux-image 1\nmodules: other\n"));
        assert!(!is_unpacked(folder));
    }

    #[test]
    fn an_initramfs_is_made_anew_when_its_recipe_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        std::fs::create_dir(folder.join("modules")).expect("made");
        std::fs::write(folder.join("modules/order"), "a.ko\n").expect("written");
        std::fs::write(folder.join("modules/a.ko"), "module").expect("written");
        std::fs::write(folder.join("busybox"), "binary").expect("written");
        assert!(!initramfs_is_current(folder));
        make_initramfs(folder, &folder.join("busybox")).expect("made");
        assert!(initramfs_is_current(folder));
        std::fs::write(folder.join("initramfs.recipe"), "other").expect("written");
        assert!(!initramfs_is_current(folder));
    }
}
