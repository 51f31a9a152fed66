//! The terms and traits every PCI host bridge is driven by.
#![cfg_attr(not(test), no_std)]
