//! Kernel modules: which ones an initramfs needs, in the order in which they load.
//!
//! A Debian package carries no `modules.dep` (it is made when the package is installed), so dependencies are read from
//! the modules themselves.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection};

/// A module, ready to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    /// Its name, with `_` for `-`.
    pub(crate) name: String,
    /// The uncompressed object file.
    pub(crate) bytes: Vec<u8>,
}

/// Reads `roots` and all they depend on from `folder` (one kernel's `/lib/modules/<version>`), dependencies first.
///
/// What is built into the kernel is left out.
pub(crate) fn closure(folder: &Path, roots: &[&str]) -> Result<Vec<Module>> {
    let mut files = HashMap::new();
    collect(folder, &mut files)?;
    let builtin = std::fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default();
    let builtin: Vec<String> = builtin
        .lines()
        .filter_map(|line| module_name(Path::new(line)))
        .collect();
    let mut chosen = Vec::new();
    for root in roots {
        add(root, &files, &builtin, &mut chosen, &mut Vec::new())?;
    }
    Ok(chosen)
}

fn add(
    name: &str,
    files: &HashMap<String, PathBuf>,
    builtin: &[String],
    chosen: &mut Vec<Module>,
    above: &mut Vec<String>,
) -> Result<()> {
    let name = name.replace('-', "_");
    if builtin.contains(&name) || chosen.iter().any(|module| module.name == name) {
        return Ok(());
    }
    if above.contains(&name) {
        bail!(
            "kernel modules depend on each other in a ring: {} {name}",
            above.join(" ")
        );
    }
    let Some(path) = files.get(&name) else {
        bail!("the kernel package has no module `{name}`, neither as a file nor built in");
    };
    let bytes = read(path)?;
    let needed =
        dependencies(&bytes).with_context(|| format!("{} is no kernel module", path.display()))?;
    above.push(name.clone());
    for needed in needed {
        add(&needed, files, builtin, chosen, above)?;
    }
    above.pop();
    chosen.push(Module { name, bytes });
    Ok(())
}

/// Reads a module's file; `.xz` is unpacked.
fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes =
        std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    if path.extension().is_none_or(|extension| extension != "xz") {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    lzma_rs::xz_decompress(&mut bytes.as_slice(), &mut unpacked)
        .map_err(|error| anyhow::anyhow!("{} cannot be unpacked: {error:?}", path.display()))?;
    Ok(unpacked)
}

/// The names after `depends=` in the section `.modinfo`.
fn dependencies(module: &[u8]) -> Result<Vec<String>> {
    let file = object::File::parse(module)?;
    let section = file
        .section_by_name(".modinfo")
        .context("it has no section .modinfo")?;
    let data = section.data()?;
    let line = data
        .split(|&byte| byte == 0)
        .find_map(|line| line.strip_prefix(b"depends="));
    let names = String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
    Ok(names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect())
}

fn collect(folder: &Path, files: &mut HashMap<String, PathBuf>) -> Result<()> {
    for entry in
        std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?
    {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else if let Some(name) = module_name(&entry.path()) {
            files.insert(name, entry.path());
        }
    }
    Ok(())
}

/// `nvme_core` of `…/nvme-core.ko` and `…/nvme-core.ko.xz`.
fn module_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let name = name
        .strip_suffix(".xz")
        .unwrap_or(name)
        .strip_suffix(".ko")?;
    Some(name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_elf::{Elf, Segment};

    /// A module with `depends=<needed>`: the test ELF's one content section, renamed.
    fn module(needed: &str) -> Vec<u8> {
        let bytes = format!("license=GPL\0depends={needed}\0name=x\0").into_bytes();
        let memory_bytes = bytes.len() as u64;
        let elf = Elf::powerpc64_be().segment(Segment {
            address: 0,
            bytes,
            memory_bytes,
        });
        elf.content_section(".modinfo").build()
    }

    fn folder(modules: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("kernel/drivers")).expect("a folder");
        std::fs::write(
            folder.path().join("modules.builtin"),
            "kernel/lib/crc-t10dif.ko\n",
        )
        .expect("written");
        for (name, needed) in modules {
            std::fs::write(
                folder.path().join("kernel/drivers").join(name),
                module(needed),
            )
            .expect("written");
        }
        folder
    }

    #[test]
    fn dependencies_come_first_and_once() {
        let folder = folder(&[
            ("nvme.ko", "nvme-core,auth"),
            ("nvme-core.ko", "crc-t10dif"),
            ("auth.ko", "nvme-core"),
        ]);
        let names: Vec<_> = closure(folder.path(), &["nvme", "auth"])
            .expect("complete")
            .into_iter()
            .map(|module| module.name)
            .collect();
        assert_eq!(names, ["nvme_core", "auth", "nvme"]);
    }

    #[test]
    fn a_missing_module_and_a_ring_are_named() {
        let folder = folder(&[("a.ko", "b"), ("b.ko", "a"), ("c.ko", "gone")]);
        let error = |root| {
            closure(folder.path(), &[root])
                .expect_err("refused")
                .to_string()
        };
        assert!(error("a").contains("in a ring: a b a"));
        assert!(error("c").contains("no module `gone`"));
    }
}
