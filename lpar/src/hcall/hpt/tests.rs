//! Every answer of the page table hcalls, alone and against a plain model of the table.

use crate::testing::{Invalidated, LPID, MMIO, RAM_BASE, RAM_BYTES, Rig};
use ioda::BeU64;
use papr_abi::hpte::{bulk, flag, lp, r, v};
use papr_abi::token;

const OK: i64 = 0;
const PARAMETER: i64 = -4;
const PTEG_FULL: i64 = -6;
const NOT_FOUND: i64 = -7;
const HARDWARE: i64 = -1;
const TOO_BIG: i64 = -64;

/// Some AVPN with a 256 MiB segment.
const V: u64 = 0x0012_3456_7890_1280 | v::VALID;
/// Logical page 0x5000, memory, read/write, referenced.
const R: u64 = 0x5000 | r::M | r::R | 2;
/// [`R`] as it must be in the table.
const HOST_R: u64 = R + RAM_BASE;
const ENTRIES: u64 = 1 << 14;

impl Rig {
    fn enter(&self, flags: u64, index: u64, v: u64, r: u64) -> (i64, u64) {
        let (status, out) = self.call(token::H_ENTER, &[flags, index, v, r]);
        (status, out[0])
    }
    fn table(&self, index: u64) -> (u64, u64) {
        let cell = |i: u64| self.hpt[i as usize].load();
        (cell(2 * index), cell(2 * index + 1))
    }
    /// Sets bits of a second doubleword as the hardware does.
    fn hardware_sets(&self, index: u64, bits: u64) {
        let cell: &'static BeU64 = &self.hpt[2 * index as usize + 1];
        *self.tlb.meanwhile.lock().unwrap() = Some(Box::new(move || {
            cell.store(cell.load() | bits);
        }));
    }
}

fn invalidated(index: u64, v: u64, r: u64) -> Vec<Invalidated> {
    vec![(LPID, index, v, r)]
}

#[test]
fn enter_takes_the_first_free_slot_of_the_group() {
    let rig = Rig::new();
    for slot in 0..8 {
        assert_eq!(rig.enter(0, 8 * 3 + 5, V, R), (OK, 8 * 3 + slot));
        assert_eq!(rig.table(8 * 3 + slot), (V, HOST_R));
    }
    assert_eq!(rig.enter(0, 8 * 3, V, R).0, PTEG_FULL);
    assert_eq!(rig.table(8 * 2 + 7), (0, 0));
    assert_eq!(rig.table(8 * 4), (0, 0));
    assert_eq!(*rig.tlb.published.lock().unwrap(), 8);
    assert!(rig.tlb.take().is_empty());
}

#[test]
fn enter_exact_takes_that_slot_or_none() {
    let rig = Rig::new();
    assert_eq!(rig.enter(flag::EXACT, 29, V, R), (OK, 29));
    assert_eq!(rig.enter(flag::EXACT, 29, V | v::BOLTED, R).0, PTEG_FULL);
    assert_eq!(rig.table(29), (V, HOST_R));
    assert_eq!(rig.enter(0, 29, V, R), (OK, 24));
}

#[test]
fn enter_keeps_what_is_the_guests_and_clears_what_is_not() {
    let rig = Rig::new();
    let software = v::HV_SOFTWARE | 0x18 | v::SECONDARY;
    assert_eq!(rig.enter(0, 0, V & !v::VALID | software, R).0, OK);
    assert_eq!(rig.table(0).0, V | 0x18 | v::SECONDARY);
    let all = r::PP0 | r::KEY_HI | r::KEY_LO | 1 << 62 | r::C | r::N | r::PP | R;
    assert_eq!(rig.enter(0, 8, V | v::B_1T, all).0, OK);
    let kept = r::PP0 | r::C | r::N | r::PP | HOST_R;
    assert_eq!(rig.table(8), (V | v::B_1T, kept));
}

#[test]
fn enter_refuses_what_the_table_or_the_partition_has_not() {
    let rig = Rig::new();
    let last_page = RAM_BYTES - 0x1000;
    let cases = [
        ("index", ENTRIES, V, R),
        ("index", u64::MAX, V, R),
        ("segment size 2", 0, V | 2 << 62, R),
        ("segment size 3", 0, V | 3 << 62, R),
        (
            "64K page in a 4K segment",
            0,
            V | v::LARGE,
            R & !0xf000 | 0x7000,
        ),
        ("page past the end", 0, V, RAM_BYTES | r::M),
        ("page of another partition", 0, V, RAM_BASE | r::M),
        ("highest page", 0, V, r::RPN | r::M),
        ("16M page of memory of 1M", 0, V | v::LARGE, r::M),
        ("write-through memory", 0, V, R | r::W),
        ("inhibited memory", 0, V, R | r::I),
        ("inhibited memory without M", 0, V, R & !r::M | r::I),
        ("guarded memory", 0, V, R | r::G),
        ("memory without M", 0, V, R & !r::M),
        ("strongly ordered memory", 0, V, R | r::W | r::I),
        ("cacheable device", 0, V, MMIO.start.0 | r::M),
        ("device with no attribute", 0, V, MMIO.start.0),
        ("write-through device", 0, V, MMIO.start.0 | r::W | r::I),
        ("guarded cacheable device", 0, V, MMIO.start.0 | r::G),
        ("below the device", 0, V, (MMIO.start.0 - 0x1000) | r::I),
        ("above the device", 0, V, (MMIO.start.0 + MMIO.bytes) | r::I),
        (
            "16M page over the device",
            0,
            V | v::LARGE,
            MMIO.start.0 & !0xff_ffff | r::I,
        ),
    ];
    for (name, index, v, r) in cases {
        assert_eq!(rig.enter(0, index, v, r).0, PARAMETER, "{name}");
        assert_eq!(rig.table(0), (0, 0), "{name}");
    }
    assert_eq!(rig.enter(0, 0, V, last_page | r::M).0, OK);
}

#[test]
fn enter_takes_each_page_size_offered() {
    const BYTES: u64 = 32 << 20;
    let rig = Rig::with_ram(BYTES);
    let large = V & !0x80 | v::LARGE;
    assert_eq!(rig.enter(0, 0, large, 0x3_0000 | lp::PAGE_64K | r::M).0, OK);
    assert_eq!(rig.table(0).1, (RAM_BASE + 0x3_0000) | lp::PAGE_64K | r::M);
    assert_eq!(rig.enter(0, 0, large, 0x100_0000 | r::M).0, OK);
    assert_eq!(rig.table(1).1, (RAM_BASE + 0x100_0000) | r::M);
    assert_eq!(
        rig.enter(0, 8, large, 0x10_0000 | r::M).0,
        PARAMETER,
        "unaligned"
    );
    // The last of each, and the first one past the end.
    for (last, lp) in [(BYTES - 0x1_0000, lp::PAGE_64K), (BYTES - 0x100_0000, 0)] {
        assert_eq!(rig.enter(0, 8, large, last | lp | r::M).0, OK);
        assert_eq!(rig.enter(0, 8, large, BYTES | lp | r::M).0, PARAMETER);
    }
}

#[test]
fn enter_refuses_a_page_size_that_memory_has_not_the_boundaries_for() {
    let rig = Rig::with_ram(33 << 20);
    assert_eq!(rig.enter(0, 0, V | v::LARGE, r::M).0, PARAMETER);
    assert_eq!(rig.enter(0, 0, V | v::LARGE, lp::PAGE_64K | r::M).0, OK);
}

#[test]
fn enter_maps_own_device_memory_with_any_wimg_of_lopar() {
    // The memo of implementations knows 010x only; LoPAR 2.9, H_ENTER, says 01**.
    let rig = Rig::new();
    let at = MMIO.start.0;
    for (slot, wimg) in [r::I, r::I | r::G, r::I | r::M, r::I | r::M | r::G]
        .into_iter()
        .enumerate()
    {
        assert_eq!(rig.enter(0, 0, V, (at + 0x1000) | wimg | 2).0, OK);
        let (_, entered) = rig.table(slot as u64);
        assert_eq!(entered, (at + 0x1000) | wimg & !r::M | 2);
    }
    let large = (at + 0x1_0000) | lp::PAGE_64K | r::I | r::G;
    assert_eq!(rig.enter(0, 8, V | v::LARGE, large).0, OK);
    assert_eq!(rig.table(8).1, large);
    // It comes back as it is: its logical address is its real one.
    assert_eq!(rig.call(token::H_READ, &[flag::R_XLATE, 8]).1[1], large);
}

#[test]
fn enter_prepares_the_page_it_maps() {
    let rig = Rig::with_ram(32 << 20);
    let ram = &rig.lpar.ram;
    let words = ram.words(papr_abi::GuestRealAddr(0), 0x4_0000 / 8).unwrap();
    words.iter().for_each(|word| word.store(!0));
    assert_eq!(rig.enter(flag::ZERO_PAGE, 0, V, R).0, OK);
    let page = 0x5000 / 8..0x6000 / 8;
    assert!(words[page.clone()].iter().all(|word| word.load() == 0));
    assert_eq!(words[page.start - 1].load(), !0);
    assert_eq!(words[page.end].load(), !0);
    let r64 = 0x2_0000 | lp::PAGE_64K | r::M;
    let flags = flag::ZERO_PAGE | flag::ICACHE_SYNCHRONIZE;
    assert_eq!(rig.enter(flags, 0, V | v::LARGE, r64).0, OK);
    let page = 0x2_0000 / 8..0x3_0000 / 8;
    assert!(words[page.clone()].iter().all(|word| word.load() == 0));
    assert_eq!(words[page.end].load(), !0);
    assert_eq!(
        *rig.caches.fetched_anew.lock().unwrap(),
        [(RAM_BASE + 0x2_0000, 0x1_0000)]
    );
    // Not for devices, not above 64 KiB, not when no slot is free.
    assert_eq!(rig.enter(flags, 8, V, MMIO.start.0 | r::I).0, OK);
    for flags in [
        flag::ZERO_PAGE,
        flag::ICACHE_INVALIDATE,
        flag::ICACHE_SYNCHRONIZE,
    ] {
        assert_eq!(rig.enter(flags, 8, V | v::LARGE, r::M).0, TOO_BIG);
    }
    assert_eq!(
        rig.enter(flags | flag::EXACT, 0, V, 0x7000 | r::M).0,
        PTEG_FULL
    );
    assert_eq!(words[0x7000 / 8].load(), !0);
    assert_eq!(rig.caches.fetched_anew.lock().unwrap().len(), 1);
}

#[test]
fn remove_returns_the_entry_with_what_the_hardware_last_set() {
    let rig = Rig::new();
    rig.enter(flag::EXACT, 9, V, R);
    rig.hardware_sets(9, r::C);
    let (status, out) = rig.call(token::H_REMOVE, &[0, 9, 0]);
    assert_eq!((status, out[0], out[1]), (OK, V, R | r::C));
    assert_eq!(rig.table(9), (0, 0));
    assert_eq!(rig.tlb.take(), invalidated(9, V, HOST_R));
}

#[test]
fn remove_compares_as_its_flags_ask() {
    let rig = Rig::new();
    let avpn = V & v::AVPN;
    let bolted = V | v::BOLTED;
    for (name, flags, operand, expected) in [
        ("avpn of another", flag::AVPN, avpn ^ 0x80, NOT_FOUND),
        (
            "segment size of another",
            flag::AVPN,
            avpn | v::B_1T,
            NOT_FOUND,
        ),
        ("avpn with low bits", flag::AVPN, V, NOT_FOUND),
        (
            "andcond with a set bit",
            flag::ANDCOND,
            v::BOLTED,
            NOT_FOUND,
        ),
        (
            "avpn and andcond",
            flag::AVPN | flag::ANDCOND,
            avpn,
            NOT_FOUND,
        ),
        ("avpn", flag::AVPN, avpn, OK),
        (
            "andcond without",
            flag::ANDCOND,
            v::LARGE | v::SECONDARY,
            OK,
        ),
        ("no flag", 0, !0, OK),
    ] {
        rig.enter(flag::EXACT, 9, bolted, R);
        let (status, _) = rig.call(token::H_REMOVE, &[flags, 9, operand]);
        assert_eq!(status, expected, "{name}");
        let invalidations = usize::from(status == OK);
        assert_eq!(rig.tlb.take().len(), invalidations, "{name}");
        if status == OK {
            assert_eq!(rig.table(9), (0, 0), "{name}");
        } else {
            assert_eq!(rig.table(9), (bolted, HOST_R), "{name}");
        }
    }
    assert_eq!(rig.call(token::H_REMOVE, &[0, 9, 0]).0, NOT_FOUND);
    assert_eq!(rig.call(token::H_REMOVE, &[0, ENTRIES, 0]).0, PARAMETER);
}

#[test]
fn read_gives_logical_page_numbers_and_hides_the_lock() {
    let rig = Rig::new();
    rig.enter(flag::EXACT, 6, V, R);
    rig.enter(flag::EXACT, 7, V | v::LARGE, 0x9_1000 | r::M);
    for flags in [0, flag::R_XLATE] {
        let (status, out) = rig.call(token::H_READ, &[flags, 6]);
        assert_eq!((status, &out[..3]), (OK, &[V, R, 0][..]));
        let (status, out) = rig.call(token::H_READ, &[flags | flag::READ_4, 7]);
        let four = [0, 0, 0, 0, V, R, V | v::LARGE, 0x9_1000 | r::M];
        assert_eq!((status, &out[..8]), (OK, &four[..]));
    }
    assert_eq!(rig.table(6), (V, HOST_R));
    for index in [ENTRIES, u64::MAX] {
        assert_eq!(rig.call(token::H_READ, &[0, index]).0, PARAMETER);
        assert_eq!(rig.call(token::H_READ, &[flag::READ_4, index]).0, PARAMETER);
    }
    let (status, out) = rig.call(token::H_READ, &[flag::READ_4, ENTRIES + 3]);
    assert_eq!((status, out[0]), (PARAMETER, flag::READ_4));
    assert_eq!(rig.call(token::H_READ, &[flag::READ_4, ENTRIES - 1]).0, OK);
    assert!(rig.tlb.take().is_empty());
}

#[test]
fn an_entry_that_is_being_changed_is_invalid_and_locked() {
    let rig = Rig::new();
    let hpt = rig.hpt;
    *rig.tlb.meanwhile.lock().unwrap() = Some(Box::new(move || {
        assert_eq!(hpt[18].load(), V & !v::VALID | v::HV_LOCK);
    }));
    rig.enter(flag::EXACT, 9, V, R);
    assert_eq!(rig.call(token::H_PROTECT, &[1, 9, 0]).0, OK);
    assert_eq!(rig.call(token::H_CLEAR_MOD, &[0, 9]).0, OK);
    assert_eq!(rig.call(token::H_REMOVE, &[0, 9, 0]).0, OK);
    rig.enter(flag::EXACT, 9, V, R);
    let requests = [bulk::REQUEST | 9, 0, bulk::END];
    assert_eq!(rig.call(token::H_BULK_REMOVE, &requests).0, OK);
    assert_eq!(rig.tlb.take().len(), 3);
}

#[test]
fn protect_sets_protection_and_clears_referenced() {
    // KVM and QEMU keep R; LoPAR 2.9, H_PROTECT, has it cleared.
    let rig = Rig::new();
    rig.enter(flag::EXACT, 9, V, R);
    rig.hardware_sets(9, r::C | r::R);
    let keys = 0x3e00;
    let flags = flag::AVPN | flag::PP0 | flag::N | 3 | keys;
    assert_eq!(rig.call(token::H_PROTECT, &[flags, 9, V & v::AVPN]).0, OK);
    let base = (0x5000 + RAM_BASE) | r::M | r::C;
    assert_eq!(rig.table(9), (V, base | r::PP0 | r::N | 3));
    assert_eq!(rig.tlb.take(), invalidated(9, V, HOST_R));
    *rig.tlb.meanwhile.lock().unwrap() = None;
    assert_eq!(rig.call(token::H_PROTECT, &[1, 9, 0]).0, OK);
    assert_eq!(rig.table(9), (V, base | 1));
    // ANDCOND is none of its flags.
    assert_eq!(
        rig.call(token::H_PROTECT, &[flag::ANDCOND | 2, 9, !0]).0,
        OK
    );
    rig.tlb.take();
    let mismatch = [flag::AVPN, 9, V & v::AVPN ^ 0x80];
    assert_eq!(rig.call(token::H_PROTECT, &mismatch).0, NOT_FOUND);
    assert_eq!(rig.call(token::H_PROTECT, &[0, 10, 0]).0, NOT_FOUND);
    assert_eq!(rig.call(token::H_PROTECT, &[0, ENTRIES, 0]).0, PARAMETER);
    assert_eq!(rig.table(9), (V, base | 2));
    assert!(rig.tlb.take().is_empty());
}

#[test]
fn clear_mod_and_clear_ref_return_the_old_doubleword() {
    let rig = Rig::new();
    for (token, bit, other) in [
        (token::H_CLEAR_MOD, r::C, r::R),
        (token::H_CLEAR_REF, r::R, r::C),
    ] {
        rig.enter(flag::EXACT, 9, V, R | bit | other);
        let (status, out) = rig.call(token, &[0, 9]);
        assert_eq!((status, out[0]), (OK, R | bit | other));
        assert_eq!(rig.table(9), (V, HOST_R & !bit | other));
        assert_eq!(rig.tlb.take().len(), 1);
        // Again, when there is nothing to clear.
        let (status, out) = rig.call(token, &[0, 9]);
        assert_eq!((status, out[0]), (OK, R & !bit | other));
        assert!(rig.tlb.take().is_empty());
        assert_eq!(rig.call(token, &[0, 10]).0, NOT_FOUND);
        assert_eq!(rig.call(token, &[0, ENTRIES]).0, PARAMETER);
        rig.call(token::H_REMOVE, &[0, 9, 0]);
        rig.tlb.take();
    }
}

#[test]
fn clear_mod_reports_a_change_made_while_it_worked() {
    let rig = Rig::new();
    rig.enter(flag::EXACT, 9, V, R & !r::R | r::C);
    rig.hardware_sets(9, r::R);
    assert_eq!(rig.call(token::H_CLEAR_MOD, &[0, 9]).1[0], R | r::C);
    assert_eq!(rig.table(9), (V, HOST_R));
}

#[test]
fn bulk_remove_answers_each_request() {
    let rig = Rig::new();
    rig.enter(flag::EXACT, 1, V, R);
    rig.enter(flag::EXACT, 2, V, R & !r::R | r::C);
    rig.enter(flag::EXACT, 3, V | v::BOLTED, R);
    let avpn = V & v::AVPN;
    let (status, out) = rig.call(
        token::H_BULK_REMOVE,
        &[
            bulk::REQUEST | 1,
            0,
            bulk::REQUEST | bulk::AVPN | 2,
            avpn,
            bulk::REQUEST | bulk::AVPN | 3,
            avpn ^ 0x80,
            bulk::REQUEST | bulk::ANDCOND | 3,
            avpn,
        ],
    );
    assert_eq!(status, OK);
    let expected = [
        bulk::RESPONSE | bulk::R | 1,
        0,
        bulk::RESPONSE | bulk::AVPN | bulk::C | 2,
        avpn,
        bulk::RESPONSE | bulk::NOT_FOUND | bulk::AVPN | 3,
        avpn ^ 0x80,
        bulk::RESPONSE | bulk::NOT_FOUND | bulk::ANDCOND | 3,
        avpn,
        0,
    ];
    assert_eq!(out, expected);
    assert_eq!([rig.table(1), rig.table(2)], [(0, 0); 2]);
    assert_eq!(rig.tlb.take().len(), 2);
    // Bits below the AVPN are not looked at here, other than by H_REMOVE.
    let all_but_avpn = [bulk::REQUEST | bulk::ANDCOND | 3, 0x7f, bulk::END];
    let (status, out) = rig.call(token::H_BULK_REMOVE, &all_but_avpn);
    assert_eq!(status, OK);
    assert_eq!(out[0], bulk::RESPONSE | bulk::ANDCOND | bulk::R | 3);
    assert_eq!(out[2], bulk::END);
    rig.tlb.take();
}

#[test]
fn bulk_remove_stops_at_the_end_and_at_the_first_error() {
    let rig = Rig::new();
    for (bad, flagged) in [
        (0, 0),
        (bulk::RESPONSE | 2, 2),
        (bulk::REQUEST | bulk::COMPARE | 2, bulk::COMPARE | 2),
        (bulk::REQUEST | ENTRIES, ENTRIES),
        (bulk::REQUEST | bulk::PTEX, bulk::PTEX),
    ] {
        rig.enter(flag::EXACT, 1, V, R);
        rig.enter(flag::EXACT, 2, V, R);
        let requests = [bulk::REQUEST | 1, 0, bad, 0, bulk::REQUEST | 2, 0];
        let (status, out) = rig.call(token::H_BULK_REMOVE, &requests);
        assert_eq!(status, PARAMETER);
        assert_eq!(out[0], bulk::RESPONSE | bulk::R | 1);
        assert_eq!(out[2], bulk::RESPONSE | bulk::PARAMETER | flagged);
        assert_eq!(out[4], bulk::REQUEST | 2);
        assert_eq!(rig.table(1), (0, 0), "what came before is done");
        assert_eq!(rig.table(2), (V, HOST_R));
        assert_eq!(rig.tlb.take().len(), 1);
    }
    let requests = [bulk::END, 0, bulk::REQUEST | 2, 0];
    let (status, out) = rig.call(token::H_BULK_REMOVE, &requests);
    assert_eq!((status, &out[..4]), (OK, &requests[..]));
    assert_eq!(rig.table(2), (V, HOST_R));
}

#[test]
fn bulk_remove_finds_an_entry_named_twice_only_once() {
    let rig = Rig::new();
    rig.enter(flag::EXACT, 1, V, R);
    let requests = [bulk::REQUEST | 1, 0, bulk::REQUEST | 1, 0, bulk::END];
    let (status, out) = rig.call(token::H_BULK_REMOVE, &requests);
    assert_eq!(status, OK);
    assert_eq!(out[0], bulk::RESPONSE | bulk::R | 1);
    assert_eq!(out[2], bulk::RESPONSE | bulk::NOT_FOUND | 1);
    assert_eq!(rig.tlb.take().len(), 1);
}

#[test]
fn an_entry_that_another_never_lets_go_of_is_an_error_and_no_endless_wait() {
    let rig = Rig::new();
    rig.enter(flag::EXACT, 1, V, R);
    rig.enter(flag::EXACT, 2, V, R);
    rig.hpt[4].store(V | v::HV_LOCK);
    assert_eq!(rig.call(token::H_REMOVE, &[0, 2, 0]).0, 1);
    assert_eq!(rig.call(token::H_READ, &[0, 2]).0, 1);
    // A locked slot counts as used.
    assert_eq!(rig.enter(flag::EXACT, 2, V, R).0, PTEG_FULL);
    let requests = [bulk::REQUEST | 1, 0, bulk::REQUEST | 2, 0, bulk::END];
    let (status, out) = rig.call(token::H_BULK_REMOVE, &requests);
    assert_eq!(status, HARDWARE);
    assert_eq!(out[0], bulk::RESPONSE | bulk::R | 1);
    assert_eq!(out[2], bulk::RESPONSE | bulk::HARDWARE | 2);
    assert_eq!(rig.table(1), (0, 0));
    rig.tlb.take();
}

mod model;
