//! The payload.
#![no_std]
#![no_main]
