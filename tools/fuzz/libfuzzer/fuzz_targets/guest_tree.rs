//! See `fuzz_targets::guest_tree`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::guest_tree::target(data));
