//! The calls there are.

use crate::tree::Platform;
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use papr_abi::token;

macro_rules! hcalls {
    ($($name:ident),* $(,)?) => {
        /// Every hcall that Bulkhead knows, and its name.
        pub(super) const HCALLS: &[(u64, &str)] = &[$((token::$name, stringify!($name))),*];
    };
}
hcalls!(
    H_REMOVE,
    H_ENTER,
    H_READ,
    H_CLEAR_MOD,
    H_CLEAR_REF,
    H_PROTECT,
    H_GET_TCE,
    H_PUT_TCE,
    H_SET_SPRG0,
    H_SET_DABR,
    H_PAGE_INIT,
    H_LOGICAL_CI_LOAD,
    H_LOGICAL_CI_STORE,
    H_LOGICAL_CACHE_LOAD,
    H_LOGICAL_CACHE_STORE,
    H_LOGICAL_ICBI,
    H_LOGICAL_DCBF,
    H_GET_TERM_CHAR,
    H_PUT_TERM_CHAR,
    H_EOI,
    H_CPPR,
    H_IPI,
    H_IPOLL,
    H_XIRR,
    H_REGISTER_VPA,
    H_CEDE,
    H_CONFER,
    H_PROD,
    H_GET_PPP,
    H_PURR,
    H_BULK_REMOVE,
    H_STUFF_TCE,
    H_PUT_TCE_INDIRECT,
    H_GET_CPU_CHARACTERISTICS,
    H_XIRR_X,
    H_RANDOM,
    H_SET_MODE,
    H_VIO_SIGNAL,
    H_REGISTER_LOGICAL_LAN,
    H_FREE_LOGICAL_LAN,
    H_ADD_LOGICAL_LAN_BUFFER,
    H_FREE_LOGICAL_LAN_BUFFER,
    H_SEND_LOGICAL_LAN,
    H_MULTICAST_CTRL,
    H_CHANGE_LOGICAL_LAN_MAC,
    H_ILLAN_ATTRIBUTES,
    H_SIGNAL_SYS_RESET,
);

/// An RTAS call.
pub(super) struct Rtas {
    pub(super) name: &'static str,
    /// How many inputs and outputs it has.
    pub(super) shape: [u32; 2],
    /// Which of its inputs say where it writes to.
    pub(super) writes_at: &'static [usize],
}

const fn rtas(name: &'static str, inputs: u32, outputs: u32) -> Rtas {
    Rtas {
        name,
        shape: [inputs, outputs],
        writes_at: &[],
    }
}
const fn writing(
    name: &'static str,
    inputs: u32,
    outputs: u32,
    writes_at: &'static [usize],
) -> Rtas {
    Rtas {
        writes_at,
        ..rtas(name, inputs, outputs)
    }
}

/// Every RTAS call that does not end the partition, or the processor that makes it.
pub(super) const RTAS: [Rtas; 25] = [
    rtas("display-character", 1, 1),
    rtas("get-time-of-day", 0, 8),
    rtas("set-time-of-day", 7, 1),
    rtas("query-cpu-stopped-state", 1, 2),
    rtas(START_CPU, 3, 1),
    writing("ibm,get-system-parameter", 3, 1, &[1]),
    rtas("ibm,set-xive", 3, 1),
    rtas("ibm,get-xive", 1, 3),
    rtas("ibm,int-off", 1, 1),
    rtas("ibm,int-on", 1, 1),
    writing("event-scan", 4, 1, &[2]),
    writing("nvram-fetch", 3, 2, &[1]),
    rtas("nvram-store", 3, 2),
    rtas("ibm,read-pci-config", 4, 2),
    rtas("ibm,write-pci-config", 5, 1),
    rtas("ibm,query-interrupt-source-number", 4, 3),
    rtas("ibm,change-msi", 6, 4),
    writing("check-exception", 7, 1, &[4]),
    rtas("get-sensor-state", 2, 2),
    rtas("ibm,set-eeh-option", 4, 1),
    rtas("ibm,get-config-addr-info2", 4, 2),
    rtas("ibm,read-slot-reset-state2", 3, 4),
    rtas("ibm,set-slot-reset", 4, 1),
    rtas("ibm,configure-pe", 3, 1),
    writing("ibm,slot-error-detail", 8, 1, &[3, 5]),
];
/// The call that is told where to begin.
pub(super) const START_CPU: &str = "start-cpu";
static TOKENS: [AtomicU32; RTAS.len()] = [const { AtomicU32::new(0) }; RTAS.len()];

/// Learns the tokens, as the device tree may be written over later.
pub(super) fn learn(platform: &Platform) {
    for (call, token) in RTAS.iter().zip(&TOKENS) {
        token.store(platform.rtas_token(call.name).unwrap_or(0), SeqCst);
    }
}

/// The token of the call at `place`.
pub(super) fn token_of(place: usize) -> Option<u32> {
    TOKENS.get(place).map(|token| token.load(SeqCst))
}

/// The call that `token` stands for.
pub(super) fn by_token(token: u32) -> Option<&'static Rtas> {
    let mut tokens = TOKENS.iter().map(|known| known.load(SeqCst));
    let place = tokens.position(|known| known == token)?;
    RTAS.get(place)
}
