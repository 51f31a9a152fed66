//! `build`: the hypervisor's image and the test guest.

use std::path::Path;

use anyhow::{Context, Result};

use crate::toolchain::Toolchain;
use crate::workspace::Workspace;
use crate::{image, process, ui};

/// The packages that are built for the firmware's target.
pub(crate) const FIRMWARE: [&str; 2] = ["hypervisor", "guest-test"];

/// What was built.
#[derive(Debug)]
pub(crate) struct Built {
    /// Size of the hypervisor's image in bytes.
    pub(crate) image_bytes: u64,
    /// How much of it is the symbol table.
    pub(crate) symbol_bytes: u64,
}

/// Builds everything that runs on the machine; quick when nothing has changed.
pub(crate) fn build(workspace: &Workspace) -> Result<Built> {
    let toolchain = Toolchain::find()?;
    ui::step(format!("building the firmware with {}", toolchain.version));
    // A target folder of its own: the other compiler's cargo must not find its files half in use.
    let target_dir = workspace.target().join("firmware");
    let mut cargo = toolchain.cargo("build", workspace.root(), &target_dir);
    cargo.arg("--release");
    for package in FIRMWARE {
        cargo.args(["-p", package]);
    }
    process::run(&mut cargo)?;
    let output = target_dir.join("powerpc64-bulkhead/release");
    let products = workspace.products();
    std::fs::create_dir_all(&products)
        .with_context(|| format!("{} cannot be made", products.display()))?;
    copy(&output.join("guest-test"), &workspace.test_guest())?;
    copy(&output.join("hypervisor"), &workspace.image_elf())?;
    let elf = std::fs::read(workspace.image_elf())?;
    let image = image::make(&elf)?;
    let path = workspace.image();
    std::fs::write(&path, &image.bytes)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    let built = Built {
        image_bytes: image.bytes.len() as u64,
        symbol_bytes: image.symbol_bytes as u64,
    };
    ui::note(format!(
        "{}: {} KiB, of which {} KiB name {} functions",
        workspace.show(&path),
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
