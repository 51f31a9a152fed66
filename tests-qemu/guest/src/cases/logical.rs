//! H_LOGICAL_CI_LOAD and STORE, H_LOGICAL_CACHE_LOAD and STORE, H_LOGICAL_ICBI and DCBF. Source:
//! LoPAR 2.9, "Debugger Support hcall()s". What they do to a device's registers is in `pci`.

use crate::hcall::{PAGES, hcall};
use crate::suite::{Outcome, cases, ok, refused, same};
use crate::tree::Platform;
use papr_abi::{HError, token};

cases!("logical":
    cache_load_and_store_all_sizes,
    sizes_are_checked,
    icbi_and_dcbf_on_memory;
    beyond_qemu: boundaries_are_checked, ci_refuses_memory, foreign_addresses_are_refused,
);

const ACCESSES: [u64; 4] = [
    token::H_LOGICAL_CI_LOAD,
    token::H_LOGICAL_CI_STORE,
    token::H_LOGICAL_CACHE_LOAD,
    token::H_LOGICAL_CACHE_STORE,
];

fn cache_load_and_store_all_sizes(_: &Platform) -> Outcome {
    let value = 0x8182_8384_8586_8788;
    for (size, mask) in [(1, 0xff), (2, 0xffff), (4, 0xffff_ffff), (8, u64::MAX)] {
        PAGES[0].fill(0);
        PAGES[0].set(1, value);
        let loaded = ok(
            "load",
            hcall(token::H_LOGICAL_CACHE_LOAD, [size, PAGES[0].real() + 8]),
        )?[0];
        same("loaded, right-justified", loaded, value >> (64 - 8 * size))?;
        ok(
            "store",
            hcall(
                token::H_LOGICAL_CACHE_STORE,
                [size, PAGES[0].real() + 16, value],
            ),
        )?;
        same("stored", PAGES[0].get(2), (value & mask) << (64 - 8 * size))?;
        same("beside it", PAGES[0].get(3), 0)?;
    }
    Ok(())
}

fn sizes_are_checked(_: &Platform) -> Outcome {
    for token in ACCESSES {
        for size in [0, 3, 5, 16, 1 << 32 | 4, u64::MAX] {
            refused(
                "size",
                hcall(token, [size, PAGES[0].real(), 0]),
                HError::Parameter,
            )?;
        }
    }
    Ok(())
}

fn boundaries_are_checked(_: &Platform) -> Outcome {
    for token in [token::H_LOGICAL_CACHE_LOAD, token::H_LOGICAL_CACHE_STORE] {
        for (size, offset) in [(2, 1), (4, 2), (8, 4)] {
            refused(
                "boundary",
                hcall(token, [size, PAGES[0].real() + offset, 0]),
                HError::Parameter,
            )?;
        }
    }
    Ok(())
}

fn icbi_and_dcbf_on_memory(_: &Platform) -> Outcome {
    ok(
        "H_LOGICAL_ICBI",
        hcall(token::H_LOGICAL_ICBI, [PAGES[0].real()]),
    )?;
    ok(
        "H_LOGICAL_DCBF",
        hcall(token::H_LOGICAL_DCBF, [PAGES[0].real()]),
    )
    .map(drop)
}

fn ci_refuses_memory(_: &Platform) -> Outcome {
    PAGES[0].fill(7);
    refused(
        "load",
        hcall(token::H_LOGICAL_CI_LOAD, [8, PAGES[0].real()]),
        HError::Parameter,
    )?;
    refused(
        "store",
        hcall(token::H_LOGICAL_CI_STORE, [8, PAGES[0].real(), 1]),
        HError::Parameter,
    )?;
    same("memory", PAGES[0].get(0), 7)
}

fn foreign_addresses_are_refused(platform: &Platform) -> Outcome {
    let end = platform.memory_end;
    for token in ACCESSES {
        for address in [
            end,
            1 << 40,
            0x0003_fc00_0000_0000,
            0x0003_ffff_8000_8000,
            1 << 63,
            u64::MAX - 7,
        ] {
            refused(
                "foreign address",
                hcall(token, [8, address, 0]),
                HError::Parameter,
            )?;
        }
    }
    refused(
        "H_LOGICAL_ICBI",
        hcall(token::H_LOGICAL_ICBI, [end]),
        HError::Parameter,
    )?;
    refused(
        "H_LOGICAL_DCBF",
        hcall(token::H_LOGICAL_DCBF, [end]),
        HError::Parameter,
    )
}
