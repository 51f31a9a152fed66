//! Message-signalled interrupts.

use super::*;

fn change(bench: &Bench, number: usize, what: u32, count: u32, outputs: usize) -> Vec<i32> {
    let [address, high, low] = function(number);
    let inputs = [address, high, low, what, count, 1];
    rtas(bench, "ibm,change-msi", &inputs, outputs).0
}

fn query(bench: &Bench, number: usize, index: u32) -> Vec<i32> {
    let [address, high, low] = function(number);
    let inputs = [address, high, low, index];
    rtas(bench, "ibm,query-interrupt-source-number", &inputs, 3).0
}

#[test]
fn linux_s_sequence_gives_msi_x_and_their_numbers() {
    let bench = Bench::new();
    // As observed: take all, in both forms, then ask for as many as there are.
    assert_eq!(change(&bench, 0, 3, 0, 4)[..2], [OK, 0]);
    assert_eq!(change(&bench, 0, 1, 0, 3)[..2], [OK, 0]);
    assert_eq!(query(&bench, 0, 0), [OK, LSI.0 as i32, 0]);
    assert_eq!(change(&bench, 0, 4, 4, 4), [OK, 4, 1, 2]);
    let programmed = *bench.pci[0].programmed.lock().unwrap();
    assert_eq!(programmed, Some((MsiKind::MsiX, MsiAddress::Any, MSI, 4)));
    for index in 0..4 {
        assert_eq!(query(&bench, 0, index), [OK, (MSI.0 + index) as i32, 1]);
    }
    assert_eq!(query(&bench, 0, 4)[0], 1);
    assert_eq!(query(&bench, 0, u32::MAX)[0], 1);
    assert_eq!(change(&bench, 0, 0, 99, 4), [OK, 4, 1, 2]);
    assert_eq!(change(&bench, 0, 0, 99, 3)[..2], [OK, 4]);
}

#[test]
fn grants_end_at_the_capability_and_the_reservation() {
    let bench = Bench::new();
    assert_eq!(change(&bench, 0, 4, 100, 4), [OK, 5, 1, 2]);
    assert_eq!(change(&bench, 0, 3, 100, 4), [OK, 1, 1, 1]);
    // 64 wanted by the function, 16 reserved from 0x848: aligned to 8.
    assert_eq!(change(&bench, 1, 3, 64, 4), [OK, 8, 1, 1]);
}

#[test]
fn msi_are_given_by_powers_of_two() {
    let bench = Bench::new();
    for (wanted, given) in [
        (1, 1),
        (2, 2),
        (3, 2),
        (5, 4),
        (7, 4),
        (8, 8),
        (u32::MAX, 8),
    ] {
        assert_eq!(
            change(&bench, 1, 3, wanted, 4),
            [OK, given, 1, 1],
            "{wanted}"
        );
    }
}

#[test]
fn messages_that_there_are_not_are_masked_and_without_any_the_lsi_is_back() {
    let bench = Bench::new();
    let all = bench.lpar.pci[0].reserved_msis;
    let from = |first: u32| (first..all).map(|n| Irq(MSI.0 + n)).collect::<Vec<_>>();
    change(&bench, 0, 4, 5, 4);
    bench.sources.was_reset();
    assert_eq!(change(&bench, 0, 4, 3, 4)[1], 3);
    assert_eq!(bench.sources.was_reset(), from(3));
    // Whatever it had: another processor may have switched one on meanwhile.
    for _ in 0..2 {
        assert_eq!(change(&bench, 0, 4, 0, 4)[1], 0);
        assert_eq!(bench.sources.was_reset(), from(0));
    }
    assert_eq!(*bench.pci[0].programmed.lock().unwrap(), None);
    assert_eq!(query(&bench, 0, 0), [OK, LSI.0 as i32, 0]);
    // A function without one has no interrupt at all then.
    assert_eq!(query(&bench, 1, 0)[0], 1);
}

#[test]
fn the_platform_chooses_what_the_form_can_tell() {
    let bench = Bench::new();
    // Three outputs cannot say MSI-X.
    assert_eq!(change(&bench, 0, 1, 4, 3)[..2], [OK, 1]);
    assert_eq!(change(&bench, 0, 1, 4, 4), [OK, 4, 1, 2]);
    assert_eq!(change(&bench, 1, 1, 4, 4), [OK, 4, 1, 1]);
    assert_eq!(change(&bench, 1, 5, 2, 4), [OK, 2, 1, 1]);
    let programmed = bench.pci[1].programmed.lock().unwrap().unwrap();
    assert_eq!(programmed.1, MsiAddress::Bits32);
    // The default is none.
    assert_eq!(change(&bench, 1, 2, 7, 4)[..2], [OK, 0]);
}

#[test]
fn what_is_not_supported_is_refused_and_changes_nothing() {
    let bench = Bench::new();
    change(&bench, 1, 3, 4, 4);
    assert_eq!(change(&bench, 1, 4, 4, 4)[0], PARAMETER);
    assert_eq!(change(&bench, 1, 0, 0, 4), [OK, 4, 1, 1]);
    for what in [6, 7, u32::MAX] {
        assert_eq!(change(&bench, 1, what, 1, 4)[0], PARAMETER);
    }
    let [_, high, low] = function(1);
    for inputs in [
        [0, high, low, 3, 1, 0],
        [0, high, low, 3, 1, 2],
        [4, high, low, 3, 1, 1],
        [0x1000_0000, high, low, 3, 1, 1],
        [0x100, high, low, 3, 1, 1],
        [0, high, low + 9, 3, 1, 1],
    ] {
        assert_eq!(
            status(&bench, "ibm,change-msi", &inputs, 4),
            PARAMETER,
            "{inputs:x?}"
        );
    }
    assert_eq!(change(&bench, 1, 0, 0, 4), [OK, 4, 1, 1]);
    let inputs = [4, high, low, 0];
    let name = "ibm,query-interrupt-source-number";
    assert_eq!(status(&bench, name, &inputs, 3), PARAMETER);
    assert_eq!(status(&bench, name, &[0, 0, 1, 0], 3), PARAMETER);
}

#[test]
fn a_function_that_cannot_be_programmed_has_no_messages() {
    let bench = Bench::new();
    change(&bench, 0, 4, 2, 4);
    bench.sources.was_reset();
    *bench.pci[0].error.lock().unwrap() = Some(ConfigError::Hardware);
    assert_eq!(change(&bench, 0, 4, 3, 4)[0], HARDWARE);
    assert_eq!(bench.sources.was_reset().len(), 16);
    assert_eq!(change(&bench, 0, 0, 0, 4)[1], 0);
}

#[test]
fn a_restarted_partition_s_functions_have_no_messages() {
    let bench = Bench::new();
    change(&bench, 0, 4, 4, 4);
    bench.lpar.reset();
    assert_eq!(change(&bench, 0, 0, 0, 4)[..2], [OK, 0]);
    assert_eq!(*bench.pci[0].programmed.lock().unwrap(), None);
}
