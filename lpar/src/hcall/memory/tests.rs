//! Every answer of the hcalls that reach memory and registers.

use crate::testing::{MMIO, RAM_BASE, RAM_BYTES, Rig};
use papr_abi::hpte::flag;
use papr_abi::{GuestRealAddr, token};

const OK: i64 = 0;
const PARAMETER: i64 = -4;
const AT: u64 = MMIO.start.0 + 0x1_0000;

impl Rig {
    fn word(&self, at: u64) -> u64 {
        self.lpar.ram.load(GuestRealAddr(at), 8).unwrap()
    }
    fn set_word(&self, at: u64, value: u64) {
        self.lpar.ram.store(GuestRealAddr(at), 8, value).unwrap();
    }
}

#[test]
fn page_init_zeroes_and_copies_one_page() {
    let rig = Rig::new();
    for at in (0..0x4000).step_by(8) {
        rig.set_word(at, at | 1);
    }
    let page = |at: u64| (at..at + 0x1000).step_by(8);
    let (status, _) = rig.call(token::H_PAGE_INIT, &[flag::ZERO_PAGE, 0x1000, !0]);
    assert_eq!(status, OK);
    assert!(page(0x1000).all(|at| rig.word(at) == 0));
    assert_eq!([rig.word(0xff8), rig.word(0x2000)], [0xff9, 0x2001]);
    for flags in [flag::COPY_PAGE, flag::COPY_PAGE | flag::ZERO_PAGE] {
        assert_eq!(rig.call(token::H_PAGE_INIT, &[flags, 0x1000, 0x3000]).0, OK);
        assert!(page(0x1000).all(|at| rig.word(at) == (at + 0x2000) | 1));
        rig.call(token::H_PAGE_INIT, &[flag::ZERO_PAGE, 0x1000, 0]);
    }
    // Neither flag: nothing to do but the caches.
    assert!(rig.caches.fetched_anew.lock().unwrap().is_empty());
    for flags in [flag::ICACHE_INVALIDATE, flag::ICACHE_SYNCHRONIZE] {
        assert_eq!(rig.call(token::H_PAGE_INIT, &[flags, 0x3000, !0]).0, OK);
        assert_eq!(
            rig.caches.fetched_anew.lock().unwrap().pop(),
            Some((RAM_BASE + 0x3000, 0x1000))
        );
    }
    assert_eq!(rig.word(0x3000), 0x3001);
}

#[test]
fn page_init_refuses_all_but_pages_of_memory() {
    let rig = Rig::new();
    rig.set_word(0x1000, 7);
    for bad in [
        0x1800,
        0x1008,
        RAM_BYTES,
        RAM_BASE,
        MMIO.start.0,
        !0xfff,
        u64::MAX,
    ] {
        for (flags, to, from) in [
            (flag::ZERO_PAGE, bad, 0),
            (flag::COPY_PAGE, bad, 0),
            (flag::COPY_PAGE, 0x1000, bad),
            (flag::COPY_PAGE | flag::ZERO_PAGE, 0x1000, bad),
            (0, bad, 0),
        ] {
            let (status, _) = rig.call(token::H_PAGE_INIT, &[flags, to, from]);
            assert_eq!(status, PARAMETER, "{flags:#x} {to:#x} {from:#x}");
            assert_eq!(rig.word(0x1000), 7);
        }
    }
}

#[test]
fn ci_accesses_reach_own_registers_in_each_size() {
    let rig = Rig::new();
    for bytes in [1, 2, 4, 8] {
        let at = AT + bytes;
        let value = 0x1122_3344_5566_7788;
        let low = value & (u64::MAX >> (64 - 8 * bytes));
        assert_eq!(
            rig.call(token::H_LOGICAL_CI_STORE, &[bytes, at, value]).0,
            OK
        );
        assert_eq!(rig.devices.registers.lock().unwrap()[&at], (low, bytes));
        let (status, out) = rig.call(token::H_LOGICAL_CI_LOAD, &[bytes, at]);
        assert_eq!((status, out[0]), (OK, low));
    }
}

#[test]
fn logical_accesses_refuse_sizes_alignments_and_what_is_not_theirs() {
    let rig = Rig::new();
    let ci = [token::H_LOGICAL_CI_LOAD, token::H_LOGICAL_CI_STORE];
    let cached = [token::H_LOGICAL_CACHE_LOAD, token::H_LOGICAL_CACHE_STORE];
    let end = MMIO.start.0 + MMIO.bytes;
    for (tokens, own, foreign) in [
        (ci, AT, [MMIO.start.0 - 8, end, 0x1000, RAM_BASE, !7]),
        (cached, 0x1000, [RAM_BYTES, AT, RAM_BASE, 1 << 63, !7]),
    ] {
        for token in tokens {
            for (bytes, at) in [(0, own), (3, own), (16, own), (u64::MAX, own)]
                .into_iter()
                .chain([(2, own + 1), (4, own + 2), (8, own + 4)])
                .chain(foreign.map(|at| (8, at)))
            {
                assert_eq!(
                    rig.call(token, &[bytes, at, !0]).0,
                    PARAMETER,
                    "{bytes} {at:#x}"
                );
            }
        }
    }
    assert!(rig.devices.registers.lock().unwrap().is_empty());
    assert_eq!(rig.word(0x1000), 0);
}

#[test]
fn cached_accesses_are_big_endian_and_leave_neighbours() {
    let rig = Rig::new();
    rig.set_word(0x1000, 0x1122_3344_5566_7788);
    let (status, out) = rig.call(token::H_LOGICAL_CACHE_LOAD, &[2, 0x1002]);
    assert_eq!((status, out[0]), (OK, 0x3344));
    assert_eq!(
        rig.call(token::H_LOGICAL_CACHE_STORE, &[4, 0x1004, !0]).0,
        OK
    );
    assert_eq!(rig.word(0x1000), 0x1122_3344_ffff_ffff);
}

#[test]
fn cache_hcalls_act_on_the_line_and_only_in_memory() {
    let rig = Rig::new();
    assert_eq!(rig.call(token::H_LOGICAL_ICBI, &[0x10ff]).0, OK);
    assert_eq!(rig.call(token::H_LOGICAL_DCBF, &[RAM_BYTES - 1]).0, OK);
    let line = RAM_BASE + RAM_BYTES - 128;
    assert_eq!(
        *rig.caches.fetched_anew.lock().unwrap(),
        [(RAM_BASE + 0x1080, 128)]
    );
    assert_eq!(*rig.caches.flushed.lock().unwrap(), [(line, 128)]);
    for token in [token::H_LOGICAL_ICBI, token::H_LOGICAL_DCBF] {
        for at in [RAM_BYTES, AT, u64::MAX] {
            assert_eq!(rig.call(token, &[at]).0, PARAMETER);
        }
    }
    assert_eq!(rig.caches.flushed.lock().unwrap().len(), 1);
}
