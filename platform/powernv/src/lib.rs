//! What a powernv machine is made of, as seen by the firmware that owns it.
//!
//! - [`MachineInfo`]: processors, memory, chips and host bridges, out of an untrusted device tree.
//! - [`IoHub`]: POWER7's I/O hubs, out of the same tree.
//! - [`Xscom`]: the chips' side-band registers; [`EccbLpc`]: the LPC bus behind them on POWER8.
//! - [`Uart`], [`Rtc`] and [`IpmiBt`]: the devices on the LPC bus, over any [`IsaIo`].
//! - [`Icp`]: the interrupt presentation controller of one POWER8 thread.
//!
//! The crate touches no hardware itself. The image gives it a [`PhysIo`]; the tests give it fakes that behave like the
//! devices. It allocates nothing, and no value that a device or the tree delivers makes it panic.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod blob;
mod chip;
mod cpu;
mod error;
mod hub;
mod icp;
mod io;
mod ipmi;
mod lpc;
mod machine;
mod node;
mod rtc;
mod uart;
mod xscom;

pub use arrayvec::ArrayVec;
pub use blob::{MAX_TREE_BYTES, TREE_HEADER_BYTES, tree_bytes};
pub use chip::{Chip, IsaDevice, Lpc, Phb};
pub use cpu::{Core, CpuModel, Thread};
pub use error::{BlobError, TreeError};
pub use hub::{IoHub, MAX_HUBS, io_hubs};
pub use icp::{Icp, Xirr};
pub use io::{IsaIo, PhysIo, XscomIo};
pub use ipmi::{ChassisControl, IpmiBt, IpmiError};
pub use lpc::{EccbLpc, LpcError};
pub use machine::{MachineInfo, MemoryRange, RealRange};
pub use rtc::{DateTime, Rtc, RtcError};
pub use uart::Uart;
pub use xscom::{Pcb, Xscom, XscomError};
