//! One node of a checked tree: [`Node`], which turns what the `fdt` crate delivers into values or a [`TreeError`].

use fdt::helpers::UnalignedFallibleNode;

use crate::blob;
use crate::error::{BlobError, TreeError};

/// A node, and what to call it in an error.
#[derive(Clone, Copy)]
pub(crate) struct Node<'t> {
    kind: &'static str,
    inner: UnalignedFallibleNode<'t>,
}

impl<'t> Node<'t> {
    /// Checks `blob`, and returns its root with the checked bytes.
    pub(crate) fn root(blob: &'t [u8]) -> Result<(Self, &'t [u8]), TreeError> {
        let tree = blob::check(blob)?;
        let inner = fdt::Fdt::new_unaligned_fallible(tree)
            .and_then(|fdt| fdt.root())
            .map_err(reader)?;
        Ok((
            Self {
                kind: "root node",
                inner: fdt::nodes::AsNode::as_node(&inner),
            },
            tree,
        ))
    }

    /// The same node, called `kind` in errors.
    pub(crate) fn called(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    pub(crate) fn children(
        &self,
    ) -> Result<impl Iterator<Item = Result<Self, TreeError>> + use<'t>, TreeError> {
        let children = self.inner.children().map_err(reader)?;
        Ok(children.iter().map(|child| {
            child
                .map(|inner| Self {
                    kind: "node",
                    inner,
                })
                .map_err(reader)
        }))
    }

    /// The child of that name, without regard to unit addresses.
    pub(crate) fn child(&self, name: &str, kind: &'static str) -> Result<Option<Self>, TreeError> {
        for child in self.children()? {
            let child = child?;
            if child.name()? == name {
                return Ok(Some(child.called(kind)));
            }
        }
        Ok(None)
    }

    /// The name up to its unit address.
    pub(crate) fn name(&self) -> Result<&'t str, TreeError> {
        Ok(self.inner.name().map_err(reader)?.name)
    }

    /// The raw value of a property.
    pub(crate) fn raw(&self, property: &'static str) -> Result<Option<&'t [u8]>, TreeError> {
        Ok(self
            .inner
            .raw_property(property)
            .map_err(reader)?
            .map(|found| found.value))
    }

    pub(crate) fn need_raw(&self, property: &'static str) -> Result<&'t [u8], TreeError> {
        self.raw(property)?.ok_or(TreeError::Missing {
            node: self.kind,
            property,
        })
    }

    /// The value of a property of one cell.
    pub(crate) fn cell(&self, property: &'static str) -> Result<Option<u32>, TreeError> {
        let Some(value) = self.raw(property)? else {
            return Ok(None);
        };
        let bytes = value.try_into().map_err(|_| self.malformed(property))?;
        Ok(Some(u32::from_be_bytes(bytes)))
    }

    pub(crate) fn need_cell(&self, property: &'static str) -> Result<u32, TreeError> {
        self.cell(property)?.ok_or(TreeError::Missing {
            node: self.kind,
            property,
        })
    }

    /// The value of a property of one cell that counts or measures something: zero is refused.
    pub(crate) fn need_count(&self, property: &'static str) -> Result<u32, TreeError> {
        match self.need_cell(property)? {
            0 => Err(self.absurd(property, 0)),
            count => Ok(count),
        }
    }

    /// The value of a property of one or two cells.
    pub(crate) fn address(&self, property: &'static str) -> Result<Option<u64>, TreeError> {
        let Some(value) = self.raw(property)? else {
            return Ok(None);
        };
        match number(value) {
            Some(address) => Ok(Some(address)),
            None => Err(self.malformed(property)),
        }
    }

    /// The raw value of a property that is a list of cells: its length must be a multiple of four.
    pub(crate) fn raw_cells(&self, property: &'static str) -> Result<&'t [u8], TreeError> {
        let value = self.need_raw(property)?;
        if value.len().is_multiple_of(4) {
            Ok(value)
        } else {
            Err(self.malformed(property))
        }
    }

    /// The cells of a property.
    pub(crate) fn cells(
        &self,
        property: &'static str,
    ) -> Result<impl Iterator<Item = u32> + use<'t>, TreeError> {
        let (cells, _) = self.raw_cells(property)?.as_chunks();
        Ok(cells.iter().map(|cell| u32::from_be_bytes(*cell)))
    }

    /// The text of a property, without the NULs at its end.
    pub(crate) fn text(&self, property: &'static str) -> Result<Option<&'t str>, TreeError> {
        let Some(value) = self.raw(property)? else {
            return Ok(None);
        };
        let text = core::str::from_utf8(value).map_err(|_| self.malformed(property))?;
        Ok(Some(text.trim_end_matches('\0')))
    }

    /// Whether `compatible` lists `model`.
    pub(crate) fn is(&self, model: &str) -> Result<bool, TreeError> {
        Ok(self
            .text("compatible")?
            .is_some_and(|list| list.split('\0').any(|entry| entry == model)))
    }

    /// Whether `status` lets the firmware use what the node describes. QEMU marks as `reserved` what it leaves to
    /// firmware.
    pub(crate) fn usable(&self) -> Result<bool, TreeError> {
        Ok(matches!(
            self.text("status")?,
            None | Some("okay" | "ok" | "reserved")
        ))
    }

    /// `#address-cells` and `#size-cells`, for the `reg` of this node's children.
    pub(crate) fn child_cells(&self) -> Result<CellSizes, TreeError> {
        let size = |property, default| match self.cell(property)? {
            None => Ok(default),
            Some(cells @ 0..=2) => Ok(cells as usize),
            Some(cells) => Err(self.absurd(property, cells.into())),
        };
        Ok(CellSizes {
            address: size("#address-cells", 2)?,
            size: size("#size-cells", 1)?,
        })
    }

    /// The entries (address, size) of `reg`, of which there is at least one.
    pub(crate) fn reg(
        &self,
        cells: CellSizes,
    ) -> Result<impl Iterator<Item = Result<(u64, u64), TreeError>> + use<'t>, TreeError> {
        let value = self.need_raw("reg")?;
        let (address, size) = (
            cells.address.saturating_mul(4),
            cells.size.saturating_mul(4),
        );
        let entry = address.saturating_add(size);
        let malformed = self.malformed("reg");
        if entry == 0 || value.is_empty() || value.len().checked_rem(entry) != Some(0) {
            return Err(malformed);
        }
        Ok(value.chunks_exact(entry).map(move |bytes| {
            let (address, size) = bytes.split_at_checked(address).ok_or(malformed)?;
            Ok((
                number(address).ok_or(malformed)?,
                number(size).ok_or(malformed)?,
            ))
        }))
    }

    pub(crate) fn malformed(&self, property: &'static str) -> TreeError {
        TreeError::Malformed {
            node: self.kind,
            property,
        }
    }

    pub(crate) fn absurd(&self, property: &'static str, value: u64) -> TreeError {
        TreeError::Absurd {
            node: self.kind,
            property,
            value,
        }
    }
}

/// How many cells an address and a size take, 0 to 2 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CellSizes {
    pub(crate) address: usize,
    pub(crate) size: usize,
}

/// The number in zero, one or two cells.
fn number(bytes: &[u8]) -> Option<u64> {
    match bytes {
        [] => Some(0),
        [a, b, c, d] => Some(u32::from_be_bytes([*a, *b, *c, *d]).into()),
        _ => bytes.try_into().ok().map(u64::from_be_bytes),
    }
}

/// What the reader finds wrong, after our check found nothing: a defect, but no reason to panic.
fn reader(_: fdt::FdtError) -> TreeError {
    TreeError::Blob(BlobError::Reader)
}
