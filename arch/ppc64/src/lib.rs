//! The POWER machine layer: special registers, barriers, real-mode I/O, vectors, guest entry and
//! exit. POWER8 (Power ISA 2.07) for now; everything runs big-endian in hypervisor real mode.
//!
//! [`PerCpu`] is what a thread's vectors find through HSPRG0. [`context::GuestContext`] is all of a
//! virtual processor's registers; [`guest::enter`] runs it until a handler asks to leave.
#![no_std]

pub mod cache;
pub mod context;
pub mod fp;
pub mod guest;
pub mod io;
pub mod msr;
pub mod percpu;
pub mod power;
pub mod slb;
pub mod spr;
pub mod tlb;
pub mod trace;

pub use percpu::PerCpu;

#[cfg(not(target_arch = "powerpc64"))]
compile_error!("ppc64 builds for linker/powerpc64-bulkhead.json only: use `cargo xtask build`");
