//! PCI configuration space.

use super::*;

fn read(bench: &Bench, function: [u32; 3], bytes: u32) -> Vec<i32> {
    let [address, high, low] = function;
    rtas(
        bench,
        "ibm,read-pci-config",
        &[address, high, low, bytes],
        2,
    )
    .0
}

fn write(bench: &Bench, function: [u32; 3], bytes: u32, value: u32) -> i32 {
    let [address, high, low] = function;
    let inputs = [address, high, low, bytes, value];
    status(bench, "ibm,write-pci-config", &inputs, 1)
}

fn at(number: usize, address: u32) -> [u32; 3] {
    let [own, high, low] = function(number);
    [own | address, high, low]
}

#[test]
fn own_functions_are_read_and_written_extended_space_included() {
    let bench = Bench::new();
    for (address, offset) in [(0x10, 0x10), (0x1000_0004, 0x104), (0xf000_00fc, 0xffc)] {
        assert_eq!(write(&bench, at(0, address), 4, 0x1122_3344), OK);
        assert_eq!(
            bench.pci[0].bytes.lock().unwrap()[offset..][..4],
            [0x44, 0x33, 0x22, 0x11]
        );
        assert_eq!(read(&bench, at(0, address), 4), [OK, 0x1122_3344]);
        assert_eq!(read(&bench, at(0, address | 2), 2), [OK, 0x1122]);
        assert_eq!(read(&bench, at(0, address | 3), 1), [OK, 0x11]);
    }
    assert_eq!(write(&bench, at(0, 0x12), 2, 0xffff_abcd), OK);
    assert_eq!(read(&bench, at(0, 0x10), 4), [OK, 0xabcd_3344_u32 as i32]);
    assert_ne!(read(&bench, at(1, 0x10), 4), read(&bench, at(0, 0x10), 4));
}

#[test]
fn lopar_wants_all_ones_and_success_for_functions_of_others() {
    // "ibm,read-pci-config", R1-5, and "ibm,write-pci-config", R1-5.
    let bench = Bench::new();
    let before = bench.pci[0].bytes.lock().unwrap().clone();
    let [own, high, low] = function(0);
    for other in [
        [own, high, low + 7],
        [own, high + 1, low],
        [own, 0, 0],
        [0, high, low],
        [own | 0x0100, high, low],
        [own | 0x0800, high, low],
        [0x2_0000, high, low],
        [0xff_ff00, high, low],
    ] {
        assert_eq!(read(&bench, other, 4), [OK, -1], "{other:x?}");
        assert_eq!(read(&bench, other, 2), [OK, 0xffff]);
        assert_eq!(read(&bench, other, 1), [OK, 0xff]);
        assert_eq!(write(&bench, other, 4, 0), OK);
    }
    assert_eq!(*bench.pci[0].bytes.lock().unwrap(), before);
}

#[test]
fn sizes_alignment_and_reserved_bits_are_checked_for_everybody() {
    let bench = Bench::new();
    for number in [function(0), [0, 1, 2]] {
        let [_, high, low] = number;
        for (address, bytes) in [
            (0, 0),
            (0, 3),
            (0, 8),
            (1, 2),
            (2, 4),
            (3, 4),
            (0, u32::MAX),
        ] {
            let place = [address, high, low];
            assert_eq!(
                read(&bench, place, bytes)[0],
                PARAMETER,
                "{address} {bytes}"
            );
            assert_eq!(write(&bench, place, bytes, 0), PARAMETER);
        }
        assert_eq!(read(&bench, [0x0800_0000, high, low], 4)[0], PARAMETER);
    }
}

#[test]
fn an_absent_device_reads_as_ones_and_a_failing_bridge_is_an_error() {
    let bench = Bench::new();
    *bench.pci[0].error.lock().unwrap() = Some(ConfigError::Absent);
    assert_eq!(read(&bench, function(0), 2), [OK, 0xffff]);
    assert_eq!(write(&bench, function(0), 2, 0), OK);
    *bench.pci[0].error.lock().unwrap() = Some(ConfigError::Hardware);
    assert_eq!(read(&bench, function(0), 2)[0], HARDWARE);
    assert_eq!(write(&bench, function(0), 2, 0), HARDWARE);
}
