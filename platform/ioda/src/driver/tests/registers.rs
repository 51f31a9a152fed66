use super::*;
use crate::driver::config::Place;
use crate::driver::inject::{Compared, Injector, direction};
use crate::driver::regs::PaprErrInjCtl;
use crate::driver::traps::{self, TrapSet};
use crate::driver::{regs, reset, table};
use crate::{Bdf, CfgError, CfgOffset, CfgWidth, InjectAccess, InjectRepeat, PeNumber};

fn a_trap_block_has_its_registers_behind_its_base() {
    let [bridge, .., inbound_b] = regs::TRAPS;
    assert_eq!(bridge.status.offset(), 0xc80);
    assert_eq!(inbound_b.status.offset(), 0xe00);
    let all = [
        inbound_b.first,
        inbound_b.lem_enable,
        inbound_b.irq_enable,
        inbound_b.freeze_enable,
        inbound_b.fence_enable,
        inbound_b.logs[0],
        inbound_b.logs[1],
        inbound_b.status_mask,
        inbound_b.first_mask,
    ];
    let want = [
        0xe08, 0xe18, 0xe20, 0xe28, 0xe30, 0xe40, 0xe48, 0xe50, 0xe58,
    ];
    assert_eq!(all.map(Reg64::offset), want);
    assert_eq!(regs::bit(0), 1 << 63);
    assert_eq!(regs::bit(63), 1);
}

fn an_entry_of_a_table_is_reached_by_table_and_index() {
    let io = Told::default();
    io.set(0x228, 0x55);
    assert_eq!(table::read(&io, table::PEST_B, 0x7f), 0x55);
    assert_eq!(io.said(), ["w64 220 800000000007f", "r64 228"]);
    table::write(&io, table::PEEV, 1, 2);
    assert_eq!(io.said(), ["w64 220 14000000000001", "w64 228 2"]);
    table::load(&io, table::M64BT, [7, 8].into_iter());
    let want = ["w64 220 8010000000000000", "w64 228 7", "w64 228 8"];
    assert_eq!(io.said(), want);
}

const fn place(bdf: Bdf, at: u16, width: CfgWidth) -> Place {
    Place {
        bdf,
        at: CfgOffset::at(at),
        width,
    }
}

const CARD: Bdf = Bdf::new(1, 2, 3);

fn config_data_is_little_endian_in_the_lane_of_the_register() {
    let io = Told::default();
    io.set(0x130, 0x1122_3344);
    io.set(0x132, 0x5566);
    io.set(0x131, 0x77);
    assert_eq!(place(CARD, 0x104, CfgWidth::Word).read(&io, 0), 0x4433_2211);
    assert_eq!(io.said(), ["w64 140 8011310400000000", "r32 130"]);
    assert_eq!(
        place(CARD, 0x106, CfgWidth::Half).read(&io, 1 << 16),
        0x6655
    );
    assert_eq!(io.said(), ["w64 140 8011310400010000", "r16 132"]);
    assert_eq!(place(CARD, 0x105, CfgWidth::Byte).read(&io, 0), 0x77);
    assert_eq!(io.said(), ["w64 140 8011310400000000", "r8 131"]);

    place(CARD, 0xffc, CfgWidth::Word).write(&io, 0, 0x1122_3344);
    assert_eq!(io.said(), ["w64 140 80113ffc00000000", "w32 130 44332211"]);
    place(CARD, 0x42, CfgWidth::Half).write(&io, 3, 0x9999_1122);
    assert_eq!(io.said(), ["w64 140 8011304000000003", "w16 132 2211"]);
    place(CARD, 0x43, CfgWidth::Byte).write(&io, 0, 0x1234);
    assert_eq!(io.said(), ["w64 140 8011304000000000", "w8 133 34"]);
}

fn a_place_is_aligned_and_bus_0_has_one_function() {
    let check = |bdf, at, width| place(bdf, at, width).check();
    let root = Bdf::new(0, 0, 0);
    assert_eq!(check(root, 0x40, CfgWidth::Word), Ok(()));
    assert_eq!(check(CARD, 0x42, CfgWidth::Half), Ok(()));
    assert_eq!(check(CARD, 0x42, CfgWidth::Word), Err(CfgError::Align));
    let beside = Bdf::new(0, 1, 0);
    assert_eq!(check(beside, 0x41, CfgWidth::Half), Err(CfgError::Align));
    assert_eq!(check(beside, 0, CfgWidth::Byte), Err(CfgError::NoFunction));
    // What nobody should ask for is not asked of the chip with another width.
    let io = Told::default();
    assert_eq!(place(CARD, 0x41, CfgWidth::Half).read(&io, 0), 0xffff);
    assert_eq!(io.said(), ["w64 140 8011304000000000"]);
}

fn an_error_is_armed_last_and_taken_back_once() {
    let io = Told::default();
    let mut injector = Injector::new();
    let compared = Compared {
        kind: PaprErrInjCtl::OUTBOUND::SET,
        address: 0x1000,
        mask: 0xf000,
    };
    let (pe, other) = (PeNumber(3), PeNumber(4));
    injector.disarm(&io);
    assert!(io.said().is_empty(), "nothing is armed");

    let reads = direction(InjectAccess::Read);
    injector.arm(&io, (pe, InjectRepeat::Once), &compared, reads);
    let armed = ["w64 2b8 1000", "w64 2c0 f000", "w64 2b0 4800000000000000"];
    assert_eq!(io.said(), armed);
    injector.disarm_one_shot(&io, other);
    assert!(io.said().is_empty(), "it is another's");
    injector.disarm_one_shot(&io, pe);
    injector.disarm_one_shot(&io, pe);
    assert_eq!(io.said(), ["w64 2b0 0"]);

    let writes = direction(InjectAccess::Write);
    injector.arm(&io, (pe, InjectRepeat::Sticky), &compared, writes);
    assert_eq!(io.said()[2], "w64 2b0 6400000000000000");
    injector.disarm_one_shot(&io, pe);
    assert!(io.said().is_empty(), "it is to stay");
    // What is armed goes before anything of the next is written.
    injector.arm(&io, (pe, InjectRepeat::Once), &compared, reads);
    assert_eq!(io.said()[0], "w64 2b0 0");
    injector.disarm(&io);
    injector.disarm(&io);
    assert_eq!(io.said(), ["w64 2b0 0"]);
}

/// A different value everywhere.
fn sets() -> [TrapSet; 4] {
    [0x10, 0x20, 0x30, 0x40].map(|n| TrapSet {
        lem: n + 1,
        freeze: n + 2,
        fence: n + 3,
        irq: n + 4,
        ignored: n + 5,
    })
}

fn traps_are_set_up_with_nothing_latched_and_no_interrupt() {
    let io = Told::default();
    traps::set_up(&io, &sets(), 7);
    let said = io.said();
    let ones = "ffffffffffffffff";
    assert_eq!(said[0], format!("w64 c18 {ones}"));
    for (block, base, n) in [
        (0, 0xc80, 0x10),
        (1, 0xd00, 0x20),
        (2, 0xd80, 0x30),
        (3, 0xe00, 0x40),
    ] {
        let want = [
            format!("w64 {base:x} {ones}"),
            format!("w64 {:x} 0", base + 0x08),
            format!("w64 {:x} {:x}", base + 0x18, n + 1),
            format!("w64 {:x} {:x}", base + 0x28, n + 2),
            format!("w64 {:x} {:x}", base + 0x30, n + 3),
            format!("w64 {:x} 0", base + 0x40),
            format!("w64 {:x} 0", base + 0x48),
            format!("w64 {:x} {:x}", base + 0x50, n + 5),
            format!("w64 {:x} {:x}", base + 0x58, n + 5),
        ];
        assert_eq!(said[1 + block * 9..][..9], want);
    }
    let lem = ["w64 c00 0", "w64 c30 ffffffffffffffff", "w64 c38 7"];
    assert_eq!(said[37..40], lem);
    assert_eq!(said[40..], ["w64 c40 0"]);

    traps::enable_interrupts(&io, &sets(), 9);
    let want = [
        "w64 ca0 14",
        "w64 d20 24",
        "w64 da0 34",
        "w64 e20 44",
        "w64 c18 9",
    ];
    assert_eq!(io.said(), want);
}

fn clearing_writes_a_status_back_and_forgets_where_it_came_from() {
    let io = Told::default();
    for (reg, value) in [(0x410, 1), (0x548, 2), (0x560, 3), (0xc80, 4), (0xe00, 5)] {
        io.set(reg, value);
    }
    traps::clear(&io, 0xf0);
    let said = io.said();
    let utl = [
        "r64 410",
        "w64 410 1",
        "r64 548",
        "w64 548 2",
        "r64 560",
        "w64 560 3",
    ];
    assert_eq!(said[..6], utl);
    let bridge = [
        "r64 c80",
        "w64 c80 4",
        "w64 c88 0",
        "w64 cc0 0",
        "w64 cc8 0",
    ];
    assert_eq!(said[6..11], bridge);
    let inbound_b = [
        "r64 e00",
        "w64 e00 5",
        "w64 e08 0",
        "w64 e40 0",
        "w64 e48 0",
    ];
    assert_eq!(said[21..26], inbound_b);
    assert_eq!(said[26..], ["w64 c08 ffffffffffffff0f", "w64 c40 0"]);
}

fn perst_is_one_bit_of_the_reset_register() {
    let io = Told::default();
    io.set(0x808, u64::MAX);
    reset::hold_perst(&io);
    reset::hold_perst(&io);
    reset::release_perst(&io);
    reset::release_perst(&io);
    let (held, released) = ("w64 808 dfffffffffffffff", "w64 808 ffffffffffffffff");
    let want = [held, held, released, released].map(|write| ["r64 808", write]);
    assert_eq!(io.said(), want.concat());
}

cases::cases!(
    a_trap_block_has_its_registers_behind_its_base,
    an_entry_of_a_table_is_reached_by_table_and_index,
    config_data_is_little_endian_in_the_lane_of_the_register,
    a_place_is_aligned_and_bus_0_has_one_function,
    an_error_is_armed_last_and_taken_back_once,
    traps_are_set_up_with_nothing_latched_and_no_interrupt,
    clearing_writes_a_status_back_and_forgets_where_it_came_from,
    perst_is_one_bit_of_the_reset_register,
);
