//! 64-bit windows whose segments are any endpoint's: [`lay_out`], [`share`].
//!
//! Addresses come from the layout, since what is behind a bridge lies together. Windows are put over them then: aligned
//! powers of two of bytes, each as large as it can be without a segment that two functions would have, and no larger than
//! what it holds. So there are as few of them as these addresses take.

use super::layout::{Area, Layout, Piece};
use super::{FunctionPlan, M64Share, Place, PlanError, SharedWindow, Slot};
use crate::Function;
use alloc::vec::Vec;
use ioda::{M64Caps, M64Window};

/// Lays the BARs `moved` out, with the windows that hold them.
///
/// Each function has segments of one size, the smallest with which the windows suffice: small ones waste fewer addresses,
/// and larger ones let small BARs share a window with larger ones.
pub(super) fn lay_out(
    functions: &[Function],
    caps: &M64Caps,
    moved: &[Slot],
) -> Result<(Layout, Vec<SharedWindow>), PlanError> {
    let attempt = |window_shift: u8| {
        let shift = window_shift.saturating_sub(SharedWindow::SEGMENTS_SHIFT);
        let area = Area::m64_segments(caps, shift);
        let layout = Layout::of(functions, &area, |slot, _| moved.contains(&slot));
        let windows = cover_all(functions, caps, &layout)?;
        Ok((layout, windows))
    };
    let least = caps.single_pe_shift;
    let most = caps.bytes.checked_ilog2().unwrap_or(0) as u8;
    attempt(least).or_else(|refusal| {
        let mut larger = least.saturating_add(1)..=most;
        // What kept the smallest segments from being enough says most.
        larger.find_map(|shift| attempt(shift).ok()).ok_or(refusal)
    })
}

/// The windows over a layout, if it fits in the area and they suffice.
fn cover_all(
    functions: &[Function],
    caps: &M64Caps,
    layout: &Layout,
) -> Result<Vec<SharedWindow>, PlanError> {
    if layout.total() > caps.bytes {
        let (path, bytes) = layout.largest(functions);
        let capacity = caps.bytes;
        return Err(PlanError::M64Area {
            path,
            bytes,
            capacity,
        });
    }
    let pieces = layout.pieces();
    let mut blocks = Vec::new();
    cover(&pieces, caps, &mut blocks);
    let one_too_many = blocks.get(usize::from(caps.windows));
    let left_out = one_too_many
        .and_then(|block| pieces.iter().find(|piece| piece.base >= block.base))
        .and_then(|piece| functions.get(piece.slot.0).zip(Some(piece.slot.1)));
    if let Some((function, bar)) = left_out {
        let bar = function.bars.get(bar).copied().flatten();
        return Err(PlanError::M64 {
            path: function.path,
            bytes: bar.map_or(0, |bar| bar.bytes),
        });
    }
    let numbered = (0..caps.windows).map(M64Window).zip(blocks);
    let windows = numbered.map(|(window, Block { base, shift })| SharedWindow {
        window,
        base,
        shift,
    });
    Ok(windows.collect())
}

/// An aligned power of two of bytes.
#[derive(Clone, Copy)]
struct Block {
    base: u64,
    shift: u8,
}

impl Block {
    /// The smallest block of at least 2^`least` bytes around all of `pieces`, which are by rising address.
    fn around(pieces: &[Piece], least: u8) -> Option<Self> {
        let first = pieces.first()?.base;
        let last = pieces.last()?.last();
        let shift = (u64::BITS - (first ^ last).leading_zeros()).max(least.into());
        let low = 1u64.checked_shl(shift)?.wrapping_sub(1);
        Some(Self {
            base: first & !low,
            shift: shift as u8,
        })
    }

    /// Whether it is in the bridge's area, and none of its segments has something of two functions.
    fn is_good(self, pieces: &[Piece], caps: &M64Caps) -> bool {
        let offset = self.base.checked_sub(caps.real);
        let end =
            offset.and_then(|offset| offset.checked_add(1u64.checked_shl(self.shift.into())?));
        let segment = |at: u64| {
            at >> self
                .shift
                .saturating_sub(SharedWindow::SEGMENTS_SHIFT)
                .min(63)
        };
        let mut neighbours = pieces.iter().zip(pieces.iter().skip(1));
        end.is_some_and(|end| end <= caps.bytes)
            && neighbours.all(|(left, right)| {
                left.slot.0 == right.slot.0 || segment(left.last()) != segment(right.base)
            })
    }
}

/// Puts blocks over `pieces`, which are by rising address. A larger block around the same ones has larger segments, so where
/// the smallest one is not good none is, and there must be two.
fn cover(pieces: &[Piece], caps: &M64Caps, blocks: &mut Vec<Block>) {
    let Some(block) = Block::around(pieces, caps.single_pe_shift) else {
        return;
    };
    // Of this size it is good: each function has segments that are no smaller than its.
    if block.shift <= caps.single_pe_shift || block.is_good(pieces, caps) {
        blocks.push(block);
        return;
    }
    // Something is on both sides of the middle, or the block would not be the smallest. No BAR is across it: one that is
    // larger than half the block is the whole block, and alone.
    let middle = block
        .base
        .saturating_add(1u64.wrapping_shl(u32::from(block.shift) - 1));
    let (low, high) = pieces.split_at(pieces.partition_point(|piece| piece.base < middle));
    cover(low, caps, blocks);
    cover(high, caps, blocks);
}

/// Tells each BAR its window and its segments there.
pub(super) fn share(plans: &mut [FunctionPlan], windows: &[SharedWindow]) {
    for plan in plans {
        for (bar, share) in plan.bars.iter_mut().zip(plan.m64.iter_mut()) {
            let Some(bar) = bar else { continue };
            let Place::M64(place) = &mut bar.place else {
                continue;
            };
            let (pci, last) = (bar.pci, bar.pci.saturating_add(bar.bytes).saturating_sub(1));
            let found = windows.iter().find_map(|window| {
                let segments = window.segment(pci)?..=window.segment(last)?;
                Some((window.window, segments))
            });
            if let Some((window, segments)) = found {
                *place = window;
                *share = Some(M64Share::Segments {
                    window,
                    first: *segments.start(),
                    last: *segments.end(),
                });
            }
        }
    }
}
