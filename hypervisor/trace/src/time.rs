//! Ticks of the time base as units of time.

/// Returns how many of the `per_second` units of a second `ticks` of a time base of `hz` are, rounded down; 0 without a
/// time base. Exact as long as `hz` times `per_second` is below 2^64, and the result too.
#[must_use]
pub fn in_units(ticks: u64, hz: u64, per_second: u64) -> u64 {
    let (Some(seconds), Some(rest)) = (ticks.checked_div(hz), ticks.checked_rem(hz)) else {
        return 0;
    };
    // In two parts: the whole would need 128 bits.
    let rest = rest.saturating_mul(per_second).checked_div(hz).unwrap_or(0);
    seconds.saturating_mul(per_second).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_128_bits_give() {
        for ticks in [
            0,
            1,
            511,
            512,
            511_999_999,
            512_000_000,
            9_223_372_036_854_775,
        ] {
            for (hz, per_second) in [
                (512_000_000, 1_000_000),
                (512_000_000, 1_000_000_000),
                (3, 7),
            ] {
                let exact = u128::from(ticks) * u128::from(per_second) / u128::from(hz);
                assert_eq!(
                    u128::from(in_units(ticks, hz, per_second)),
                    exact,
                    "{ticks} {hz}"
                );
            }
        }
        assert_eq!(in_units(1, 0, 1_000), 0);
        assert_eq!(in_units(u64::MAX, 1, 1_000), u64::MAX);
    }
}
