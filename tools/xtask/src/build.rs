//! `build`: the hypervisor's image, the test guest, and the image that tests on the machine itself.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::toolchain::Toolchain;
use crate::workspace::Workspace;
use crate::{image, process, ui};

/// Packages that are built for the firmware's target together, with these features: others must not get them.
pub(crate) struct Group {
    pub(crate) packages: &'static [&'static str],
    pub(crate) features: &'static [&'static str],
}

/// The image and the test guest; the image that tests on the machine itself; the image that drives P7IOCs.
pub(crate) const FIRMWARE: [Group; 3] = [
    Group {
        packages: &["hypervisor", "guest-test"],
        features: &[],
    },
    Group {
        packages: &["selftest"],
        features: &[],
    },
    Group {
        packages: &["hypervisor"],
        features: &["hypervisor/p7ioc"],
    },
];

/// An image that can be built by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Target {
    /// The hypervisor, and the test guest.
    Bulkhead,
    /// The tests of bridges and drivers on the machine itself.
    Selftest,
    /// The hypervisor that drives P7IOCs.
    BulkheadP7ioc,
}

/// Builds `targets`, or all if there are none.
pub(crate) fn images(workspace: &Workspace, targets: &[Target]) -> Result<()> {
    for &target in Target::value_variants() {
        if targets.is_empty() || targets.contains(&target) {
            match target {
                Target::Bulkhead => build(workspace)?,
                Target::Selftest => selftest(workspace)?,
                Target::BulkheadP7ioc => p7ioc(workspace)?,
            };
        }
    }
    Ok(())
}

/// What was built.
#[derive(Debug)]
pub(crate) struct Built {
    /// Size of the hypervisor's image in bytes.
    pub(crate) image_bytes: u64,
    /// How much of it is the symbol table.
    pub(crate) symbol_bytes: u64,
}

/// Builds the hypervisor and the test guest; quick when nothing has changed.
pub(crate) fn build(workspace: &Workspace) -> Result<Built> {
    let output = compile(workspace, &FIRMWARE[0])?;
    copy(&output.join("guest-test"), &workspace.test_guest())?;
    copy(&output.join("hypervisor"), &workspace.image_elf())?;
    make_image(workspace, &workspace.image_elf(), &workspace.image())
}

/// Builds the image that runs the host's tests on the machine.
pub(crate) fn selftest(workspace: &Workspace) -> Result<Built> {
    let output = compile(workspace, &FIRMWARE[1])?;
    make_image(
        workspace,
        &output.join("selftest"),
        &workspace.selftest_image(),
    )
}

/// Builds the image that drives P7IOCs over the machine's PHB3s.
pub(crate) fn p7ioc(workspace: &Workspace) -> Result<Built> {
    let output = compile(workspace, &FIRMWARE[2])?;
    copy(&output.join("hypervisor"), &workspace.p7ioc_elf())?;
    make_image(workspace, &workspace.p7ioc_elf(), &workspace.p7ioc_image())
}

/// Compiles a group, makes the folder for products, and returns the one where the compiler put its own.
fn compile(workspace: &Workspace, group: &Group) -> Result<PathBuf> {
    let toolchain = Toolchain::find()?;
    ui::step(format!(
        "building {} with {}",
        [group.packages, group.features].concat().join(", "),
        toolchain.version
    ));
    // A target folder of its own: the other compiler's cargo must not find its files half in use.
    let target_dir = workspace.target().join("firmware");
    let mut cargo = toolchain.cargo("build", workspace.root(), &target_dir);
    cargo.arg("--release");
    for package in group.packages {
        cargo.args(["-p", package]);
    }
    for feature in group.features {
        cargo.args(["--features", feature]);
    }
    process::run(&mut cargo)?;
    let products = workspace.products();
    std::fs::create_dir_all(&products)
        .with_context(|| format!("{} cannot be made", products.display()))?;
    Ok(target_dir.join("powerpc64-bulkhead/release"))
}

/// Makes the raw image `path` of the program `elf`.
fn make_image(workspace: &Workspace, elf: &Path, path: &Path) -> Result<Built> {
    let elf = std::fs::read(elf).with_context(|| format!("{} cannot be read", elf.display()))?;
    let image = image::make(&elf)?;
    std::fs::write(path, &image.bytes)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    let built = Built {
        image_bytes: image.bytes.len() as u64,
        symbol_bytes: image.symbol_bytes as u64,
    };
    ui::note(format!(
        "{}: {} KiB, of which {} KiB name {} functions",
        workspace.show(path),
        built.image_bytes.div_ceil(1024),
        built.symbol_bytes.div_ceil(1024),
        image.symbols
    ));
    Ok(built)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to)
        .with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))?;
    Ok(())
}
