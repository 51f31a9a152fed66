//! Bridge drivers on the models of their chips: started, their register accesses counted, their speed measured.
//!
//! [`p7ioc`] and [`phb3`] give a started [`Bridge`] over any fabric, behind the traits of `ioda`.
#![forbid(unsafe_code)]

mod chips;
mod count;

pub use chips::{Bridge, Host, SharedPort, p7ioc, p7ioc_root, phb3, phb3_root};
pub use count::{Counted, Counter};
