//! Calls to RTAS through the private hcall H_RTAS.

use crate::cpu::{self, MAX_CPUS};
use crate::hcall::{Page, hcall};
use crate::tree::Platform;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use papr_abi::rtas::Status;
use papr_abi::token;

static BLOCKS: [Page; MAX_CPUS] = [const { Page::new() }; MAX_CPUS];
static POWER_OFF: AtomicU32 = AtomicU32::new(0);

/// What a call gave back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    /// `rets[0]`; what the hcall itself answered when it refused.
    pub(crate) status: i64,
    /// `rets[1]` and on.
    pub(crate) out: [u32; 8],
}

/// Calls `token` with `args`, for `returns` words back, the status included.
pub(crate) fn call(token: u32, args: &[u32], returns: u32) -> Reply {
    let block = &BLOCKS[cpu::this_cpu() % MAX_CPUS];
    block.fill(0xa5a5_a5a5_a5a5_a5a5);
    let head = [token, args.len() as u32, returns];
    for (n, word) in head.iter().chain(args).enumerate() {
        block.set32(n, *word);
    }
    let answer = hcall(token::H_RTAS, [block.real()]);
    let rets = 3 + args.len();
    let word = block.get32(rets);
    let untouched = answer.status != 0 && word == 0xa5a5_a5a5;
    Reply {
        status: if untouched {
            answer.status
        } else {
            i64::from(word.cast_signed())
        },
        out: core::array::from_fn(|n| block.get32(rets + 1 + n)),
    }
}

/// Calls the RTAS function `name`; `None` when the tree does not offer it.
pub(crate) fn named(platform: &Platform, name: &str, args: &[u32], returns: u32) -> Option<Reply> {
    platform
        .rtas_token(name)
        .map(|token| call(token, args, returns))
}

/// Keeps the power-off token, for [`power_off`] is called where no platform is at hand.
pub(crate) fn prepare(platform: &Platform) {
    POWER_OFF.store(platform.rtas_token("power-off").unwrap_or(0), Relaxed);
}

/// Ends the partition.
pub(crate) fn power_off() -> ! {
    loop {
        let _ = call(POWER_OFF.load(Relaxed), &[u32::MAX, u32::MAX], 1);
    }
}

/// The operator's panel, by the token of display-character: its lines are the log's.
pub(crate) struct Panel(pub(crate) u32);

impl Write for Panel {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // It may have to wait for its turn.
            while call(self.0, &[u32::from(byte)], 1).status == i64::from(Status::Busy as i32) {}
        }
        Ok(())
    }
}
