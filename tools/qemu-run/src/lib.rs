//! Starts Bulkhead's QEMU machines and talks to their consoles.
//!
//! [`Machine`] describes the reference machine (`powernv8` with named devices) and turns it into a QEMU command line;
//! [`Session`] is one run of it: the console's text, expectations with a time-out, the log file, and a QEMU that never
//! outlives it; [`Piped`] is one whose console is a program's. [`disk`] makes and checks the test disk, [`HttpFixture`] is the web server that a guest fetches from.
//! `xtask` and `tests-qemu` both stand on this crate.

pub mod disk;
mod http;
mod interrupt;
mod location;
mod machine;
mod piped;
mod session;

pub use http::HttpFixture;
pub use interrupt::{run_in_terminal, stop_all_on_interrupt};
pub use location::{Location, LocationError};
pub use machine::{Machine, MachineError, REFERENCE_MACHINE};
pub use piped::Piped;
pub use session::{HYPERVISOR_PREFIX, Session, SessionError, Source, WaitError};
