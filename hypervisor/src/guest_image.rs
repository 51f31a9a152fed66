//! A partition's memory before it starts: kernel, initrd, RTAS entry code, device tree.
use lpar::Lpar;
use lpar::load::LoadError;
pub(crate) struct Placed { pub(crate) entry: u64, pub(crate) tree: u64, pub(crate) tree_bytes: u64, pub(crate) copied: u64 }
pub(crate) fn load(_: &Lpar, _: &bundle::Partition<'_>, _: u64) -> Result<Placed, LoadError> { Err(LoadError::NotElf) }
