//! IBM's numbering of bits: 0 is the most significant of a doubleword.

/// Bit `n` of a doubleword, 0 to 63.
pub(crate) const fn bit(n: u32) -> u64 {
    1 << (63 - n)
}

/// Bits `first` to `last` of `value`, at the bottom.
pub(crate) const fn field(value: u64, first: u32, last: u32) -> u64 {
    value >> (63 - last) & (u64::MAX >> (63 - (last - first)))
}

/// `value` in bits `first` to `last`; what does not fit is dropped.
pub(crate) const fn place(value: u64, first: u32, last: u32) -> u64 {
    (value & (u64::MAX >> (63 - (last - first)))) << (63 - last)
}

#[cfg(any(test, feature = "cases"))]
pub(crate) mod tests {
    use super::*;

    fn fields_come_out_as_they_went_in() {
        assert_eq!(bit(0), 1 << 63);
        assert_eq!(field(bit(7), 5, 7), 1);
        assert_eq!(place(0x1ff, 24, 31), 0xff << 32);
        assert_eq!(field(place(0x5a, 40, 47), 40, 47), 0x5a);
        assert_eq!(field(u64::MAX, 0, 63), u64::MAX);
    }

    cases::cases!(fields_come_out_as_they_went_in);
}
