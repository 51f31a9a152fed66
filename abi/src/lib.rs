//! PAPR tokens, return codes and in-memory formats: facts without behaviour.
//!
//! Sources: LoPAR 2.9 ("Linux on Power Architecture Reference"), Power ISA 2.07. Where a constant
//! comes from elsewhere, its own comment says so. Every value is the architecture's; nothing here
//! is Bulkhead's choice but [`token::H_RTAS`], which follows the number QEMU-era firmware expects.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod addr;
mod error;
pub mod hpte;
pub mod llan;
pub mod rtas;
pub mod tce;
pub mod token;
pub mod vpa;
pub mod xics;

pub use addr::{GuestRealAddr, IoAddr, Irq, Liobn, PteIndex, RealAddr, Server};
pub use error::{HError, Order};
