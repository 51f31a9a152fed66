//! The virtual terminal. Source: LoPAR 2.9, "Virtual Terminal (Vterm)".

use super::{Args, Caller, Class, Hcall, Row};
use crate::{HResult, Refusal};
use papr_abi::{HError, token};

/// The unit address of the partition's only terminal, `/vdevice/vty@30000000`.
pub const VTERM: u64 = 0x3000_0000;

/// Bytes that one call moves at most.
const MAX_BYTES: usize = 16;

const fn row(token: u64, name: &'static str) -> Row {
    Row::new(token, name, Class::Critical, "hcall-term")
}

/// Accepts the terminal's unit address, and 0, which stands for the first terminal: boot code that
/// has not read the device tree uses it.
fn check_terminal(number: u64) -> Result<(), Refusal> {
    match number {
        0 | VTERM => Ok(()),
        _ => Err(Refusal::new(HError::Parameter, "no such terminal")),
    }
}

/// `H_GET_TERM_CHAR`: takes input from the terminal.
///
/// Source: LoPAR 2.9, "H_GET_TERM_CHAR".
///
/// Outputs: r4, how many bytes, 0 to 16; r5 and r6, the bytes from the most significant on, the rest
/// zero. Errors:
/// - [`HError::Parameter`]: there is no such terminal.
#[doc(alias = "H_GET_TERM_CHAR")]
#[derive(Debug)]
pub struct GetTermChar;

impl Hcall for GetTermChar {
    const ROW: Row = row(token::H_GET_TERM_CHAR, "H_GET_TERM_CHAR");

    /// R4: the terminal's unit address.
    fn decode(&[terminal, ..]: &Args) -> Result<Self, Refusal> {
        check_terminal(terminal)?;
        Ok(Self)
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let mut bytes = [0; MAX_BYTES];
        let count = caller.lpar.terminal.get(&mut bytes).min(MAX_BYTES);
        let both = u128::from_be_bytes(bytes);
        caller.out::<0>(count as u64);
        caller.out::<1>((both >> 64) as u64);
        caller.out::<2>(both as u64);
        Ok(())
    }
}

/// `H_PUT_TERM_CHAR`: puts output on the terminal, all of it or nothing.
///
/// Source: LoPAR 2.9, "H_PUT_TERM_CHAR". No outputs. Errors, in this order:
/// - [`HError::Parameter`]: there is no such terminal.
/// - [`HError::Parameter`]: more than 16 bytes.
/// - [`HError::Busy`]: the terminal's buffer has no room for all of them.
#[doc(alias = "H_PUT_TERM_CHAR")]
#[derive(Debug)]
pub struct PutTermChar {
    /// R5: how many bytes, 0 to 16.
    pub count: usize,
    /// R6, R7: the bytes from the most significant on.
    pub bytes: [u8; MAX_BYTES],
}

impl Hcall for PutTermChar {
    const ROW: Row = row(token::H_PUT_TERM_CHAR, "H_PUT_TERM_CHAR");

    /// R4: the terminal's unit address.
    fn decode(&[terminal, count, high, low, ..]: &Args) -> Result<Self, Refusal> {
        check_terminal(terminal)?;
        if count > MAX_BYTES as u64 {
            return Err(Refusal::new(HError::Parameter, "more than 16 bytes"));
        }
        Ok(Self {
            count: count as usize,
            bytes: (u128::from(high) << 64 | u128::from(low)).to_be_bytes(),
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let bytes = self.bytes.get(..self.count).unwrap_or(&self.bytes);
        let terminal = caller.lpar.terminal;
        // Between the look at the room and the bytes no other processor may take that room.
        let _turn = caller.lpar.terminal_turn.lock();
        if terminal.room() < bytes.len() {
            return Err(Refusal::ordinary(HError::Busy));
        }
        terminal.put(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bench::{Bench, call};

    #[test]
    fn output_goes_out_in_order_from_either_number_of_the_terminal() {
        let bench = Bench::new();
        let words = [0, 11, 0x6865_6c6c_6f20_776f, 0x726c_6421_2121_2121];
        assert_eq!(call(&bench, token::H_PUT_TERM_CHAR, &words).0, 0);
        let words = [VTERM, 1, 0x2e00_0000_0000_0000];
        assert_eq!(call(&bench, token::H_PUT_TERM_CHAR, &words).0, 0);
        assert_eq!(bench.terminal.output(), b"hello world.");
    }

    #[test]
    fn a_write_of_nothing_succeeds_even_when_full() {
        let bench = Bench::new();
        bench.terminal.set_room(0);
        assert_eq!(call(&bench, token::H_PUT_TERM_CHAR, &[0, 0]).0, 0);
    }

    #[test]
    fn output_that_does_not_fit_is_not_taken_in_part() {
        let bench = Bench::new();
        bench.terminal.set_room(15);
        let words = [VTERM, 16, u64::MAX, u64::MAX];
        assert_eq!(call(&bench, token::H_PUT_TERM_CHAR, &words).0, 1);
        assert_eq!(bench.terminal.output(), b"");
        bench.terminal.set_room(16);
        assert_eq!(call(&bench, token::H_PUT_TERM_CHAR, &words).0, 0);
        assert_eq!(bench.terminal.output(), [0xff; 16]);
    }

    #[test]
    fn other_terminals_and_longer_writes_are_refused() {
        let bench = Bench::new();
        for words in [[1, 1], [VTERM + 1, 1], [1 << 32, 1], [0, 17], [0, u64::MAX]] {
            assert_eq!(call(&bench, token::H_PUT_TERM_CHAR, &words).0, -4);
        }
        for terminal in [1, VTERM - 1, 1 << 32 | VTERM] {
            assert_eq!(call(&bench, token::H_GET_TERM_CHAR, &[terminal]).0, -4);
        }
        assert_eq!(bench.terminal.output(), b"");
    }

    #[test]
    fn input_comes_sixteen_bytes_at_a_time_and_then_none() {
        let bench = Bench::new();
        bench.terminal.type_in(b"0123456789abcdefXY");
        let (code, out, _) = call(&bench, token::H_GET_TERM_CHAR, &[VTERM]);
        assert_eq!((code, out[0]), (0, 16));
        assert_eq!(out[1].to_be_bytes(), *b"01234567");
        assert_eq!(out[2].to_be_bytes(), *b"89abcdef");
        let (_, out, _) = call(&bench, token::H_GET_TERM_CHAR, &[0]);
        assert_eq!(out[..3], [2, 0x5859_0000_0000_0000, 0]);
        let (code, out, _) = call(&bench, token::H_GET_TERM_CHAR, &[0]);
        assert_eq!((code, out[0]), (0, 0));
    }
}
