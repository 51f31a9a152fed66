//! The machine: its device tree, its memory, the heap.
#![expect(unsafe_code, reason = "turns real memory into slices and a heap")]

use crate::print::{self, println};
use crate::stop;
use ioda::{BeU16, BeU64};
use linked_list_allocator::LockedHeap;
use lock::Mutex;
use powernv::{MachineInfo, TREE_HEADER_BYTES, tree_bytes};
use realmem::{FreeMemory, Range};
use spin::Once;

/// Bytes of the heap. Cases leak what their models and drivers share, a few MiB each.
const HEAP_BYTES: u64 = 1 << 30;
/// Bytes of the stack that cases run on.
const STACK_BYTES: u64 = 1 << 20;

#[global_allocator]
static HEAP: LockedHeap = LockedHeap::empty();
static FREE: Mutex<FreeMemory> = Mutex::new(FreeMemory::new());
static INFO: Once<MachineInfo<'static>> = Once::new();
static STACK: Once<u64> = Once::new();

/// Starts console and heap, and returns what the machine is made of. Stops it when the tree at `fdt` is not understood.
pub(crate) fn start(fdt: u64) -> &'static MachineInfo<'static> {
    print::start();
    // SAFETY: firmware is entered with the address of a tree that nothing writes.
    let header = unsafe { bytes(fdt, TREE_HEADER_BYTES as u64) };
    let Ok(size) = tree_bytes(header) else {
        stop::machine("bad-machine")
    };
    // SAFETY: as before; the header gave the size.
    let Ok(info) = MachineInfo::from_fdt(unsafe { bytes(fdt, size as u64) }) else {
        stop::machine("bad-machine")
    };
    let info = INFO.call_once(|| info);
    let mut free = FREE.lock();
    let mut all = info
        .memory
        .iter()
        .map(|memory| range(memory.range.base, memory.range.end()));
    let kept = [range(0, image_end()), range(fdt, fdt + size as u64)];
    let given = all.try_for_each(|range| free.add(range));
    let kept = given.and_then(|()| kept.into_iter().try_for_each(|range| free.reserve(range)));
    let heap = kept.and_then(|()| free.take(HEAP_BYTES, 1 << 16));
    let stack = free.take(STACK_BYTES, 1 << 16);
    let (Ok(heap), Ok(stack)) = (heap, stack) else {
        println!(
            "less than {} MiB of memory",
            (HEAP_BYTES + STACK_BYTES) >> 20
        );
        stop::machine("bad-machine")
    };
    // SAFETY: a block that nothing else has, taken once.
    unsafe { HEAP.lock().init(heap as *mut u8, HEAP_BYTES as usize) };
    STACK.call_once(|| stack + STACK_BYTES);
    info
}

/// The high end of the stack that cases run on; `None` until the machine was started.
pub(crate) fn stack_end() -> Option<u64> {
    STACK.get().copied()
}

/// Real address of this thread's interrupt presentation controller.
pub(crate) fn icp() -> Option<u64> {
    let pir = ppc64::power::pir();
    let mut threads = INFO.get()?.threads();
    threads
        .find(|thread| thread.pir == pir)
        .map(|thread| thread.icp)
}

/// Takes `bytes` of memory at a multiple of `align` for good, and returns it with its real address.
pub(crate) fn take(bytes: u64, align: u64) -> Option<(&'static [BeU64], u64)> {
    let start = FREE.lock().take(bytes, align.max(8)).ok()?;
    // SAFETY: memory that nothing else has, aligned; cells are atomics, and any bits are a value of one.
    let cells = unsafe { core::slice::from_raw_parts(start as *const BeU64, (bytes / 8) as usize) };
    Some((cells, start))
}

/// What a bridge keeps in memory.
///
/// # Safety
/// 1. All zeroes is a value of it.
/// 2. It is made of atomics.
pub(crate) unsafe trait Cell {}
// SAFETY: a transparent atomic.
unsafe impl Cell for BeU64 {}
// SAFETY: a transparent atomic.
unsafe impl Cell for BeU16 {}
// SAFETY: atomics and padding; its documentation says that zeroes are valid.
unsafe impl Cell for phb3::Ive {}

/// The `entries` cells at byte `offset` of `cells`, which hold zeroes there.
pub(crate) fn view<T: Cell>(cells: &'static [BeU64], offset: u64, entries: usize) -> &'static [T] {
    let words = (entries * size_of::<T>()).div_ceil(8);
    let part = &cells[(offset / 8) as usize..][..words];
    assert!(
        part.as_ptr().cast::<T>().is_aligned(),
        "the view is aligned"
    );
    // SAFETY: inside `part`, aligned, and values of `T`, which is made of atomics, as `cells` is; one thread uses them.
    unsafe { core::slice::from_raw_parts(part.as_ptr().cast::<T>(), entries) }
}

/// Bytes of the heap in use.
pub(crate) fn heap_used() -> usize {
    HEAP.lock().used()
}

const fn range(start: u64, end: u64) -> Range {
    Range { start, end }
}

/// # Safety
/// Memory of that size is at `start`, and nothing writes it.
unsafe fn bytes(start: u64, bytes: u64) -> &'static [u8] {
    // SAFETY: the caller's duty.
    unsafe { core::slice::from_raw_parts(start as *const u8, bytes as usize) }
}

/// The first address after the image and its `.bss`.
fn image_end() -> u64 {
    unsafe extern "C" {
        static __image_end: u8;
    }
    &raw const __image_end as u64
}
