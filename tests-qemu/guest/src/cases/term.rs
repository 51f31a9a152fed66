//! H_PUT_TERM_CHAR and H_GET_TERM_CHAR. Source: LoPAR 2.9, "Virtual Terminal Support".

use crate::hcall::hcall;
use crate::suite::{Outcome, cases, holds, ok, refused};
use crate::tree::Platform;
use papr_abi::{HError, token};

cases!("term":
    put_takes_up_to_16,
    put_refuses_a_length_over_16,
    get_gives_up_to_16,
    put_and_get_refuse_a_foreign_terminal;
    beyond_qemu: a_terminal_has_64_bits,
);

fn put_takes_up_to_16(platform: &Platform) -> Outcome {
    for vterm in [0, u64::from(platform.vty)] {
        ok("nothing", hcall(token::H_PUT_TERM_CHAR, [vterm, 0, 0, 0]))?;
        let dots = [vterm, 16, 0x2e2e_2e2e_2e2e_2e2e, 0x2e2e_2e2e_2e2e_2e0a];
        let answer = core::iter::repeat_with(|| hcall(token::H_PUT_TERM_CHAR, dots))
            .find(|answer| answer.status != 1);
        holds(
            "16 characters",
            answer.filter(|answer| answer.status == 0).map(drop),
        )?;
    }
    Ok(())
}

fn put_refuses_a_length_over_16(_: &Platform) -> Outcome {
    for length in [17, 1 << 32, 1 << 63, u64::MAX] {
        refused(
            "H_PUT_TERM_CHAR",
            hcall(token::H_PUT_TERM_CHAR, [0, length, 0, 0]),
            HError::Parameter,
        )?;
    }
    Ok(())
}

fn get_gives_up_to_16(platform: &Platform) -> Outcome {
    for vterm in [0, u64::from(platform.vty)] {
        let out = ok("H_GET_TERM_CHAR", hcall(token::H_GET_TERM_CHAR, [vterm]))?;
        holds("length", (out[0] <= 16).then_some(()))?;
    }
    Ok(())
}

fn refuse(vterm: u64) -> Outcome {
    refused(
        "H_PUT_TERM_CHAR",
        hcall(token::H_PUT_TERM_CHAR, [vterm, 1, 0x2100_0000_0000_0000, 0]),
        HError::Parameter,
    )?;
    refused(
        "H_GET_TERM_CHAR",
        hcall(token::H_GET_TERM_CHAR, [vterm]),
        HError::Parameter,
    )
}

fn put_and_get_refuse_a_foreign_terminal(platform: &Platform) -> Outcome {
    [u64::from(platform.vty) + 1, 0x1234_5678, u64::MAX]
        .into_iter()
        .try_for_each(refuse)
}

fn a_terminal_has_64_bits(platform: &Platform) -> Outcome {
    refuse(1 << 32)?;
    refuse(u64::from(platform.vty) | 1 << 32)
}
