//! The monitor: what an operator types on the hypervisor's console, and what is answered.
//!
//! - [`Monitor`]: takes bytes, gives text; [`Action`]s are left to the caller.
//! - [`Facts`]: what the machine tells of itself, and can be asked to do. The hypervisor implements it.
//! - [`COMMANDS`]: every command, a row each. Help and completion come from the rows.
//!
//! Nothing here waits or allocates, and one byte typed gives at most [`OUTPUT_BYTES`] of text: long answers come a page
//! at a time, each page by running the command again and leaving out the lines that were shown.
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

mod command;
mod commands;
mod complete;
mod editor;
mod facts;
mod page;
mod session;
#[cfg(test)]
mod testing;

pub use command::{Action, Argument, Command, Problem, Request, Run};
pub use commands::COMMANDS;
pub use facts::{
    Change, Facts, Interrupt, Memory, Partition, PartitionState, PeChange, PeName, Processor,
    ProcessorState, Registers, Share, Tce, Window,
};
pub use page::Page;
pub use session::{Monitor, OUTPUT_BYTES};
