use super::*;
use crate::driver::reset::{self, Phases};
use crate::driver::root_port::{self, Reporting};
use crate::driver::table::{PEEV, PEST_A, PEST_B, Table};
use crate::driver::{Chip, config, eeh};
use crate::{Bdf, CfgError, CfgOffset, CfgWidth, Freeze, IodaError, PeNumber, ResetError, Step};

/// A bridge of 128 endpoints: its root port's config space in bytes, and the entries of its tables.
#[derive(Default)]
struct Bridge {
    io: Told,
    config: Vec<(u16, u8)>,
    entries: RefCell<Vec<(Table, u16, u64)>>,
    is_fenced: bool,
    said: Vec<String>,
}

impl Bridge {
    fn set_config(&mut self, at: u16, bytes: &[u8]) {
        self.config.extend((at..).zip(bytes.iter().copied()));
    }

    fn set_entry(&self, table: Table, index: u16, entry: u64) {
        self.entries.borrow_mut().push((table, index, entry));
    }

    fn said(&mut self) -> Vec<String> {
        core::mem::take(&mut self.said)
    }
}

impl Chip for Bridge {
    type Io = Told;
    const PES: u16 = 128;
    const RESERVED: PeNumber = PeNumber(127);

    fn io(&self) -> &Told {
        &self.io
    }
    fn read_entry(&self, table: Table, index: u16) -> u64 {
        let entries = self.entries.borrow();
        let newest = entries.iter().rev();
        let mut its = newest.filter(|(of, at, _)| (*of, *at) == (table, index));
        its.next().map_or(0, |(_, _, entry)| *entry)
    }
    fn write_entry(&self, table: Table, index: u16, entry: u64) {
        self.set_entry(table, index, entry);
    }
    fn raw_read(&mut self, bdf: Bdf, at: CfgOffset, width: CfgWidth) -> u32 {
        assert_eq!(bdf, config::ROOT);
        self.said.push(format!("r{} {:x}", width.bytes(), at.get()));
        (0..width.bytes()).rev().fold(0, |value, byte| {
            let newest = self.config.iter().rev();
            let mut its = newest.filter(|(of, _)| *of == at.get() + byte);
            value << 8 | its.next().map_or(0, |(_, byte)| u32::from(*byte))
        })
    }
    fn raw_write(&mut self, bdf: Bdf, at: CfgOffset, width: CfgWidth, value: u32) {
        assert_eq!(bdf, config::ROOT);
        self.said
            .push(format!("w{} {:x} {value:x}", width.bytes(), at.get()));
        self.set_config(at.get(), &value.to_le_bytes()[..width.bytes().into()]);
    }
    fn is_fenced(&mut self) -> bool {
        self.is_fenced
    }
    fn disarm_one_shot(&mut self, pe: PeNumber) {
        self.said.push(format!("disarm {}", pe.0));
    }
    fn clear_latched(&mut self) {
        self.said.push("clear".into());
    }
}

const PE: PeNumber = PeNumber(70);
/// Its bit in the second word of the summary.
const FLAG: u64 = 1 << (63 - 6);
const STOPPED: u64 = 1 << 63;

fn frozen_is_what_summary_and_tables_say_together() {
    let mut bridge = Bridge::default();
    bridge.set_entry(PEST_A, PE.0, STOPPED);
    assert_eq!(eeh::frozen(&mut bridge, PE), Freeze::empty(), "no flag");
    bridge.set_entry(PEEV, 1, FLAG);
    assert_eq!(eeh::frozen(&mut bridge, PE), Freeze::MMIO);
    bridge.set_entry(PEST_A, PE.0, !STOPPED);
    bridge.set_entry(PEST_B, PE.0, STOPPED | 5);
    assert_eq!(eeh::frozen(&mut bridge, PE), Freeze::DMA);
    assert_eq!(eeh::frozen(&mut bridge, PeNumber(71)), Freeze::empty());
    assert_eq!(eeh::frozen(&mut bridge, PeNumber(6)), Freeze::empty());
    assert_eq!(eeh::frozen(&mut bridge, PeNumber(128)), Freeze::all());
    bridge.is_fenced = true;
    assert_eq!(eeh::frozen(&mut bridge, PeNumber(6)), Freeze::all());
}

fn the_first_frozen_endpoint_has_the_highest_bit_of_the_lowest_word() {
    let bridge = Bridge::default();
    assert_eq!(eeh::first_frozen(&bridge), None);
    bridge.set_entry(PEEV, 1, FLAG | 1);
    assert_eq!(eeh::first_frozen(&bridge), Some(PE));
    bridge.set_entry(PEEV, 0, 3);
    assert_eq!(eeh::first_frozen(&bridge), Some(PeNumber(62)));
    // There are two words.
    bridge.set_entry(PEEV, 0, 0);
    bridge.set_entry(PEEV, 1, 0);
    bridge.set_entry(PEEV, 2, STOPPED);
    assert_eq!(eeh::first_frozen(&bridge), None);
}

fn a_thaw_clears_errors_before_it_and_only_what_it_is_asked_for() {
    let mut bridge = Bridge::default();
    bridge.set_entry(PEST_A, PE.0, STOPPED);
    bridge.set_entry(PEST_B, PE.0, STOPPED);
    assert_eq!(eeh::thaw(&mut bridge, PE, Freeze::DMA), Ok(()));
    assert_eq!(bridge.said(), ["disarm 70"]);
    assert_eq!(bridge.io.said(), ["r64 2c8"]);
    assert_eq!(bridge.read_entry(PEST_A, PE.0), STOPPED);
    assert_eq!(bridge.read_entry(PEST_B, PE.0), 0);
    bridge.io.set(0x2c8, 1);
    assert_eq!(eeh::thaw(&mut bridge, PE, Freeze::MMIO), Ok(()));
    assert_eq!(bridge.said(), ["disarm 70", "clear"]);
    assert_eq!(bridge.read_entry(PEST_A, PE.0), 0);

    let foreign = PeNumber(128);
    let refused = Err(IodaError::Pe(foreign));
    assert_eq!(eeh::thaw(&mut bridge, foreign, Freeze::all()), refused);
    bridge.is_fenced = true;
    assert_eq!(eeh::thaw(&mut bridge, foreign, Freeze::all()), refused);
    let fenced = Err(IodaError::Fenced);
    assert_eq!(eeh::thaw(&mut bridge, PE, Freeze::all()), fenced);
    assert!(bridge.said().is_empty(), "nothing is done");
}

fn the_last_endpoint_is_nobodys() {
    assert_eq!(Bridge::check_pe(PeNumber(127)), Ok(()));
    let foreign = Err(IodaError::Pe(PeNumber(128)));
    assert_eq!(Bridge::check_pe(PeNumber(128)), foreign);
    assert_eq!(Bridge::check_owned(PeNumber(126)), Ok(()));
    let nobodys = Err(IodaError::Pe(PeNumber(127)));
    assert_eq!(Bridge::check_owned(PeNumber(127)), nobodys);
    assert_eq!(Bridge::check_owned(PeNumber(128)), foreign);
}

fn no_answer_thaws_nobodys_endpoint_alone() {
    let mut bridge = Bridge::default();
    assert_eq!(eeh::after_no_answer(&mut bridge, PeNumber(127)), Ok(()));
    assert!(bridge.said().is_empty(), "it is not frozen");
    bridge.set_entry(PEEV, 1, FLAG | 1);
    assert_eq!(eeh::after_no_answer(&mut bridge, PE), Ok(()));
    assert!(bridge.said().is_empty(), "it is somebody's");
    for table in [PEST_A, PEST_B] {
        bridge.set_entry(table, 127, STOPPED);
    }
    assert_eq!(eeh::after_no_answer(&mut bridge, PeNumber(127)), Ok(()));
    assert_eq!(bridge.said(), ["disarm 127"]);
    assert_eq!(bridge.read_entry(PEST_A, 127), 0);
    assert_eq!(bridge.read_entry(PEST_B, 127), 0);
    bridge.is_fenced = true;
    let fenced = Err(CfgError::Fenced);
    assert_eq!(eeh::after_no_answer(&mut bridge, PE), fenced);
}

fn the_capability_of_pci_express_is_found_or_given_up() {
    let find = |bytes: &[(u16, &[u8])]| {
        let mut bridge = Bridge::default();
        for (at, bytes) in bytes {
            bridge.set_config(*at, bytes);
        }
        root_port::find_pcie_cap(&mut bridge)
    };
    assert_eq!(find(&[]), None);
    // The low two bits of a pointer say nothing.
    let chain: &[(u16, &[u8])] = &[(0x34, &[0x43]), (0x40, &[1, 0x48]), (0x48, &[0x10, 0])];
    assert_eq!(find(chain), CfgOffset::new(0x48));
    let below: &[(u16, &[u8])] = &[(0x34, &[0x3c]), (0x3c, &[0x10, 0])];
    assert_eq!(find(below), None);
    let circle: &[(u16, &[u8])] = &[(0x34, &[0x40]), (0x40, &[1, 0x44]), (0x44, &[2, 0x40])];
    assert_eq!(find(circle), None);
    // As many as fit, the one looked for being the last.
    let long: Vec<(u16, [u8; 2])> = (0..47)
        .map(|n| (0x40 + n * 4, [1, 0x44 + n as u8 * 4]))
        .collect();
    let mut long: Vec<(u16, &[u8])> = long.iter().map(|(at, cap)| (*at, &cap[..])).collect();
    long.push((0x34, &[0x40]));
    long.push((0xfc, &[0x10, 0]));
    assert_eq!(find(&long), CfgOffset::new(0xfc));
}

const REPORTING: Reporting = Reporting {
    device_control2: 0x2c,
    correctable_mask: 0x2001,
};

fn errors_are_cleared_before_they_are_reported() {
    let mut bridge = Bridge::default();
    root_port::report_errors(&mut bridge, CfgOffset::new(0x48), &REPORTING);
    let said = bridge.said();
    assert_eq!(said[..4], ["w2 52 f", "w2 50 f", "w2 64 17", "w2 70 2c"]);
    let aer = [
        "w4 104 ffffffff",
        "w4 108 8d000",
        "w4 10c 72030",
        "w4 110 ffffffff",
        "w4 114 2001",
        "w4 118 140",
        "w4 12c 7",
        "w4 130 ffffffff",
    ];
    assert_eq!(said[4..], aer);
    root_port::report_errors(&mut bridge, None, &REPORTING);
    assert_eq!(bridge.said(), aer);
}

fn the_root_ports_errors_clear_by_ones() {
    let mut bridge = Bridge::default();
    root_port::clear_errors(&mut bridge, CfgOffset::new(0x40));
    let said = bridge.said();
    assert_eq!(said[..2], ["w2 1e f900", "w2 4a f"]);
    let aer = ["w4 104 ffffffff", "w4 110 ffffffff", "w4 130 ffffffff"];
    assert_eq!(said[2..], aer);
    root_port::clear_errors(&mut bridge, None);
    assert_eq!(bridge.said()[1..], aer);
}

fn a_hot_reset_is_one_bit_of_bridge_control() {
    let mut bridge = Bridge::default();
    bridge.set_config(0x3e, &[0x42, 0x01]);
    root_port::begin_hot_reset(&mut bridge);
    root_port::end_hot_reset(&mut bridge);
    root_port::begin_hot_reset(&mut bridge);
    let (held, ended) = ("w2 3e 142", "w2 3e 102");
    let want = ["r2 3e", held, "r2 3e", ended, "r2 3e", held];
    assert_eq!(bridge.said(), want);
}

/// Waits, and then how it ends.
struct Start {
    waits: Vec<u32>,
    end: Result<(), ResetError>,
}

impl Phases for Start {
    fn ended(&self) -> Option<Result<(), ResetError>> {
        self.waits.is_empty().then_some(self.end)
    }
    fn step(&mut self) -> u32 {
        self.waits.remove(0)
    }
}

fn phases_follow_each_other_up_to_a_wait_or_the_end() {
    let mut start = Start {
        waits: vec![0, 0, 5, 0],
        end: Ok(()),
    };
    assert_eq!(reset::advance(&mut start), Ok(Step::Pending { ms: 5 }));
    assert_eq!(start.waits, [0]);
    assert_eq!(reset::advance(&mut start), Ok(Step::Done));
    assert_eq!(reset::advance(&mut start), Ok(Step::Done));
    start.waits = vec![0; 7];
    start.end = Err(ResetError::Fenced);
    assert_eq!(reset::advance(&mut start), Err(ResetError::Fenced));
    // So many in one call that the caller gets its turn.
    start.waits = vec![0; 20];
    assert_eq!(reset::advance(&mut start), Ok(Step::Pending { ms: 1 }));
    assert_eq!(start.waits.len(), 12);
}

cases::cases!(
    frozen_is_what_summary_and_tables_say_together,
    the_first_frozen_endpoint_has_the_highest_bit_of_the_lowest_word,
    a_thaw_clears_errors_before_it_and_only_what_it_is_asked_for,
    the_last_endpoint_is_nobodys,
    no_answer_thaws_nobodys_endpoint_alone,
    the_capability_of_pci_express_is_found_or_given_up,
    errors_are_cleared_before_they_are_reported,
    the_root_ports_errors_clear_by_ones,
    a_hot_reset_is_one_bit_of_bridge_control,
    phases_follow_each_other_up_to_a_wait_or_the_end,
);
