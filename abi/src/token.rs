//! Hcall tokens (r3 of `sc 1`). Source: LoPAR 2.9, "Hypervisor Call Function Table".
#![expect(missing_docs, reason = "each constant is LoPAR's name for its hcall")]

pub const H_REMOVE: u64 = 0x04;
pub const H_ENTER: u64 = 0x08;
pub const H_READ: u64 = 0x0c;
pub const H_CLEAR_MOD: u64 = 0x10;
pub const H_CLEAR_REF: u64 = 0x14;
pub const H_PROTECT: u64 = 0x18;
pub const H_GET_TCE: u64 = 0x1c;
pub const H_PUT_TCE: u64 = 0x20;
pub const H_SET_SPRG0: u64 = 0x24;
pub const H_SET_DABR: u64 = 0x28;
pub const H_PAGE_INIT: u64 = 0x2c;
pub const H_LOGICAL_CI_LOAD: u64 = 0x3c;
pub const H_LOGICAL_CI_STORE: u64 = 0x40;
pub const H_LOGICAL_CACHE_LOAD: u64 = 0x44;
pub const H_LOGICAL_CACHE_STORE: u64 = 0x48;
pub const H_LOGICAL_ICBI: u64 = 0x4c;
pub const H_LOGICAL_DCBF: u64 = 0x50;
pub const H_GET_TERM_CHAR: u64 = 0x54;
pub const H_PUT_TERM_CHAR: u64 = 0x58;
pub const H_EOI: u64 = 0x64;
pub const H_CPPR: u64 = 0x68;
pub const H_IPI: u64 = 0x6c;
pub const H_IPOLL: u64 = 0x70;
pub const H_XIRR: u64 = 0x74;
pub const H_REGISTER_VPA: u64 = 0xdc;
pub const H_CEDE: u64 = 0xe0;
pub const H_CONFER: u64 = 0xe4;
pub const H_PROD: u64 = 0xe8;
pub const H_BULK_REMOVE: u64 = 0x124;
pub const H_STUFF_TCE: u64 = 0x138;
pub const H_PUT_TCE_INDIRECT: u64 = 0x13c;
pub const H_GET_CPU_CHARACTERISTICS: u64 = 0x1c8;
pub const H_XIRR_X: u64 = 0x2fc;
pub const H_RANDOM: u64 = 0x300;
pub const H_SET_MODE: u64 = 0x31c;
pub const H_SIGNAL_SYS_RESET: u64 = 0x380;
/// Private: r4 is the logical real address of an RTAS argument block. The number QEMU-era
/// firmware and tests use; not in LoPAR.
pub const H_RTAS: u64 = 0xf000;
