//! Random calls against a plain model, and two processors at once on one group.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[derive(Clone, Debug)]
enum Call {
    Enter {
        exact: bool,
        index: u64,
        avpn: u64,
        page: u64,
    },
    Remove {
        index: u64,
        avpn: Option<u64>,
    },
    Protect {
        index: u64,
        avpn: Option<u64>,
        pp: u64,
    },
    ClearRef {
        index: u64,
    },
    Read {
        index: u64,
    },
}

/// Two groups and a little past the table, three AVPNs, pages around the end of memory.
fn call() -> impl Strategy<Value = Call> {
    let index = || prop_oneof![9 => 0u64..16, 1 => ENTRIES..ENTRIES + 2];
    let avpn = || (1u64..4).prop_map(|n| n << 7);
    let some_avpn = || prop::option::of(avpn());
    let page = (0u64..20).prop_map(|n| RAM_BYTES - 0x1_0000 + n * 0x1000);
    prop_oneof![
        4 => (any::<bool>(), index(), avpn(), page)
            .prop_map(|(exact, index, avpn, page)| Call::Enter { exact, index, avpn, page }),
        2 => (index(), some_avpn()).prop_map(|(index, avpn)| Call::Remove { index, avpn }),
        1 => (index(), some_avpn(), 0u64..4)
            .prop_map(|(index, avpn, pp)| Call::Protect { index, avpn, pp }),
        1 => index().prop_map(|index| Call::ClearRef { index }),
        2 => index().prop_map(|index| Call::Read { index }),
    ]
}

/// Says what one call must answer, in logical addresses and without any order of updates.
#[derive(Default)]
struct Model(BTreeMap<u64, (u64, u64)>);

impl Model {
    fn find(&self, index: u64, avpn: Option<u64>) -> Result<(u64, u64), i64> {
        if index >= ENTRIES {
            return Err(PARAMETER);
        }
        let entry = self.0.get(&index).copied().ok_or(NOT_FOUND)?;
        match avpn {
            Some(avpn) if entry.0 & v::AVPN != avpn => Err(NOT_FOUND),
            _ => Ok(entry),
        }
    }

    fn call(&mut self, call: &Call) -> Result<Vec<u64>, i64> {
        match *call {
            Call::Enter {
                exact,
                index,
                avpn,
                page,
            } => {
                if index >= ENTRIES || page >= RAM_BYTES {
                    return Err(PARAMETER);
                }
                let mut slots = if exact {
                    index..index + 1
                } else {
                    index / 8 * 8..index / 8 * 8 + 8
                };
                let slot = slots.find(|i| !self.0.contains_key(i)).ok_or(PTEG_FULL)?;
                self.0.insert(slot, (avpn | v::VALID, page | r::M | r::R));
                Ok(vec![slot])
            }
            Call::Remove { index, avpn } => {
                let (v, r) = self.find(index, avpn)?;
                self.0.remove(&index);
                Ok(vec![v, r])
            }
            Call::Protect { index, avpn, pp } => {
                let (v, r) = self.find(index, avpn)?;
                self.0.insert(index, (v, r & !(r::R | r::PP) | pp));
                Ok(vec![])
            }
            Call::ClearRef { index } => {
                let (v, r) = self.find(index, None)?;
                self.0.insert(index, (v, r & !r::R));
                Ok(vec![r])
            }
            Call::Read { index } => match self.find(index, None) {
                Err(NOT_FOUND) => Ok(vec![0, 0]),
                other => other.map(|(v, r)| vec![v, r]),
            },
        }
    }
}

impl Rig {
    fn model_call(&self, call: &Call) -> (i64, [u64; 9]) {
        let flags = |avpn: Option<u64>| avpn.map_or(0, |_| flag::AVPN);
        match *call {
            Call::Enter {
                exact,
                index,
                avpn,
                page,
            } => {
                let flags = if exact { flag::EXACT } else { 0 };
                let args = [flags, index, avpn | v::VALID, page | r::M | r::R];
                self.call(token::H_ENTER, &args)
            }
            Call::Remove { index, avpn } => {
                self.call(token::H_REMOVE, &[flags(avpn), index, avpn.unwrap_or(0)])
            }
            Call::Protect { index, avpn, pp } => {
                let args = [flags(avpn) | pp, index, avpn.unwrap_or(0)];
                self.call(token::H_PROTECT, &args)
            }
            Call::ClearRef { index } => self.call(token::H_CLEAR_REF, &[0, index]),
            Call::Read { index } => self.call(token::H_READ, &[flag::R_XLATE, index]),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_sequence_answers_as_the_model(calls in prop::collection::vec(call(), 1..80)) {
        let rig = Rig::new();
        let mut model = Model::default();
        for call in &calls {
            let (status, out) = rig.model_call(call);
            match model.call(call) {
                Ok(expected) => {
                    prop_assert_eq!(status, OK, "{:?}", call);
                    prop_assert_eq!(&out[..expected.len()], &expected[..], "{:?}", call);
                }
                Err(expected) => prop_assert_eq!(status, expected, "{:?}", call),
            }
        }
        for index in 0..16 {
            let (v, r) = model.0.get(&index).copied().unwrap_or((0, 0));
            let host = if v == 0 { 0 } else { r + RAM_BASE };
            prop_assert_eq!(rig.table(index), (v, host));
        }
    }
}

/// Both processors enter, change and remove in one group of eight. Each owns an AVPN and marks its
/// entries with a page number of its own, so a torn or stolen entry shows.
#[test]
fn two_processors_in_one_group_never_see_half_an_entry() {
    const ROUNDS: u64 = 20_000;
    let rig = Rig::new();
    let entered = AtomicU64::new(0);
    let removed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for id in 0..2u64 {
            let (rig, entered, removed) = (&rig, &entered, &removed);
            scope.spawn(move || {
                let avpn = (id + 1) << 7;
                let page = (id + 1) << 16;
                for round in 0..ROUNDS {
                    // Guests retry what is busy by themselves; here nothing stays so for long.
                    let (status, _) = rig.enter(0, round % 8, avpn | v::VALID, page | r::M | r::R);
                    match status {
                        OK => drop(entered.fetch_add(1, Relaxed)),
                        other => assert_eq!(other, PTEG_FULL),
                    }
                    let index = (round * 5 + id) % 8;
                    let (status, out) = rig.call(token::H_READ, &[0, index]);
                    assert_eq!(status, OK);
                    let whole = match out[0] {
                        0 => out[1] == 0,
                        v => out[1] & r::RPN == (v & v::AVPN) << 9 && v & v::HV_SOFTWARE == 0,
                    };
                    assert!(whole, "{out:x?}");
                    match round % 4 {
                        0 => drop(rig.call(token::H_PROTECT, &[flag::AVPN | 3, index, avpn])),
                        1 => {
                            let requests = [
                                bulk::REQUEST | bulk::AVPN | index,
                                avpn,
                                bulk::REQUEST | bulk::AVPN | (7 - index),
                                avpn,
                                bulk::END,
                            ];
                            let (status, out) = rig.call(token::H_BULK_REMOVE, &requests);
                            assert_eq!(status, OK);
                            for response in [out[0], out[2]] {
                                if response & bulk::NOT_FOUND == 0 {
                                    removed.fetch_add(1, Relaxed);
                                }
                            }
                        }
                        _ => {
                            let args = [flag::AVPN, index, avpn];
                            let (status, out) = rig.call(token::H_REMOVE, &args);
                            match status {
                                OK => {
                                    assert_eq!(out[1] & r::RPN, page);
                                    removed.fetch_add(1, Relaxed);
                                }
                                other => assert_eq!(other, NOT_FOUND),
                            }
                        }
                    }
                }
            });
        }
    });
    let left = (0..8).filter(|&i| rig.table(i) != (0, 0)).count() as u64;
    assert_eq!(entered.into_inner(), removed.into_inner() + left);
}
