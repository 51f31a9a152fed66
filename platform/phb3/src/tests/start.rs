use super::*;
use ioda::{CfgError, ResetError, ResetKind};

const VENDOR: CfgOffset = CfgOffset::at(0);

fn vendor(bench: &mut Bench, bdf: Bdf) -> Result<u32, CfgError> {
    bench.phb.cfg_read(bdf, VENDOR, CfgWidth::Word)
}

fn the_chip_is_started_with_its_waits_and_without_a_fault() {
    let mut bench = Bench::new(Kind::Chip);
    assert_eq!(
        vendor(&mut bench, Bdf::new(0, 0, 0)),
        Err(CfgError::Blocked)
    );
    let waited = bench.run();
    assert!(
        waited >= 2100,
        "logic 100 ms, PERST 1 s, rest 1 s: {waited}"
    );
    assert_eq!(vendor(&mut bench, Bdf::new(0, 0, 0)), Ok(0x03dc_1014));
    bench.write(Bdf::new(0, 0, 0), 0x18, 0x00ff_0100);
    assert_eq!(vendor(&mut bench, Bdf::new(1, 0, 0)), Ok(0x8232_104c));
    bench.good();
}

fn where_there_is_no_link_nothing_is_waited_for() {
    let mut bench = Bench::new(Kind::Emulator);
    assert_eq!(bench.run(), 0);
    assert_eq!(vendor(&mut bench, Bdf::new(1, 0, 0)), Ok(0x8232_104c));
    bench.good();
}

fn config_cycles_have_every_width_and_refuse_what_is_wrong() {
    let mut bench = Bench::started(Kind::Emulator);
    let read =
        |bench: &mut Bench, at, width| bench.phb.cfg_read(LEFT_BDF, CfgOffset::at(at), width);
    assert_eq!(read(&mut bench, 0, CfgWidth::Word), Ok(0x11e8_1234));
    assert_eq!(read(&mut bench, 0, CfgWidth::Half), Ok(0x1234));
    assert_eq!(read(&mut bench, 2, CfgWidth::Half), Ok(0x11e8));
    assert_eq!(read(&mut bench, 1, CfgWidth::Byte), Ok(0x12));
    assert_eq!(read(&mut bench, 3, CfgWidth::Byte), Ok(0x11));
    assert_eq!(read(&mut bench, 1, CfgWidth::Half), Err(CfgError::Align));
    assert_eq!(
        vendor(&mut bench, Bdf::new(0, 1, 0)),
        Err(CfgError::NoFunction)
    );
    for (at, width, value) in [
        (0xc, CfgWidth::Byte, 0x10),
        (0x3c, CfgWidth::Byte, 0x0b),
        (0xc, CfgWidth::Half, 0x4020),
    ] {
        bench
            .phb
            .cfg_write(LEFT_BDF, CfgOffset::at(at), width, value)
            .expect("written");
        assert_eq!(read(&mut bench, at, width), Ok(value));
    }
    bench.good();
}

fn asking_for_a_function_that_is_not_there_leaves_nothing_frozen() {
    for kind in [Kind::Chip, Kind::Emulator] {
        let mut bench = Bench::started(kind);
        assert_eq!(vendor(&mut bench, Bdf::new(3, 5, 0)), Ok(u32::MAX));
        assert!(bench.phb.freeze_state(crate::RESERVED).is_empty());
        bench.good();
    }
}

fn the_prefetch_window_reads_as_written_even_where_the_port_loses_it() {
    for kind in [Kind::Chip, Kind::Emulator] {
        let mut bench = Bench::started(kind);
        for (at, value) in [
            (0x24, 0x1ff1_1001),
            (0x28, 0x0003_d000),
            (0x2c, 0x0003_d001),
        ] {
            bench.write(Bdf::new(0, 0, 0), at, value);
        }
        let read = |bench: &mut Bench, at| {
            bench
                .phb
                .cfg_read(Bdf::new(0, 0, 0), CfgOffset::at(at), CfgWidth::Word)
        };
        assert_eq!(read(&mut bench, 0x24), Ok(0x1ff1_1001));
        assert_eq!(read(&mut bench, 0x28), Ok(0x0003_d000));
        assert_eq!(read(&mut bench, 0x2c), Ok(0x0003_d001));
    }
}

fn a_complete_reset_brings_back_every_table() {
    for kind in [Kind::Chip, Kind::Emulator] {
        let mut bench = Bench::started(kind);
        let pe = PeNumber(5);
        let (window, table) = bench.own(LEFT_BDF, pe, 0x20_0000);
        bench
            .phb
            .map_m32(ioda::M32Segment(2), pe)
            .expect("it is there");
        table.cells[3].store(0x7000_0000 | 3);
        bench.model.fence();
        bench.phb.reset(ResetKind::Complete);
        assert_eq!(vendor(&mut bench, LEFT_BDF), Err(CfgError::Blocked));
        bench.run();
        assert_eq!(
            bench.model.segment_pe(Model::MMIO1 + 2 * 0x80_0000),
            Some(pe)
        );
        assert_eq!(
            bench.model.forged_write(LEFT_BDF, window.bus_base + 0x3008),
            Ok(0x7000_0008)
        );
        bench.good();
    }
}

fn a_hot_reset_resets_what_is_below_and_keeps_the_rest() {
    let mut bench = Bench::started(Kind::Emulator);
    bench.phb.reset(ResetKind::Hot);
    assert_eq!(vendor(&mut bench, LEFT_BDF), Err(CfgError::Blocked));
    assert!(bench.run() > 0);
    assert_eq!(
        bench.model.with_fabric(|fabric| fabric.device(LEFT).resets),
        1
    );
    assert_eq!(vendor(&mut bench, Bdf::new(1, 0, 0)), Ok(0x8232_104c));
    bench.good();
}

fn tables_of_a_wrong_shape_are_refused() {
    let bench = Bench::new(Kind::Emulator);
    let rtt = leak(|| BeU16::new(0), Tables::RTT_ENTRIES);
    let mut tables = bench.phb.tables;
    tables.rtt = DmaTable {
        cells: rtt,
        real: 0x1000,
    };
    let pbcq =
        Pbcq::open(bench.model, PhbId { chip: 0, index: 0 }, Bases::of(0)).expect("it answers");
    let refused = Phb3::new(pbcq, bench.port, tables).err();
    assert_eq!(refused, Some(ResetError::Table("RTT")));
}

cases::cases!(
    the_chip_is_started_with_its_waits_and_without_a_fault,
    where_there_is_no_link_nothing_is_waited_for,
    config_cycles_have_every_width_and_refuse_what_is_wrong,
    asking_for_a_function_that_is_not_there_leaves_nothing_frozen,
    the_prefetch_window_reads_as_written_even_where_the_port_loses_it,
    a_complete_reset_brings_back_every_table,
    a_hot_reset_resets_what_is_below_and_keeps_the_rest,
    tables_of_a_wrong_shape_are_refused,
);
