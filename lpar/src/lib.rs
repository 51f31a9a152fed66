//! Logical partitions and every hcall and RTAS call they may make. Pure logic: it builds and tests
//! on any host and never names a machine.
//!
//! [`Lpar`] is a partition: its memory, page table, DMA windows, processors, interrupts, terminal
//! and PCI functions. [`hcall::serve`] serves one hcall of one processor of it. What a partition
//! needs of a machine are the small traits of [`machine`], which the `hypervisor` crate plugs in and
//! tests replace by fakes.
//!
//! Guest words are claims: nothing a guest passes may panic, index, overflow or reach memory before
//! it was checked. Nothing here allocates after a partition was built.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

extern crate alloc;

pub mod devices;
pub mod dma;
pub mod eeh;
mod epow;
pub mod hcall;
pub mod hpt;
pub mod icp;
pub mod interrupt;
mod life;
mod lines;
pub mod load;
pub mod machine;
pub mod mmio;
pub mod nvram;
mod partition;
pub mod pci;
mod ram;
mod refusal;
pub mod rtas;
pub mod tree;
pub mod unanswered;
mod vcpu;
pub mod vio;
pub mod vpa;
pub mod xics;

#[cfg(test)]
mod testing;

pub use epow::Shutdown;
pub use life::{End, Life, Stage};
pub use partition::{AfterCrash, Lpar, LparConfig, PoolShare, Processors};
pub use ram::{GuestRam, OutsideRam};
pub use refusal::{HResult, Rarely, Refusal};
pub use vcpu::{Vcpu, VcpuState, attention};
