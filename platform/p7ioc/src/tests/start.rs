use super::*;
use ioda::{
    CfgError, IoSegment, IoSpace, IrqBackend, M32Segment, M64Window, MsiSource, RegIo, ResetError,
};

fn hub_and_bridge_start_and_leave_no_entry_unwritten() {
    let mut bench = Bench::new();
    assert_eq!(bench.run_hub(), 101);
    assert!(bench.run() > 1000, "PERST is held for a second");
    bench.good();
    // All 128: skiboot leaves the last entry of most tables as it finds it.
    assert_eq!(bench.model.unwritten(), []);
    assert_eq!(bench.model.entry(6, 127), Some([0, 0]));
    assert_eq!(bench.model.entry(6, 126), Some([0x0001_f800_0000_0000, 0]));
}

fn a_bridge_before_its_hub_has_no_fast_path() {
    let mut bench = Bench::new();
    let _ = bench.phb.poll();
    assert!(!bench.model.complaints().is_empty());
}

fn every_bridge_is_routed_and_broadcasts_reach_all_of_them() {
    let mut bench = Bench::new();
    bench.run_hub();
    bench.good();
    for layout in FACTS.phbs() {
        let port = 1 << (63 - 2 - layout.bridge);
        for (real, bytes) in [
            (layout.aib, 0x1_0000),
            (layout.io, 0x80_0000),
            (layout.m32, 1 << 32),
            (layout.m64, 1 << 35),
        ] {
            assert_eq!(bench.model.route_address(real), port, "{layout:x?}");
            assert_eq!(bench.model.route_address(real + bytes - 1), port);
        }
    }
    // The rest is the hub's.
    assert_eq!(bench.model.route_address(Model::BAR1 + 0x3e_0000), 1 << 62);
    assert_eq!(bench.model.route_address(Model::BAR2 - 1), 1 << 62);
    // Six ports as six bits: their numbers or'ed together would be one.
    assert_eq!(bench.model.route_type(0x80), 0x3f << 56);
    assert_eq!(bench.model.route_type(0x65), 1 << 62);
}

fn absent_bridges_are_neither_routed_nor_heard() {
    let mut bench = Bench::with(Facts {
        presence: Some(0xa0),
        ..FACTS
    });
    bench.run_hub();
    bench.run();
    bench.good();
    assert_eq!(bench.model.route_type(0x80), 1 << 61 | 1 << 59);
    assert_eq!(bench.model.route_address(Model::BAR2 + (1 << 32)), 1 << 62);
    let absent = [7, 9, 10, 11, 17, 19, 20, 21].map(|n: u32| 1u64 << (63 - n));
    let mask = absent.iter().fold(0x000f_033f_ffff_ffff, |all, n| all | n);
    assert_eq!(bench.model.hub_register(0x3e_0020), Some(mask));
    assert!(bench.hub.port(1).is_none());
}

fn the_hub_has_the_values_of_the_published_sequence() {
    for (processor, link) in [
        (Processor::Power7, 0x9c89_29be_0088_0085),
        (Processor::Power7Plus, 0x9f89_29be_0088_0085),
    ] {
        let mut bench = Bench::with(Facts { processor, ..FACTS });
        bench.run_hub();
        for (offset, value) in [
            (0x3c_00a0, link),
            (0x3c_0128, 0x0000_000c_0000_0000),
            (0x3d_0000, 0x023f_00c0_073f_0002),
            (0x3d_1000, 0x023f_0fcf_0720_0002),
            (0x3d_7000, 0x023f_00c3_0720_0002),
            (0x3d_7010, 0x421a_24f4_0000_5b0b),
            (0x3d_7070, 0x73d0_735e_0000_0000),
            (0x3d_06f0, 0x4000_8000_0000_0000),
            (0x3d_06f8, 0),
            (0x3e_1080 + 5 * 8, Model::BAR1 + 0xd_0000),
            (0x3e_1800, 0x10 << 32),
            (0x3e_1c08, 0x1000_3f77_ce10_0000),
            (0x3e_8a10, 0xffff_6db6_db00_0000),
            (0x3e_0020, 0x000f_033f_ffff_ffff),
        ] {
            assert_eq!(bench.model.hub_register(offset), Some(value), "{offset:x}");
        }
        // The hub's own interrupts are masked.
        assert_eq!(bench.model.hub_register(0x100_020f), Some(0xff << 32));
        bench.good();
    }
}

fn the_bridge_has_the_values_of_the_published_sequence() {
    let bench = Bench::started();
    let layout = *bench.phb.layout();
    for (at, value) in [
        (0x100, 0x00c0_00e0_0000_0000),
        (0x160, 0x208a_8000_0000_0000),
        (0x170, layout.io),
        (0x178, 0xffff_ffff_ff80_0000),
        (0x180, 0),
        (0x190, layout.m32 + 0xc000_0000),
        (0x198, 0xffff_ffff_c000_0000),
        (0x1a0, 0xc000_0000),
        (0x1f0, 0),
        (0x218, 0x0000_c000_0000_0000),
        (0x420, 0xac80_0000_0000_0000),
        (0x540, 0x8480_0000_0000_0000),
        (0x558, 0x7e65_0000_0000_0000),
        (0x808, 0xe000_0000_0000_0000),
        (0x810, 0x7f38_0000_0000_0000),
        (0x818, 0xff00_0000_0000_0000),
        (0x820, 0x0020_0020_0020_0001),
        (0x828, 0x0000_0020_0000_0001),
        (0x840, 0x0211_3000_0000_0000),
        (0x850, 0),
        (0x858, 0xffff_ffff_0000_0000),
        (0x868, 0xffff_ffff_0000_0000),
        (0x878, 0x1611_1120_1020_0000),
        (0x880, 0x0000_5613_0000_0000),
        (0xc18, 0x1249_a114_7f50_0f2c),
        (0xc30, u64::MAX),
        (0xc38, 0),
        (0xc98, 0xffff_ffff_efff_ffff),
        (0xca0, 0x0000_0000_61c0_0000),
        (0xca8, 0x0000_0000_61c0_0000),
        (0xcb0, 0xffff_ffc5_8c00_0000),
        (0xd28, 0x0000_4308_0300_0000),
        (0xd30, 0x9df3_bc00_f0f0_700f),
        (0xda0, 0xc000_03ff_0100_6000),
        (0xdb0, 0x3fff_5000_7e55_9fd8),
        (0xe20, 0),
        (0xe30, 0x18ff_80ff_ff7f_0000),
    ] {
        assert_eq!(bench.model.register(at), Some(value), "{at:#x}");
    }
    // The one entry of the hub routing that is known.
    assert_eq!(bench.model.entry(0, 3), Some([3, 0]));
}

fn another_chip_is_refused_and_both_revisions_are_taken() {
    for version in [0x0000_00a2_0000_0001, 0x0000_00a2_0000_0002] {
        let mut bench = Bench::new();
        bench.run_hub();
        bench.model.set_version(version);
        bench.run();
    }
    let mut bench = Bench::new();
    bench.run_hub();
    let version = 0x0000_00a3_0000_0002;
    bench.model.set_version(version);
    assert_eq!(bench.phb.poll(), Err(ResetError::Version(version)));
}

fn the_root_port_is_set_up_and_says_that_it_is_a_bridge() {
    let mut bench = Bench::started();
    let root = Bdf::new(0, 0, 0);
    assert_eq!(bench.read(root, 0x00), 0x03b9_1014);
    assert_eq!(bench.read(root, 0x08), 0x0604_0001);
    assert_eq!(bench.read(root, 0x18) & 0xff_ffff, 0x0004_0100);
    assert_eq!(
        bench
            .phb
            .cfg_read(Bdf::new(0, 1, 0), CfgOffset::at(0), CfgWidth::Word),
        Err(CfgError::NoFunction)
    );
    assert_eq!(
        bench.phb.cfg_read(root, CfgOffset::at(2), CfgWidth::Word),
        Err(CfgError::Align)
    );
    bench.good();
}

fn config_space_is_blocked_while_a_reset_is_under_way() {
    for kind in [ResetKind::Hot, ResetKind::Fundamental, ResetKind::Complete] {
        let mut bench = Bench::started();
        bench.phb.reset(kind);
        assert_eq!(
            bench
                .phb
                .cfg_read(LEFT_BDF, CfgOffset::at(0), CfgWidth::Word),
            Err(CfgError::Blocked)
        );
        assert!(bench.run() > 1000, "{kind:?}");
        // What is below has lost its numbers and has to be numbered again; the root port has not.
        assert_eq!(bench.read(Bdf::new(0, 0, 0), 0x18) & 0xff_ffff, 0x0004_0100);
        assert_eq!(bench.read(Bdf::new(0, 0, 0), 0x04) & 0xffff, 0x147 & 0x547);
        assert_eq!(bench.read(Bdf::new(1, 0, 0), 0x18) & 0xff_ffff, 0);
        bench.good();
    }
}

/// Something of everything that a bridge can be told.
fn furnish(bench: &mut Bench) -> DmaWindow {
    let (window, table) = bench.own(LEFT_BDF, PE_LEFT, 0x20_0000);
    table.cells[1].store(0x4000_5003);
    bench.own(RIGHT_BDF, PE_RIGHT, 0x30_0000);
    let phb = &mut bench.phb;
    let block = phb.msi_alloc(PE_LEFT, 4).expect("there are");
    phb.link_pe(PE_LEFT, PE_RIGHT).expect("both are there");
    phb.map_m32(M32Segment(2), PE_LEFT).expect("it is there");
    phb.map_m32(M32Segment(127), PE_RIGHT).expect("it is there");
    phb.map_io(IoSegment(127), PE_RIGHT).expect("it is there");
    let base = phb.layout().m64;
    phb.m64_open(M64Window(15), base, 27, [PE_LEFT; 8])
        .expect("it is free");
    bench.port.set_target(block.first, 9, 0x20);
    let intb = ioda::Irq(bench.phb.layout().lsi_irq + 1);
    bench.port.set_target(intb, 3, 0x40);
    window
}

fn a_complete_reset_brings_every_table_back() {
    for is_fenced in [false, true] {
        let mut bench = Bench::started();
        let window = furnish(&mut bench);
        let before = bench.tables();
        if is_fenced {
            bench.model.fence_for(3);
            assert_eq!(bench.phb.freeze_state(PE_LEFT), ioda::Freeze::all());
        }
        bench.reset(ResetKind::Complete);
        bench.good();
        assert_eq!(bench.model.unwritten(), []);
        let lost: Vec<_> = bench
            .tables()
            .into_iter()
            .zip(before)
            .filter(|(now, then)| now != then)
            .collect();
        assert_eq!(lost, []);
        bench.place();
        assert_eq!(
            bench.model.dma_read(LEFT, window.bus_base | 0x1000),
            Ok(0x4000_5000)
        );
        assert_eq!(bench.phb.next_event(), None);
        // Else the hub would not tell of the next fence.
        let noted = |at| bench.model.hub_register(at).unwrap_or(0);
        assert_eq!(noted(0x3e_c018) & 1 << (63 - 15 - 8), 0);
        assert_eq!((noted(0x3e_1e00) | noted(0x3e_1e40)) & 1 << 45, 0);
        bench.good();
    }
}

fn lesser_resets_keep_the_tables() {
    for kind in [ResetKind::Hot, ResetKind::Fundamental] {
        let mut bench = Bench::started();
        let window = furnish(&mut bench);
        let before = bench.tables();
        bench.reset(kind);
        assert_eq!(bench.tables(), before);
        bench.place();
        assert_eq!(
            bench.model.dma_read(LEFT, window.bus_base | 0x1000),
            Ok(0x4000_5000)
        );
        bench.good();
    }
}

fn a_fence_that_stays_up_is_an_error_and_lesser_resets_do_not_try() {
    let mut bench = Bench::started();
    bench.model.fence_for(9);
    bench.phb.reset(ResetKind::Hot);
    assert_eq!(bench.phb.poll(), Err(ResetError::Fenced));
    bench.phb.reset(ResetKind::Complete);
    let error = (0..100).find_map(|_| bench.phb.poll().err());
    assert_eq!(error, Some(ResetError::Fenced));
    // Five of the nine are done; another try gets through.
    bench.reset(ResetKind::Complete);
    bench.good();
}

fn an_empty_slot_is_no_error() {
    let mut bench = Bench::new();
    bench.run_hub();
    bench.model.take_link_down();
    assert!(bench.run() >= 2000, "PERST, then a second for the link");
    bench.good();
    assert_eq!(bench.model.register(0x558), Some(0x7e00_0000_0000_0000));
    assert_eq!(bench.phb.next_event(), None);
}

fn a_fenced_bridge_answers_by_the_slow_path() {
    let bench = Bench::started();
    bench.model.fence();
    let version = ioda::Reg64::at(0x800);
    assert_eq!(bench.model.regs(Block::Aib).read64(version), u64::MAX);
    assert_eq!(bench.model.regs(Block::Asb).read64(version) >> 32, 0xa2);
    bench.good();
}

cases::cases!(
    hub_and_bridge_start_and_leave_no_entry_unwritten,
    a_bridge_before_its_hub_has_no_fast_path,
    every_bridge_is_routed_and_broadcasts_reach_all_of_them,
    absent_bridges_are_neither_routed_nor_heard,
    the_hub_has_the_values_of_the_published_sequence,
    the_bridge_has_the_values_of_the_published_sequence,
    another_chip_is_refused_and_both_revisions_are_taken,
    the_root_port_is_set_up_and_says_that_it_is_a_bridge,
    config_space_is_blocked_while_a_reset_is_under_way,
    a_complete_reset_brings_every_table_back,
    lesser_resets_keep_the_tables,
    a_fence_that_stays_up_is_an_error_and_lesser_resets_do_not_try,
    an_empty_slot_is_no_error,
    a_fenced_bridge_answers_by_the_slow_path,
);
