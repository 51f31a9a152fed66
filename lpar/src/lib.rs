//! Partitions and every hcall they may make: pure logic.
#![cfg_attr(not(test), no_std)]
