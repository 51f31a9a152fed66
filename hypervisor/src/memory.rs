//! The machine's memory: a small heap for boot time, and blocks for partitions and bridges.
#![expect(unsafe_code, reason = "turns real memory into slices and a heap")]

use alloc::boxed::Box;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::AtomicU64;
use ioda::{BeU16, BeU64, DmaTable};
use linked_list_allocator::Heap;
use lock::Mutex;
use lpar::GuestRam;
use ppc64::cache::{LINE_BYTES, zero};
use realmem::{FreeMemory, NoMemory, Range};

/// Bytes of the heap: partitions' descriptions and device trees while they are built.
const HEAP_BYTES: u64 = 1024 * 1024;

#[global_allocator]
static HEAP: LockedHeap = LockedHeap(Mutex::new(Heap::empty()));
static FREE: Mutex<FreeMemory> = Mutex::new(FreeMemory::new());

/// The heap behind a lock. It is nowhere inlined: at a hundred places that would be a hundred copies.
struct LockedHeap(Mutex<Heap>);

// SAFETY: the heap gives each block to one caller at a time, of the layout asked for, and never panics.
unsafe impl GlobalAlloc for LockedHeap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = self.0.lock().allocate_first_fit(layout);
        block.map_or(null_mut(), NonNull::as_ptr)
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller gives back what it has from `alloc`, with that layout.
            unsafe { self.0.lock().deallocate(block, layout) }
        }
    }
}

/// Takes over the machine's memory, and starts the heap.
///
/// # Errors
/// [`NoMemory`] when not even the heap fits.
pub(crate) fn start(
    memory: impl Iterator<Item = Range>,
    reserved: impl Iterator<Item = Range>,
) -> Result<(), NoMemory> {
    let mut free = FREE.lock();
    for range in memory {
        free.add(range)?;
    }
    for range in reserved {
        free.reserve(range)?;
    }
    let heap = free.take(HEAP_BYTES, 4096)?;
    // SAFETY: the block is memory that nothing else has, and it is taken once.
    unsafe { HEAP.0.lock().init(heap as *mut u8, HEAP_BYTES as usize) };
    Ok(())
}

/// Takes `bytes` (a multiple of 8) of memory at a multiple of `align`, for good. Its content is
/// whatever the machine had there.
///
/// # Errors
/// [`NoMemory`] when there is no such block.
pub(crate) fn take(bytes: u64, align: u64) -> Result<(&'static [BeU64], u64), NoMemory> {
    let start = FREE.lock().take(bytes, align.max(8))?;
    // SAFETY: memory of the machine that nothing else has, aligned to 8; cells are atomics and any
    // bits are valid, so others (a guest, a device) may change them at any time.
    let cells =
        unsafe { core::slice::from_raw_parts(start as *const BeU64, (bytes >> 3) as usize) };
    Ok((cells, start))
}

/// What [`scrub`] fills at a time: a slice of a processor's time is many of these.
const SCRUB_BYTES: u64 = 1 << 20;

/// Fills the next stretch of a partition's memory from `done` on, whole pages, with zeroes. Returns where that ends; the
/// end of the memory is the last. None of its processors runs.
pub(crate) fn scrub(ram: &GuestRam, done: u64) -> u64 {
    let end = done.saturating_add(SCRUB_BYTES).min(ram.bytes());
    if let Some(bytes) = end.checked_sub(done) {
        // SAFETY: a part of the partition's own memory, whole pages; nobody uses it now.
        unsafe { zero(ram.base().0 + done, bytes) }
    }
    end
}

/// As [`take`], filled with zeroes.
///
/// # Errors
/// [`NoMemory`] when there is no such block.
pub(crate) fn take_zeroed(bytes: u64, align: u64) -> Result<(&'static [BeU64], u64), NoMemory> {
    let (cells, start) = take(bytes, align)?;
    if (start | bytes).is_multiple_of(LINE_BYTES) {
        // SAFETY: the block is whole lines of memory that nothing else has.
        unsafe { zero(start, bytes) }
    } else {
        cells.iter().for_each(|cell| cell.store(0));
    }
    Ok((cells, start))
}

/// Takes `bytes` of memory for the caller alone, for good, zeroed.
///
/// # Errors
/// [`NoMemory`] when there is no such block.
pub(crate) fn take_bytes(bytes: u64) -> Result<&'static mut [u8], NoMemory> {
    let (_, start) = take_zeroed(bytes.next_multiple_of(8), 128)?;
    // SAFETY: memory of the machine that nothing else has: the cells are gone with the line above.
    Ok(unsafe { core::slice::from_raw_parts_mut(start as *mut u8, bytes as usize) })
}

/// Takes `count` words for the caller's threads, for good, zeroed.
///
/// # Errors
/// [`NoMemory`] when there is no such block.
pub(crate) fn take_words(count: u64) -> Result<&'static [AtomicU64], NoMemory> {
    let bytes = take_bytes(count.saturating_mul(8))?;
    // SAFETY: the block is the caller's alone, aligned and long enough; any bits are a value of an atomic.
    Ok(unsafe { core::slice::from_raw_parts(bytes.as_ptr().cast::<AtomicU64>(), bytes.len() / 8) })
}

/// Takes a zeroed table of `entries` at a multiple of `align`, for a bridge.
pub(crate) fn take_table<T>(entries: usize, align: u64) -> Option<DmaTable<T>>
where
    T: ZeroIsValid,
{
    let bytes = entries.checked_mul(size_of::<T>())? as u64;
    let (cells, real) =
        take_zeroed(bytes.next_multiple_of(8), align.max(align_of::<T>() as u64)).ok()?;
    // SAFETY: the block is large enough, aligned, nobody else's, lives for ever, and all zeroes, which
    // `T` takes as a value. `T` is made of atomics, so that the bridge may change it.
    let cells = unsafe { core::slice::from_raw_parts(cells.as_ptr().cast::<T>(), entries) };
    Some(DmaTable { cells, real })
}

/// What a bridge keeps in memory.
///
/// # Safety
/// 1. All zeroes is a value of it.
/// 2. It is made of atomics.
pub(crate) unsafe trait ZeroIsValid {}
// SAFETY: a transparent atomic.
unsafe impl ZeroIsValid for BeU64 {}
// SAFETY: a transparent atomic.
unsafe impl ZeroIsValid for BeU16 {}
// SAFETY: atomics and padding; its documentation says that zeroes are valid.
unsafe impl ZeroIsValid for phb3::Ive {}

/// Keeps a value for the machine's life.
pub(crate) fn keep<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Returns the bytes of `range` of the machine's memory, which the caller knows to be filled (the
/// device tree, the bundle) and reserved.
pub(crate) fn reserved_bytes(range: Range) -> &'static [u8] {
    // SAFETY: the caller reserved the range before anything was given out, so nobody writes it.
    unsafe {
        core::slice::from_raw_parts(range.start as *const u8, (range.end - range.start) as usize)
    }
}

/// Returns the bytes of heap that are free.
pub(crate) fn heap_left() -> u64 {
    HEAP.0.lock().free() as u64
}

/// Returns (bytes given out, bytes free, bytes of heap in use).
pub(crate) fn usage() -> (u64, u64, u64) {
    let free = FREE.lock();
    (free.taken(), free.left(), HEAP.0.lock().used() as u64)
}
