//! Big-endian fields out of a record, without ever indexing past it.

use crate::error::Problem;

/// Bytes `start .. start + length` of `bytes`, if they are all there.
pub(crate) fn span(bytes: &[u8], start: u64, length: u64) -> Option<&[u8]> {
    let end = start.checked_add(length)?;
    bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

/// `N` bytes at `offset`.
pub(crate) fn array<const N: usize>(record: &[u8], offset: usize) -> Result<[u8; N], Problem> {
    let field = offset
        .checked_add(N)
        .and_then(|end| record.get(offset..end));
    field
        .and_then(|field| field.try_into().ok())
        .ok_or(Problem::OutOfBounds)
}

pub(crate) fn u8_at(record: &[u8], offset: usize) -> Result<u8, Problem> {
    array(record, offset).map(u8::from_be_bytes)
}

pub(crate) fn u16_at(record: &[u8], offset: usize) -> Result<u16, Problem> {
    array(record, offset).map(u16::from_be_bytes)
}

pub(crate) fn u32_at(record: &[u8], offset: usize) -> Result<u32, Problem> {
    array(record, offset).map(u32::from_be_bytes)
}

pub(crate) fn u64_at(record: &[u8], offset: usize) -> Result<u64, Problem> {
    array(record, offset).map(u64::from_be_bytes)
}

/// Refuses `record[from..to]` unless it is all zeros: reserved bytes may get a meaning later.
pub(crate) fn zeros(record: &[u8], from: usize, to: usize) -> Result<(), Problem> {
    let reserved = record.get(from..to).ok_or(Problem::OutOfBounds)?;
    if reserved.iter().all(|&byte| byte == 0) {
        Ok(())
    } else {
        Err(Problem::ReservedNotZero)
    }
}
