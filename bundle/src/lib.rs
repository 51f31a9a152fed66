//! The bundle: partitions and their images in one checked file.
#![cfg_attr(not(test), no_std)]
