//! A PCI host bridge and its fabric in software, enforcing what the chips enforce.
#![cfg_attr(not(test), no_std)]
