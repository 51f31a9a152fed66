//! Reset entry, bss, early hand-off.
#![cfg_attr(not(test), no_std)]
