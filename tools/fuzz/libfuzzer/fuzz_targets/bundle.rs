//! See `fuzz_targets::bundles`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::bundles::target(data));
