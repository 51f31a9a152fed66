//! See `fuzz_targets::rtas`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::rtas::target(data));
