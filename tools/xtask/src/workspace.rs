//! Where things are: the sources, what is built, what is cached.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The checkout and its target folder.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Finds the checkout that this program was built from; `CARGO_TARGET_DIR` moves the target folder as for cargo.
    pub(crate) fn find() -> Self {
        // Two above this crate; cargo sets the variable for `cargo run`, the build's value serves otherwise.
        let here = std::env::var_os("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let here = PathBuf::from(here);
        let root = here
            .ancestors()
            .nth(2)
            .map_or_else(|| here.clone(), Path::to_owned);
        let target = match std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty())
        {
            Some(folder) => std::path::absolute(&folder).unwrap_or_else(|_| folder.into()),
            None => root.join("target"),
        };
        Self { root, target }
    }

    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            target: root.join("target"),
        }
    }

    /// The checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What cargo builds into; `${target}` in a manifest.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Firmware, payloads and bundles, ready for use.
    pub(crate) fn products(&self) -> PathBuf {
        self.target.join("bulkhead")
    }

    /// The raw image of the hypervisor.
    pub(crate) fn image(&self) -> PathBuf {
        self.products().join("bulkhead.img")
    }

    /// The hypervisor as ELF, for debuggers.
    pub(crate) fn image_elf(&self) -> PathBuf {
        self.products().join("bulkhead.elf")
    }

    /// The image that drives P7IOCs.
    pub(crate) fn p7ioc_image(&self) -> PathBuf {
        self.products().join("bulkhead-p7ioc.img")
    }

    /// The program that it is made of, for debuggers.
    pub(crate) fn p7ioc_elf(&self) -> PathBuf {
        self.products().join("bulkhead-p7ioc.elf")
    }

    /// The test guest, an ELF.
    pub(crate) fn test_guest(&self) -> PathBuf {
        self.products().join("guest-test.elf")
    }

    /// The raw image of `selftest`.
    pub(crate) fn selftest_image(&self) -> PathBuf {
        self.products().join("selftest.img")
    }

    /// Downloaded guests.
    pub(crate) fn guests(&self) -> PathBuf {
        self.target.join("guests")
    }

    /// Logs of runs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.target.join("logs")
    }

    /// Shortens `path` for a message: relative to the checkout where it is inside.
    pub(crate) fn show(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}

/// Reads a log; consoles may have printed any bytes.
pub(crate) fn read_log(file: &Path) -> Result<String> {
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .context("standard input cannot be read")?;
        bytes
    } else {
        std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
