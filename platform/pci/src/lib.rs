//! PCI enumeration, BAR placement, guest view of config space.
#![cfg_attr(not(test), no_std)]
