//! The POWER machine layer: special registers, vectors, guest entry and exit.
#![cfg_attr(not(test), no_std)]
