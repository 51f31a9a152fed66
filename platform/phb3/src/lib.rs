//! The POWER8 PCI host bridge.
#![cfg_attr(not(test), no_std)]
