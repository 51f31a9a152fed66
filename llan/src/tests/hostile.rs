//! Calls at random: nothing but what was lent and registered is ever written.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Register(u64, u64, u64),
    Free,
    Add(u64),
    FreeBuffer(u64),
    Send([u64; 6], u64),
    Multicast(u64, u64),
    Mac(u64),
    Permit(u64, u64),
    Scribble(u64, u64),
}

/// Where things are, mostly; else anything.
fn address() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0..PAGES as u64).prop_map(|page| page << 12),
        4 => 0u64..(PAGES as u64) << 12,
        1 => any::<u64>(),
    ]
}

fn given() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => (address(), 0u64..0x3000).prop_map(|(at, bytes)| describe(at & 0xffff_fffc, bytes & !3)),
        2 => (address(), 0u64..0x100).prop_map(|(at, bytes)| describe(at & 0xffff_fff0, bytes * 16)),
        1 => any::<u64>(),
        1 => Just(0),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (address(), given(), address()).prop_map(|(l, q, f)| Step::Register(l, q, f)),
        1 => Just(Step::Free),
        4 => given().prop_map(Step::Add),
        1 => (0u64..0x3000).prop_map(Step::FreeBuffer),
        4 => (prop::array::uniform6(given()), prop_oneof![Just(0), any::<u64>()])
            .prop_map(|(d, t)| Step::Send(d, t)),
        1 => (any::<u64>(), any::<u64>()).prop_map(|(f, a)| Step::Multicast(f & 0xf_0007, a)),
        1 => any::<u64>().prop_map(Step::Mac),
        2 => (0..PAGES as u64, 0u64..4).prop_map(|(page, access)| Step::Permit(page << 12, access)),
        2 => (0..(PAGES as u64) << 9, any::<u64>()).prop_map(|(word, value)| Step::Scribble(word << 3, value)),
    ]
}

fn run(station: &Station, step: &Step) {
    let adapter = station.adapter;
    let _ = match *step {
        Step::Register(list, queue, filters) => adapter.register(list, queue, filters, mac(0)),
        Step::Free => adapter.free(),
        Step::Add(given) => adapter.add_buffer(given),
        Step::FreeBuffer(bytes) => adapter.free_buffer(bytes),
        Step::Send(descriptors, token) => adapter.send(&descriptors, token).map(drop),
        Step::Multicast(flags, group) => adapter.multicast(flags, group).1,
        Step::Mac(mac) => adapter.change_mac(mac),
        Step::Permit(at, access) => {
            station.partition.permit(at, access);
            Ok(())
        }
        Step::Scribble(at, value) => {
            station.partition.set_word(at, value);
            Ok(())
        }
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// One does as it likes; the other, who has lent one buffer and registered properly, finds nothing changed
    /// but that buffer, an entry and its list.
    #[test]
    fn a_neighbour_finds_no_byte_changed_that_it_has_not_lent(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let [bad, good] = open_lan(2)[..] else { panic!() };
        for at in (RX..TX).step_by(8) {
            good.partition.set_word(at, 0x1111);
        }
        good.lend(RX + 0x100, 0x200);
        let before = good.partition.image();
        for step in &steps {
            run(&bad, step);
        }
        let lent = (RX + 0x108) as usize >> 3..(RX + 0x300) as usize >> 3;
        let queue = QUEUE as usize >> 3..(QUEUE as usize + 16) >> 3;
        for (index, (now, then)) in good.partition.image().into_iter().zip(before).enumerate() {
            let may = lent.contains(&index) || queue.contains(&index) || index == 511;
            prop_assert!(now == then || may, "word {index:#x}: {then:#x} became {now:#x}");
        }
        prop_assert_eq!(good.adapter.free(), Ok(()));
    }

    /// What may not be written is not, whatever one does to oneself.
    #[test]
    fn no_page_is_written_without_permission(steps in prop::collection::vec(step(), 1..60)) {
        let [bad, good] = open_lan(2)[..] else { panic!() };
        for page in 0x10..0x14 {
            bad.partition.permit(page << 12, tce::READ);
            bad.partition.set_word(page << 12, 0x2222);
        }
        for step in &steps {
            match step {
                Step::Permit(at, _) | Step::Scribble(at, _) if (0x10..0x14).contains(&(at >> 12)) => {}
                step => run(&bad, step),
            }
            let _ = good.send(mac(0), 300);
            let _ = good.send(BROADCAST, 5000);
        }
        for page in 0x10..0x14 {
            let words: Vec<u64> = bad.partition.pages[page].iter().map(BeU64::load).collect();
            prop_assert_eq!(words[0], 0x2222);
            prop_assert!(words[1..].iter().all(|&word| word == 0));
        }
    }
}
