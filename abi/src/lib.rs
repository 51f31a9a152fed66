//! PAPR tokens, return codes and in-memory formats.
#![cfg_attr(not(test), no_std)]
