//! Tests that run twice: as `#[test]`s on a host, and from a table in firmware that has no test harness.
//!
//! A test is a plain function. [`cases!`] lists those of a module, [`table!`] a crate's modules:
//!
//! ```
//! # mod tests {
//! fn one_and_one_are_two() {
//!     assert_eq!(1 + 1, 2);
//! }
//!
//! cases::cases!(one_and_one_are_two);
//! # }
//! # cases::table!(tests);
//! # assert!(CASES[0][0].name.ends_with("tests::one_and_one_are_two"));
//! ```
//!
//! A function or module that is not listed is dead code, which the compiler tells. On a host the test above is
//! `tests::host::one_and_one_are_two`; in the table it has no `host`, and its crate's name goes before.
//!
//! A crate whose tests are cases compiles them under `cfg(any(test, feature = "cases"))`, is `no_std` always,
//! and takes from [`prelude`] what `std`'s would have given.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

/// A test in a table.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Crate, modules and function, as in a path.
    pub name: &'static str,
    /// Runs it; it panics if it fails.
    pub run: fn(),
}

/// What `std`'s prelude has and `core`'s has not, as far as tests need it.
pub mod prelude {
    pub use alloc::borrow::ToOwned;
    pub use alloc::boxed::Box;
    pub use alloc::string::{String, ToString};
    pub use alloc::vec::Vec;
    pub use alloc::{format, vec};
}

/// Lists a module's tests: its table `CASES`, and `#[test]`s in a module `host`.
#[macro_export]
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        /// The cases of this module.
        pub(crate) const CASES: &[$crate::Case] = &[$($crate::Case {
            name: concat!(module_path!(), "::", stringify!($name)),
            run: $name,
        }),*];

        #[cfg(test)]
        mod host {
            $(
                #[test]
                fn $name() {
                    super::$name();
                }
            )*
        }
    };
}

/// Lists a crate's modules with cases, at its root: the table `CASES` of their tables.
#[macro_export]
macro_rules! table {
    ($($($module:ident)::+),* $(,)?) => {
        /// The crate's tests, module by module, to run where there is no test harness.
        pub const CASES: &[&[$crate::Case]] = &[$($($module::)+CASES),*];
    };
}
