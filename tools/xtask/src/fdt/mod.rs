//! `fdt`: prints the device tree that the hypervisor makes for a partition, as source text.
//!
//! It is not made again here: the machine is booted, and the tree read from its memory, so that what is printed is what
//! the partition gets.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use regex::Regex;

use crate::workspace::Workspace;
use crate::{build, guests, run, setup, ui};

pub(crate) mod qmp;
mod source;

const TIMEOUT: Duration = Duration::from_secs(120);
/// More than any partition's tree has.
const MAX_TREE_BYTES: u64 = 16 << 20;

/// Prints the device tree that a partition is given.
#[derive(Debug, Args)]
pub(crate) struct FdtArguments {
    /// The manifest.
    #[arg(long, value_name = "FILE", default_value = "examples/linux.toml")]
    manifest: PathBuf,
    /// The partition; the first one of the manifest if not given.
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,
    /// Writes the blob instead of text, for `dtc` and the like.
    #[arg(long, value_name = "FILE")]
    blob: Option<PathBuf>,
}

/// Runs as `arguments` say.
pub(crate) fn fdt(workspace: &Workspace, arguments: &FdtArguments) -> Result<()> {
    qemu_run::stop_all_on_interrupt(|| ());
    setup::tools()?;
    let text = std::fs::read_to_string(&arguments.manifest).unwrap_or_default();
    guests::provide(workspace, &guests::needed_by(&text))?;
    build::build(workspace)?;
    // Short and private: a unix socket's path has little room, and nobody else should talk to QEMU.
    let folder = std::env::temp_dir().join(format!("bulkhead-fdt-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let tree = read_tree(workspace, arguments, &folder);
    std::fs::remove_dir_all(&folder)?;
    let tree = tree?;
    if let Some(file) = &arguments.blob {
        return std::fs::write(file, &tree)
            .with_context(|| format!("{} cannot be written", file.display()));
    }
    print!("{}", source::print(&tree)?);
    Ok(())
}

fn read_tree(
    workspace: &Workspace,
    arguments: &FdtArguments,
    folder: &std::path::Path,
) -> Result<Vec<u8>> {
    let socket = folder.join("qmp");
    let machine =
        run::prepare(workspace, &workspace.image(), &arguments.manifest, "")?.qmp(&socket);
    ui::step("booting until the device tree is made");
    let mut session = machine.spawn(&workspace.logs().join("fdt.log"))?;
    let name = arguments
        .partition
        .as_deref()
        .map_or(r"\S+".to_owned(), regex::escape);
    let line = Regex::new(&format!("{}partition {name}: {ADDRESS}", r"^bulkhead\| .*"))?;
    let line = session.wait_for(&line, TIMEOUT)?;
    let (address, bytes) =
        place(&line).context("the hypervisor's line about its device tree has another form")?;
    if bytes == 0 || bytes > MAX_TREE_BYTES {
        bail!("the hypervisor says that the device tree has {bytes} bytes");
    }
    let dump = folder.join("tree");
    qmp::save_memory(&socket, address, bytes, &dump)?;
    let _ = session.stop();
    std::fs::read(&dump).with_context(|| format!("QEMU has not written {}", dump.display()))
}

/// How the hypervisor reports where a tree is.
const ADDRESS: &str = r"device tree at 0x([0-9a-f]+), (\d+) bytes";

/// Real address and size in such a line.
fn place(line: &str) -> Option<(u64, u64)> {
    let captures = Regex::new(ADDRESS).ok()?.captures(line)?;
    Some((
        u64::from_str_radix(&captures[1], 16).ok()?,
        captures[2].parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hypervisors_line_is_read() {
        let line =
            "bulkhead|     0.1 cpu0 INFO  partition linux: device tree at 0x3fe0000, 9471 bytes";
        assert_eq!(place(line), Some((0x3FE_0000, 9471)));
        assert_eq!(place("partition linux: device tree made"), None);
    }
}
