//! See `fuzz_targets::kernel`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::kernel::target(data));
