//! Every answer of the TCE hcalls.

use crate::testing::{LARGE_WINDOW, MMIO, RAM_BASE, RAM_BYTES, Rig, WINDOW};
use papr_abi::{GuestRealAddr, token};

const OK: i64 = 0;
const PARTIAL: i64 = 5;
const FUNCTION: i64 = -2;
const PARAMETER: i64 = -4;
const P4: i64 = -57;

const LIOBN: u64 = WINDOW.0.0 as u64;
const FIRST: u64 = WINDOW.1.0;
const BYTES: u64 = 1024 << 12;
const LARGE: u64 = LARGE_WINDOW.0.0 as u64;
const LARGE_FIRST: u64 = LARGE_WINDOW.1.0;
/// Where tests keep the list of H_PUT_TCE_INDIRECT.
const LIST: u64 = 0x3000;

impl Rig {
    fn tce(&self, index: usize) -> u64 {
        self.tces[0][index].load()
    }
    fn untouched(&self, name: &str) {
        let mut entries = self.tces.iter().flat_map(|table| table.iter());
        assert!(entries.all(|entry| entry.load() == 0), "{name}");
        assert!(self.bridge.take().is_empty(), "{name}");
    }
    fn list(&self, entries: impl IntoIterator<Item = u64>) {
        let words = self.lpar.ram.page(GuestRealAddr(LIST)).unwrap();
        words
            .iter()
            .zip(entries)
            .for_each(|(word, e)| word.store(e));
    }
}

/// Windows and addresses that the partition has not.
const OUTSIDE: [(&str, u64, u64); 9] = [
    ("other window", LIOBN + 2, FIRST),
    ("window of as many low bits", LIOBN | 0x100, FIRST),
    ("window 0", 0, FIRST),
    ("upper half of the number", LIOBN | 1 << 32, FIRST),
    ("below the window", LIOBN, FIRST - 1),
    ("above the window", LIOBN, FIRST + BYTES),
    ("address 0", LIOBN, 0),
    ("last address", LIOBN, u64::MAX),
    ("address of the other window", LIOBN, LARGE_FIRST),
];

/// Entries that permit more than the partition has.
const FOREIGN: [(&str, u64); 8] = [
    ("page past the end", RAM_BYTES | 1),
    ("real address", RAM_BASE | 3),
    ("device memory", MMIO.start.0 | 3),
    ("highest page", !0xfff | 2),
    ("top bit", 1 << 63 | 0x1000 | 3),
    ("reserved bit 61", 0x1000 | 4 | 1),
    ("reserved bit 52", 0x1000 | 0x800 | 2),
    ("would wrap to the base", 0u64.wrapping_sub(RAM_BASE) | 3),
];

#[test]
fn put_tce_stores_the_real_page_and_get_returns_the_logical() {
    let rig = Rig::new();
    for (permissions, at) in [(1, 0), (2, 0x1fff), (3, BYTES - 1)] {
        let tce = (RAM_BYTES - 0x1000) | permissions;
        assert_eq!(rig.call(token::H_PUT_TCE, &[LIOBN, FIRST + at, tce]).0, OK);
        assert_eq!(rig.tce((at >> 12) as usize), RAM_BASE + tce);
        assert_eq!(rig.bridge.take(), [(FIRST + (at & !0xfff), 1)]);
        let (status, out) = rig.call(token::H_GET_TCE, &[LIOBN, FIRST + at]);
        assert_eq!((status, out[0]), (OK, tce));
    }
}

#[test]
fn put_tce_refuses_what_the_partition_has_not() {
    let rig = Rig::new();
    for (name, liobn, at) in OUTSIDE {
        assert_eq!(
            rig.call(token::H_PUT_TCE, &[liobn, at, 0x1003]).0,
            PARAMETER,
            "{name}"
        );
        assert_eq!(
            rig.call(token::H_PUT_TCE, &[liobn, at, 0]).0,
            PARAMETER,
            "{name}"
        );
        assert_eq!(
            rig.call(token::H_GET_TCE, &[liobn, at]).0,
            PARAMETER,
            "{name}"
        );
        rig.untouched(name);
    }
    for (name, tce) in FOREIGN {
        assert_eq!(
            rig.call(token::H_PUT_TCE, &[LIOBN, FIRST, tce]).0,
            PARAMETER,
            "{name}"
        );
        rig.untouched(name);
    }
}

#[test]
fn put_tce_without_permission_unmaps_and_keeps_its_page_number() {
    let rig = Rig::new();
    rig.call(token::H_PUT_TCE, &[LIOBN, FIRST, 0x1003]);
    rig.bridge.take();
    assert_eq!(rig.call(token::H_PUT_TCE, &[LIOBN, FIRST, 0]).0, OK);
    rig.bridge
        .log
        .lock()
        .unwrap()
        .retain(|&call| call != (FIRST, 1));
    rig.untouched("unmapped");
    // LoPAR: in the page fault case the RPN remains untranslated.
    let foreign = RAM_BASE | 0xffc;
    assert_eq!(rig.call(token::H_PUT_TCE, &[LIOBN, FIRST, foreign]).0, OK);
    assert_eq!(rig.tce(0), RAM_BASE);
    let (status, out) = rig.call(token::H_GET_TCE, &[LIOBN, FIRST]);
    assert_eq!((status, out[0]), (OK, RAM_BASE));
}

#[test]
fn get_tce_does_not_show_a_foreign_page() {
    let rig = Rig::new();
    rig.tces[0][0].store((RAM_BASE - 0x1000) | 2);
    let (status, out) = rig.call(token::H_GET_TCE, &[LIOBN, FIRST]);
    assert_eq!((status, out[0]), (PARTIAL, !0xfff | 2));
}

#[test]
fn large_pages_must_be_whole() {
    let rig = Rig::new();
    let at = LARGE_FIRST + 0x1_2345;
    assert_eq!(rig.call(token::H_PUT_TCE, &[LARGE, at, 0x7_0003]).0, OK);
    assert_eq!(rig.tces[1][1].load(), RAM_BASE + 0x7_0003);
    assert_eq!(rig.bridge.take(), [(LARGE_FIRST + 0x1_0000, 1)]);
    assert_eq!(
        rig.call(token::H_PUT_TCE, &[LARGE, at, 0x7_1003]).0,
        PARAMETER
    );
    let past = LARGE_FIRST + 0x10_0000;
    assert_eq!(rig.call(token::H_PUT_TCE, &[LARGE, past, 0]).0, PARAMETER);
    assert_eq!(rig.call(token::H_GET_TCE, &[LARGE, at]).1[0], 0x7_0003);
}

#[test]
fn stuff_tce_fills_exactly_its_range() {
    let rig = Rig::new();
    let args = [LIOBN, FIRST + 0x5000, 0x2003, 512];
    assert_eq!(rig.call(token::H_STUFF_TCE, &args).0, OK);
    for index in 0..1024 {
        let expected = if (5..517).contains(&index) {
            RAM_BASE + 0x2003
        } else {
            0
        };
        assert_eq!(rig.tce(index), expected, "{index}");
    }
    assert_eq!(rig.bridge.take(), [(FIRST + 0x5000, 512)]);
    assert_eq!(
        rig.call(token::H_STUFF_TCE, &[LIOBN, FIRST + 0x5000, 0, 512])
            .0,
        OK
    );
    assert_eq!(rig.bridge.take(), [(FIRST + 0x5000, 512)]);
    // To the very end, and nothing at all.
    assert_eq!(
        rig.call(token::H_STUFF_TCE, &[LIOBN, FIRST + BYTES - 0x3000, 0, 3])
            .0,
        OK
    );
    rig.bridge.take();
    assert_eq!(
        rig.call(token::H_STUFF_TCE, &[LIOBN, FIRST, 0x2003, 0]).0,
        OK
    );
    rig.untouched("cleared");
}

#[test]
fn stuff_tce_checks_in_lopars_order_and_stores_nothing() {
    let rig = Rig::new();
    for (name, liobn, at) in OUTSIDE {
        let args = [liobn, at, 0x1003, 513];
        assert_eq!(rig.call(token::H_STUFF_TCE, &args).0, PARAMETER, "{name}");
    }
    let last = FIRST + BYTES - 0x1000;
    for (count, expected) in [(513, P4), (u64::MAX, P4), (512, PARAMETER), (2, PARAMETER)] {
        let args = [LIOBN, last, 0x1003, count];
        assert_eq!(rig.call(token::H_STUFF_TCE, &args).0, expected, "{count}");
    }
    for (name, tce) in FOREIGN {
        assert_eq!(
            rig.call(token::H_STUFF_TCE, &[LIOBN, FIRST, tce, 2]).0,
            PARAMETER,
            "{name}"
        );
    }
    rig.untouched("stuff");
}

#[test]
fn put_tce_indirect_stores_the_list() {
    let rig = Rig::new();
    let tce = |n: u64| {
        if n.is_multiple_of(3) {
            0
        } else {
            ((n % 256) << 12) | (n % 3)
        }
    };
    rig.list((0..512).map(tce));
    for (at, count) in [(0, 512), (BYTES - 0x1000, 1), (0x7000, 7)] {
        let args = [LIOBN, FIRST + at, LIST, count];
        assert_eq!(rig.call(token::H_PUT_TCE_INDIRECT, &args).0, OK);
        assert_eq!(rig.bridge.take(), [(FIRST + at, count)]);
        for n in 0..count {
            let expected = if tce(n) == 0 { 0 } else { RAM_BASE + tce(n) };
            assert_eq!(
                rig.tce((at >> 12) as usize + n as usize),
                expected,
                "{at:#x} {n}"
            );
        }
    }
    assert_eq!(rig.tce(512), 0);
    assert_eq!(rig.tce(1022), 0);
    assert_eq!(
        rig.call(token::H_PUT_TCE_INDIRECT, &[LIOBN, FIRST, LIST, 0])
            .0,
        OK
    );
    assert!(rig.bridge.take().is_empty());
}

#[test]
fn put_tce_indirect_refuses_and_stores_nothing() {
    let rig = Rig::new();
    let call = |args: &[u64; 4]| rig.call(token::H_PUT_TCE_INDIRECT, args).0;
    rig.list([0x1003; 512]);
    for (name, liobn, at) in OUTSIDE {
        assert_eq!(call(&[liobn, at, LIST, 1]), PARAMETER, "{name}");
    }
    let several: i64 = -2;
    assert_eq!(call(&[several as u64, FIRST, LIST, 1]), FUNCTION);
    assert_eq!(call(&[LIOBN, FIRST, LIST, 513]), PARAMETER);
    assert_eq!(call(&[LIOBN, FIRST, LIST, u64::MAX]), PARAMETER);
    assert_eq!(call(&[LIOBN, FIRST + BYTES - 0x1000, LIST, 2]), PARAMETER);
    for list in [
        LIST + 8,
        LIST + 0x800,
        RAM_BYTES,
        RAM_BASE,
        MMIO.start.0,
        !0xfff,
    ] {
        assert_eq!(call(&[LIOBN, FIRST, list, 1]), PARAMETER, "{list:#x}");
    }
    rig.untouched("arguments");
    // One bad entry, first or last, and none is stored: LoPAR checks the whole list before it fills,
    // where implementations stop half way.
    for (name, tce) in FOREIGN {
        for bad in [0, 511] {
            rig.list((0..512).map(|n| if n == bad { tce } else { 0x1003 }));
            assert_eq!(call(&[LIOBN, FIRST, LIST, 512]), PARAMETER, "{name}");
            rig.untouched(name);
        }
    }
    assert_eq!(call(&[LIOBN, FIRST, LIST, 511]), OK);
}

#[test]
fn what_is_stored_was_checked_though_the_list_changes_meanwhile() {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::time::{Duration, Instant};
    /// Ends the writer however the test ends: a scope waits for its threads.
    struct StopAtEnd<'a>(&'a AtomicBool);
    impl Drop for StopAtEnd<'_> {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }
    let rig = Rig::new();
    let stop = AtomicBool::new(false);
    let word = &rig.lpar.ram.page(GuestRealAddr(LIST)).unwrap()[0];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                word.store(RAM_BYTES | 3);
                word.store(0x1003);
            }
        });
        let _end = StopAtEnd(&stop);
        // Until both have had their turn often enough to meet, on a machine with other things to do too.
        let (mut stored, mut refused) = (0, 0);
        let end = Instant::now() + Duration::from_secs(10);
        while stored.min(refused) <= 20_000 && Instant::now() < end {
            let args = [LIOBN, FIRST, LIST, 1];
            match rig.call(token::H_PUT_TCE_INDIRECT, &args).0 {
                OK => stored += 1,
                other => {
                    assert_eq!(other, PARAMETER);
                    refused += 1;
                }
            }
            let entry = rig.tce(0);
            let is_checked = entry == 0 || entry == RAM_BASE + 0x1003;
            assert!(is_checked, "{entry:#x} was never checked");
            rig.bridge.log.lock().unwrap().clear();
        }
    });
}

#[test]
fn a_window_cleared_for_a_restart_translates_nothing() {
    let rig = Rig::new();
    rig.call(token::H_STUFF_TCE, &[LIOBN, FIRST, 0x1003, 512]);
    rig.bridge.take();
    rig.lpar.dma.iter().for_each(|window| window.clear_all());
    let mut cleared = rig.bridge.take();
    cleared.sort_unstable();
    assert_eq!(cleared, [(FIRST, 1024), (LARGE_FIRST, 16)]);
    rig.untouched("restart");
}
