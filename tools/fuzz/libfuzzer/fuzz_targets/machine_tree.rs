//! See `fuzz_targets::machine_tree`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::machine_tree::target(data));
