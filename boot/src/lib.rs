//! Reset: elects the thread that boots, clears `.bss`, gives every thread its area and stack, and
//! hands over to the functions `bulkhead_main` and `bulkhead_secondary` of the image.
#![no_std]
#![expect(unsafe_code, reason = "the code that runs before Rust")]

use core::cell::UnsafeCell;
use core::ops::Range;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, Release},
};
use ppc64::percpu::{BOOT_STACK_BYTES, EMERGENCY_BYTES, MAX_THREADS, STACK_BYTES, offset};
use ppc64::{PerCpu, msr, spr::number};

#[repr(C, align(128))]
struct Cpus(UnsafeCell<[PerCpu; MAX_THREADS]>);
// SAFETY: every thread uses only its own element.
unsafe impl Sync for Cpus {}
static CPUS: Cpus = Cpus(UnsafeCell::new([PerCpu::ZERO; MAX_THREADS]));

#[repr(C, align(128))]
struct Stacks(UnsafeCell<[[u8; STACK_BYTES]; MAX_THREADS]>);
// SAFETY: every thread uses only its own element.
unsafe impl Sync for Stacks {}
static STACKS: Stacks = Stacks(UnsafeCell::new([[0; STACK_BYTES]; MAX_THREADS]));

#[repr(C, align(128))]
struct BootStack(UnsafeCell<[u8; BOOT_STACK_BYTES]>);
// SAFETY: only the thread that boots uses it.
unsafe impl Sync for BootStack {}
static BOOT_STACK: BootStack = BootStack(UnsafeCell::new([0; BOOT_STACK_BYTES]));

unsafe extern "C" {
    static boot_released: AtomicU64;
    static boot_pirs: [AtomicU64; MAX_THREADS];
    /// The image's main function: address of the device tree, the thread's area.
    fn bulkhead_main(fdt: u64, cpu: *const PerCpu) -> !;
    /// What every other thread runs once [`release`] was called: the thread's area.
    fn bulkhead_secondary(cpu: *const PerCpu) -> !;
}

core::arch::global_asm!(
    include_str!("entry.S"),
    msr_me_ri = const (msr::ME | msr::RI),
    max_threads = const MAX_THREADS,
    cpus = sym CPUS,
    cpu_bytes = const size_of::<PerCpu>(),
    stacks = sym STACKS,
    stack_bytes = const STACK_BYTES,
    emergency_bytes = const EMERGENCY_BYTES,
    boot_stack = sym BOOT_STACK,
    boot_stack_high = const BOOT_STACK_BYTES >> 16,
    boot_stack_low = const BOOT_STACK_BYTES & 0xffff,
    HSPRG0 = const number::HSPRG0,
    HSRR0 = const number::HSRR0,
    HSRR1 = const number::HSRR1,
    PIR = const number::PIR,
    INDEX = const offset::INDEX,
    EMERGENCY_SP = const offset::EMERGENCY_SP,
    main = sym bulkhead_main,
    secondary = sym bulkhead_secondary,
);

const _: () = assert!(size_of::<PerCpu>() < 0x8000, "mulli takes 15 bits");
const _: () = assert!(
    STACK_BYTES / 16 < 0x8000 && EMERGENCY_BYTES < 0x8000,
    "li takes 15 bits"
);

/// Lets the other threads go on from reset into `bulkhead_secondary`.
pub fn release() {
    // SAFETY: a doubleword of the image's data that only waiting threads read.
    let released = unsafe { &boot_released };
    released.store(1, Release);
}

/// Returns the number of the thread with processor identification `pir`, if it has come in.
#[must_use]
pub fn thread_index(pir: u32) -> Option<usize> {
    // SAFETY: words of the image's data that arriving threads write, each its own.
    let pirs = unsafe { &boot_pirs };
    pirs.iter()
        .position(|came| came.load(Relaxed) == u64::from(pir))
}

/// Returns the addresses of the stack that `sp` is in: thread `index`'s, emergency part included, or
/// the one that the first thread boots on.
#[must_use]
pub fn stack(index: u64, sp: u64) -> Range<u64> {
    let boot = BOOT_STACK.0.get() as u64;
    let boot = boot..boot + BOOT_STACK_BYTES as u64;
    if boot.contains(&sp) {
        return boot;
    }
    let start = STACKS.0.get() as u64 + index.min(MAX_THREADS as u64 - 1) * STACK_BYTES as u64;
    start..start + STACK_BYTES as u64
}

/// Returns how many bytes of thread `index`'s own stack have ever been used, and how many it has: the
/// stacks begin zeroed and grow down, so what is still zero at the low end was not used.
#[must_use]
pub fn stack_use(index: usize) -> (usize, usize) {
    let room = STACK_BYTES - EMERGENCY_BYTES;
    if index >= MAX_THREADS {
        return (0, room);
    }
    let start = STACKS.0.get() as usize + index * STACK_BYTES;
    let unused = (start..start + room)
        .step_by(8)
        .take_while(|&at| {
            // SAFETY: inside the stacks, aligned; the value is only compared.
            let word = unsafe { core::ptr::read_volatile(at as *const u64) };
            word == 0
        })
        .count()
        * 8;
    (room - unused, room)
}
