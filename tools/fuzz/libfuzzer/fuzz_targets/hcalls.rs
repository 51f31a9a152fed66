//! See `fuzz_targets::hcalls`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::hcalls::target(data));
