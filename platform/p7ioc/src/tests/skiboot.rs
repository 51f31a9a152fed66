//! What the published driver (skiboot as of 2018, `hw/p7ioc*.c`) gets wrong, each with a test that this one does not.
//!
//! 1. Six tables are loaded up to entry 125 of 127.
//! 2. A child's number in an endpoint's row is cut to five bits and the half, not six.
//! 3. The rule for broadcasts has the ports' numbers or'ed, not their bits.
//! 4. A status that clears by ones is written to 0x40 of config space, not to 0x04.
//! 5. The test for the first revision compares with a number that lacks half of what is read, so it never matches.
//! 6. DMA windows cannot be removed: a number of levels other than one is refused before anything else is looked at.

use super::*;
use ioda::{InjectAccess, InjectRepeat, InjectTarget, Injection};

const PELTM: u64 = 6;
const PELTV: u64 = 12;

fn the_last_entries_of_every_table_are_written() {
    let mut bench = Bench::new();
    bench.run_hub();
    bench.run();
    for table in [PELTM, 9, PELTV, 17, 18, 19] {
        for index in [126, 127] {
            assert!(
                !bench.model.unwritten().contains(&(table, index)),
                "entry {index} of table {table}"
            );
        }
    }
    // The last requester entry takes whoever no other takes.
    assert_eq!(bench.model.entry(PELTM, 127), Some([0, 0]));
    assert_eq!(bench.model.unwritten(), []);
}

fn every_child_has_its_own_bit_of_a_row() {
    let mut bench = Bench::started();
    for child in (0..127).map(PeNumber) {
        bench.phb.link_pe(PeNumber(3), child).expect("there");
        let row = bench.model.entry(PELTV, 3).expect("there");
        let bit = 1u64 << (63 - child.0 % 64);
        assert_ne!(row[usize::from(child.0 / 64)] & bit, 0, "{child}");
        let bits: u32 = row.iter().map(|word| word.count_ones()).sum();
        // Itself, and those so far.
        assert_eq!(
            bits,
            u32::from(child.0) + 1 + u32::from(child.0 < 3),
            "{child}"
        );
    }
}

fn broadcasts_go_to_the_port_of_each_bridge() {
    let mut bench = Bench::new();
    bench.run_hub();
    let ports = (2..8u32).fold(0, |ports, port| ports | 1u64 << (63 - port));
    assert_eq!(bench.model.route_type(0x80), ports);
    assert_eq!(bench.model.route_type(0x8f), ports);
}

fn the_root_port_s_status_is_cleared_where_it_is() {
    let mut bench = Bench::started();
    const ERRORS: u32 = 0xf900;
    bench.model.with_fabric(|fabric| {
        let root = fabric.device_mut(0);
        *root = root
            .clone()
            .with_config(0x06, 2, ERRORS | root.get(0x06, 2))
            .with_config(0x40, 4, root.get(0x40, 4));
    });
    let untouched = bench
        .model
        .with_fabric(|fabric| fabric.device(0).get(0x40, 4));
    bench.phb.clear_errors();
    let after = |at, bytes| {
        bench
            .model
            .with_fabric(|fabric| fabric.device(0).get(at, bytes))
    };
    assert_eq!(after(0x06, 2) & ERRORS, 0);
    assert_eq!(after(0x40, 4), untouched);
    bench.good();
}

fn the_first_revision_is_known_when_it_is_met() {
    for (version, is_first) in [
        (0x0000_00a2_0000_0001, true),
        (0x0000_00a2_0000_0002, false),
    ] {
        let mut bench = Bench::new();
        bench.model.set_version(version);
        bench.run_hub();
        bench.run();
        bench.place();
        let (window, _) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
        let injection = Injection {
            target: InjectTarget::Dma(window.tve),
            access: InjectAccess::Write,
            repeat: InjectRepeat::Once,
        };
        ioda::Inject::inject(&mut bench.phb, PE_LEFT, injection).expect("armed");
        let reads = bench.model.register(0x2b0).unwrap_or(0) & 1 << (63 - 4) != 0;
        assert_eq!(reads, is_first, "{version:#x}");
    }
}

fn a_window_can_be_removed_and_nothing_goes_through_it_then() {
    let mut bench = Bench::started();
    let (window, table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    table.cells[0].store(0x4000_0003);
    assert!(bench.model.dma_read(LEFT, window.bus_base).is_ok());
    bench.phb.dma_destroy(&window).expect("it is open");
    assert!(bench.model.dma_read(LEFT, window.bus_base).is_err());
    assert_eq!(bench.phb.dma_destroy(&window), Err(ioda::IodaError::Window));
    bench.good();
}

cases::cases!(
    the_last_entries_of_every_table_are_written,
    every_child_has_its_own_bit_of_a_row,
    broadcasts_go_to_the_port_of_each_bridge,
    the_root_port_s_status_is_cleared_where_it_is,
    the_first_revision_is_known_when_it_is_met,
    a_window_can_be_removed_and_nothing_goes_through_it_then,
);
