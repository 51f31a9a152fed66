use super::*;
use crate::hcall::After;
use crate::machine::{CivilTime, Failed};
use crate::pci::{ConfigError, MsiAddress, MsiKind};
use crate::testing::RAM_BYTES;
use crate::testing::bench::{BUIDS, Bench, FOREIGN, LSI, MSI, PIRS, call, call_on, logged};
use crate::{Vcpu, VcpuState};
use papr_abi::rtas::HEADER_CELLS;
use papr_abi::{Irq, token};
use proptest::prelude::*;

const BLOCK: u64 = 0x1000;
const BUFFER: u32 = 0x2000;

const OK: i32 = 0;
const HARDWARE: i32 = -1;
const PARAMETER: i32 = -3;

/// Makes the call `name`: its outputs, status first, and what comes after.
fn rtas(bench: &Bench, name: &str, inputs: &[u32], outputs: usize) -> (Vec<i32>, After) {
    rtas_on(bench, 0, name, inputs, outputs)
}

fn rtas_on(
    bench: &Bench,
    server: usize,
    name: &str,
    inputs: &[u32],
    outputs: usize,
) -> (Vec<i32>, After) {
    let entry = CALLS.iter().find(|entry| entry.row.name == name).unwrap();
    let header = [entry.row.token(), inputs.len() as u32, outputs as u32];
    let cells = header.iter().chain(inputs).copied();
    let cells = cells.chain(std::iter::repeat_n(0x5a5a_5a5a, outputs + 1));
    for (at, cell) in (BLOCK..).step_by(4).zip(cells) {
        bench.write(at, 4, cell.into());
    }
    let (code, _, after) = call_on(bench, server, token::H_RTAS, &[BLOCK]);
    assert_eq!(code, 0);
    let first = BLOCK + 4 * (HEADER_CELLS + inputs.len() as u64);
    let cell = |index: usize| bench.read(first + 4 * index as u64, 4) as i32;
    assert_eq!(cell(outputs), 0x5a5a_5a5a, "wrote past its outputs");
    ((0..outputs).map(cell).collect(), after)
}

/// As [`rtas`], for calls that return to the caller: the status alone.
fn status(bench: &Bench, name: &str, inputs: &[u32], outputs: usize) -> i32 {
    let (outputs, after) = rtas(bench, name, inputs, outputs);
    assert_eq!(after, After::Return);
    outputs[0]
}

fn function(number: usize) -> [u32; 3] {
    let buid = BUIDS[number].0;
    [0, (buid >> 32) as u32, buid as u32]
}

mod block {
    use super::*;

    fn with_header(header: [u64; 3]) -> (Bench, i64) {
        let bench = Bench::new();
        for (at, cell) in (BLOCK..).step_by(4).zip(header) {
            bench.write(at, 4, cell);
        }
        let code = call(&bench, token::H_RTAS, &[BLOCK]).0;
        (bench, code)
    }

    #[test]
    fn a_misplaced_block_is_refused() {
        let bench = Bench::new();
        for block in [
            1,
            2,
            BLOCK + 2,
            RAM_BYTES,
            RAM_BYTES - 4,
            RAM_BYTES - 8,
            u64::MAX,
            1 << 63,
        ] {
            assert_eq!(call(&bench, token::H_RTAS, &[block]).0, -4, "{block:#x}");
        }
    }

    #[test]
    fn a_block_of_impossible_shape_is_refused() {
        for header in [
            [0x2001, 17, 1],
            [0x2001, 0, 17],
            [0x2001, 0, 0],
            [0x2001, 0xffff_ffff, 8],
        ] {
            assert_eq!(with_header(header).1, -4, "{header:?}");
        }
        let (_, code) = with_header([0x2001, 0, 0x8000_0000]);
        assert_eq!(code, -4);
    }

    #[test]
    fn a_block_whose_outputs_leave_memory_is_refused_before_anything_is_done() {
        let bench = Bench::new();
        let block = RAM_BYTES - 4 * 4;
        for (at, cell) in (block..).step_by(4).zip([0x2007u64, 0, 1]) {
            bench.write(at, 4, cell);
        }
        // Just inside: the call is made.
        assert_eq!(call(&bench, token::H_RTAS, &[block]).2, After::PowerOff);
        let block = block + 4;
        for (at, cell) in (block..).step_by(4).zip([0x2007u64, 0, 1]) {
            bench.write(at, 4, cell);
        }
        let (code, _, after) = call(&bench, token::H_RTAS, &[block]);
        assert_eq!((code, after), (-4, After::Return));
    }

    #[test]
    fn unknown_calls_and_wrong_counts_get_a_status() {
        for header in [
            [0, 0, 1],
            [0x1fff, 0, 1],
            [0x2009, 0, 1],
            [0x2020, 3, 1],
            [0xffff_ffff, 0, 16],
            [0x2001, 1, 8],
            [0x2001, 0, 7],
            [0x2001, 0, 9],
            [0x2019, 6, 2],
            [0x2019, 6, 5],
        ] {
            let (bench, code) = with_header(header);
            assert_eq!(code, 0, "{header:x?}");
            let at = BLOCK + 4 * (3 + header[1]);
            assert_eq!(bench.read(at, 4) as i32, PARAMETER, "{header:x?}");
        }
    }

    #[test]
    fn a_failed_call_stores_its_status_alone() {
        let (outputs, _) = rtas(&Bench::new(), "query-cpu-stopped-state", &[9], 2);
        assert_eq!(outputs, [PARAMETER, 0x5a5a_5a5a]);
    }

    proptest! {
        #[test]
        fn no_block_makes_a_panic(
            cells in prop::collection::vec(any::<u32>(), 40),
            index in 0usize..CALLS.len() + 2,
            inputs in 0u32..18,
            outputs in 0u32..18,
            small in any::<u64>(),
            place in 0u64..256,
        ) {
            let bench = Bench::new();
            let block = RAM_BYTES - 4 * place;
            let mut cells = cells;
            // Half of the inputs are small numbers, which reach further than random ones.
            for (bit, cell) in cells.iter_mut().enumerate().skip(3) {
                if small >> bit & 1 == 1 {
                    *cell &= 0x1f;
                }
            }
            if let Some(entry) = CALLS.get(index) {
                cells[0] = entry.row.token();
                cells[1] = if small & 1 == 0 { entry.row.inputs as u32 } else { inputs };
                cells[2] = if small & 2 == 0 { entry.row.outputs.1 as u32 } else { outputs };
            }
            for (at, cell) in (block..RAM_BYTES).step_by(4).zip(cells) {
                bench.write(at, 4, cell.into());
            }
            let (code, ..) = call(&bench, token::H_RTAS, &[block]);
            prop_assert!(code == 0 || code == -4);
        }
    }
}

mod clock {
    use super::*;

    const NOW: [i32; 8] = [OK, 2026, 11, 23, 4, 13, 56, 7];

    #[test]
    fn a_partition_begins_with_the_machine_s_time() {
        let bench = Bench::new();
        assert_eq!(rtas(&bench, "get-time-of-day", &[], 8).0, NOW);
    }

    #[test]
    fn a_set_time_is_kept_as_the_machine_s_goes_on() {
        let bench = Bench::new();
        let set = [2030, 2, 28, 23, 59, 59, 999_999_999];
        assert_eq!(status(&bench, "set-time-of-day", &set, 1), OK);
        let (outputs, _) = rtas(&bench, "get-time-of-day", &[], 8);
        assert_eq!(outputs[1..], set.map(|value| value as i32));
        let later = CivilTime {
            second: 57,
            ..bench.clock.civil.lock().unwrap().unwrap()
        };
        *bench.clock.civil.lock().unwrap() = Ok(later);
        let (outputs, _) = rtas(&bench, "get-time-of-day", &[], 8);
        assert_eq!(outputs, [OK, 2030, 3, 1, 0, 0, 0, 999_999_999]);
    }

    #[test]
    fn a_time_that_does_not_exist_is_refused_and_changes_nothing() {
        let bench = Bench::new();
        for bad in [
            [1969, 12, 31, 0, 0, 0, 0],
            [2200, 1, 1, 0, 0, 0, 0],
            [2027, 2, 29, 0, 0, 0, 0],
            [2028, 13, 1, 0, 0, 0, 0],
            [2028, 1, 1, 24, 0, 0, 0],
            [2028, 1, 1, 0, 60, 0, 0],
            [2028, 1, 1, 0, 0, 60, 0],
            [2028, 1, 1, 0, 0, 0, 1_000_000_000],
            [0x1_07ec, 1, 1, 0, 0, 0, 0],
            [2028, 0x101, 1, 0, 0, 0, 0],
        ] {
            assert_eq!(
                status(&bench, "set-time-of-day", &bad, 1),
                PARAMETER,
                "{bad:?}"
            );
        }
        assert_eq!(rtas(&bench, "get-time-of-day", &[], 8).0, NOW);
    }

    #[test]
    fn a_broken_clock_is_a_hardware_error() {
        let bench = Bench::new();
        *bench.clock.civil.lock().unwrap() = Err(Failed);
        assert_eq!(status(&bench, "get-time-of-day", &[], 8), HARDWARE);
        let set = [2030, 1, 1, 0, 0, 0, 0];
        assert_eq!(status(&bench, "set-time-of-day", &set, 1), HARDWARE);
    }
}

mod life {
    use super::*;

    #[test]
    fn power_off_and_reboot_concern_the_partition() {
        let bench = Bench::new();
        let (_, after) = rtas(&bench, "power-off", &[u32::MAX, u32::MAX], 1);
        assert_eq!(after, After::PowerOff);
        assert_eq!(rtas(&bench, "system-reboot", &[], 1).1, After::Restart);
    }

    #[test]
    fn a_processor_is_started_once_where_it_was_told() {
        let bench = Bench::new();
        let other = &bench.lpar.vcpus[1];
        let query = || rtas(&bench, "query-cpu-stopped-state", &[1], 2).0;
        assert_eq!(query(), [OK, 0]);
        assert_eq!(status(&bench, "start-cpu", &[1, 0x60, 0x77], 1), OK);
        assert_eq!(bench.threads.kicked(), [PIRS[1]]);
        assert_eq!(other.start_point(), (0x60, 0x77));
        assert_eq!(query(), [OK, 2]);
        assert_eq!(status(&bench, "start-cpu", &[1, 0x80, 0], 1), HARDWARE);
        assert_eq!(status(&bench, "start-cpu", &[0, 0x80, 0], 1), HARDWARE);
        assert_eq!(other.start_point(), (0x60, 0x77));
        other.set_state(VcpuState::Stopping);
        assert_eq!(query(), [OK, 1]);
    }

    #[test]
    fn processors_and_places_that_do_not_exist_are_refused() {
        let bench = Bench::new();
        for inputs in [
            [2, 0x60, 0],
            [PIRS[1], 0x60, 0],
            [u32::MAX, 0x60, 0],
            [1, RAM_BYTES as u32, 0],
            [1, 0x62, 0],
            [1, u32::MAX, 0],
        ] {
            assert_eq!(
                status(&bench, "start-cpu", &inputs, 1),
                PARAMETER,
                "{inputs:x?}"
            );
        }
        assert_eq!(bench.lpar.vcpus[1].state(), VcpuState::Stopped);
        assert_eq!(bench.threads.kicked(), []);
        assert_eq!(
            status(&bench, "query-cpu-stopped-state", &[2], 2),
            PARAMETER
        );
    }

    #[test]
    fn the_last_processor_that_stops_ends_the_partition() {
        let bench = Bench::new();
        bench.lpar.vcpus[1].set_state(VcpuState::Running);
        let (_, after) = rtas_on(&bench, 1, "stop-self", &[], 1);
        assert_eq!(after, After::StopSelf);
        assert_eq!(bench.lpar.vcpus[1].state(), VcpuState::Stopping);
        assert_eq!(rtas(&bench, "stop-self", &[], 1).1, After::PowerOff);
    }

    #[test]
    fn last_words_are_logged_escaped_and_cut_and_the_call_returns() {
        let bench = Bench::new();
        logged();
        let text = b"Fatal \x1b[31mexception\nbulkhead| STOP panic\0rest";
        let at = papr_abi::GuestRealAddr(BUFFER.into());
        bench.lpar.ram.write(at, text).unwrap();
        assert_eq!(status(&bench, "ibm,os-term", &[BUFFER], 1), OK);
        assert_eq!(
            logged(),
            [r"partition test: os-term: Fatal \x1b[31mexception\nbulkhead| STOP panic"]
        );
        bench.lpar.ram.write(at, &[b'x'; 1000]).unwrap();
        assert_eq!(status(&bench, "ibm,os-term", &[BUFFER], 1), OK);
        assert_eq!(logged()[0].matches('x').count(), 256);
        // Text that runs into the end of memory ends there.
        let last = RAM_BYTES as u32 - 3;
        bench
            .lpar
            .ram
            .write(papr_abi::GuestRealAddr(last.into()), b"end")
            .unwrap();
        assert_eq!(status(&bench, "ibm,os-term", &[last], 1), OK);
        assert_eq!(logged(), ["partition test: os-term: end"]);
        assert_eq!(
            status(&bench, "ibm,os-term", &[RAM_BYTES as u32], 1),
            PARAMETER
        );
    }

    #[test]
    fn panel_text_is_logged_by_the_line_and_there_are_no_events() {
        let bench = Bench::new();
        logged();
        for &byte in b"Booting\r\n" {
            assert_eq!(status(&bench, "display-character", &[byte.into()], 1), OK);
        }
        assert_eq!(logged(), ["partition test: panel: Booting"]);
        let inputs = [u32::MAX, 0, BUFFER, 2048];
        assert_eq!(status(&bench, "event-scan", &inputs, 1), 1);
    }
}

mod interrupts {
    use super::*;

    fn xive(bench: &Bench, irq: Irq) -> Vec<i32> {
        rtas(bench, "ibm,get-xive", &[irq.0], 3).0
    }

    #[test]
    fn a_source_begins_masked_and_off_and_is_sent_where_it_is_set_once_on() {
        let bench = Bench::new();
        assert_eq!(xive(&bench, MSI), [OK, 0, 0xff]);
        // LoPAR: never enabled by int-on since boot, so set-xive only sets the saved priority.
        assert_eq!(status(&bench, "ibm,set-xive", &[MSI.0, 1, 5], 1), OK);
        assert_eq!(bench.sources.target(MSI), Some((PIRS[1], 0xff)));
        assert_eq!(xive(&bench, MSI), [OK, 1, 5]);
        assert_eq!(status(&bench, "ibm,int-on", &[MSI.0], 1), OK);
        assert_eq!(bench.sources.target(MSI), Some((PIRS[1], 5)));
        assert_eq!(status(&bench, "ibm,set-xive", &[MSI.0, 0, 6], 1), OK);
        assert_eq!(bench.sources.target(MSI), Some((PIRS[0], 6)));
    }

    #[test]
    fn off_masks_and_keeps_the_priority_for_on() {
        let bench = Bench::new();
        status(&bench, "ibm,set-xive", &[LSI.0, 1, 5], 1);
        status(&bench, "ibm,int-on", &[LSI.0], 1);
        assert_eq!(status(&bench, "ibm,int-off", &[LSI.0], 1), OK);
        assert_eq!(bench.sources.target(LSI), Some((PIRS[1], 0xff)));
        // LoPAR: the saved value is what get-xive presents.
        assert_eq!(xive(&bench, LSI), [OK, 1, 5]);
        // What Linux does to mask: off, then the least favoured priority.
        assert_eq!(status(&bench, "ibm,set-xive", &[LSI.0, 1, 0xff], 1), OK);
        assert_eq!(xive(&bench, LSI), [OK, 1, 0xff]);
        status(&bench, "ibm,set-xive", &[LSI.0, 0, 5], 1);
        assert_eq!(status(&bench, "ibm,int-on", &[LSI.0], 1), OK);
        assert_eq!(bench.sources.target(LSI), Some((PIRS[0], 5)));
    }

    #[test]
    fn sources_that_do_not_exist_are_refused() {
        let bench = Bench::new();
        for irq in [0, 2, 0x7ff, 0x1000, 0xff_ffff, u32::MAX] {
            assert_eq!(status(&bench, "ibm,set-xive", &[irq, 0, 5], 1), PARAMETER);
            assert_eq!(status(&bench, "ibm,get-xive", &[irq], 3), PARAMETER);
            assert_eq!(status(&bench, "ibm,int-on", &[irq], 1), PARAMETER);
            assert_eq!(status(&bench, "ibm,int-off", &[irq], 1), PARAMETER);
        }
    }

    #[test]
    fn lopar_wants_silent_success_without_effect_for_sources_of_others() {
        // "RTAS Access to Hypervisor Virtualized Resources", R1-20 to R1-24.
        let bench = Bench::new();
        assert_eq!(status(&bench, "ibm,set-xive", &[FOREIGN.0, 0, 5], 1), OK);
        assert_eq!(status(&bench, "ibm,int-on", &[FOREIGN.0], 1), OK);
        assert_eq!(status(&bench, "ibm,int-off", &[FOREIGN.0], 1), OK);
        assert_eq!(xive(&bench, FOREIGN), [OK, -1, 0xff]);
        assert_eq!(bench.sources.target(FOREIGN), None);
    }

    #[test]
    fn servers_and_priorities_out_of_range_are_refused_and_change_nothing() {
        let bench = Bench::new();
        for (server, priority) in [
            (2, 5),
            (PIRS[1], 5),
            (u32::MAX, 5),
            (0, 0x100),
            (0, u32::MAX),
        ] {
            let inputs = [MSI.0, server, priority];
            assert_eq!(status(&bench, "ibm,set-xive", &inputs, 1), PARAMETER);
        }
        assert_eq!(xive(&bench, MSI), [OK, 0, 0xff]);
        assert_eq!(bench.sources.target(MSI), None);
    }

    #[test]
    fn what_the_machine_did_not_do_is_not_remembered() {
        let bench = Bench::new();
        bench.sources.break_it();
        assert_eq!(status(&bench, "ibm,set-xive", &[MSI.0, 1, 5], 1), HARDWARE);
        assert_eq!(status(&bench, "ibm,int-on", &[MSI.0], 1), HARDWARE);
        assert_eq!(xive(&bench, MSI), [OK, 0, 0xff]);
    }
}

mod config_space {
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
        let [_, high, low] = function(number);
        [address, high, low]
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
        let [_, high, low] = function(0);
        for other in [
            [0, high, low + 7],
            [0, high + 1, low],
            [0, 0, 0],
            [0x0100, high, low],
            [0x0800, high, low],
            [0x1_0000, high, low],
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
}

mod messages {
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
    fn fewer_messages_mask_those_that_are_gone_and_none_bring_the_lsi_back() {
        let bench = Bench::new();
        change(&bench, 0, 4, 5, 4);
        bench.sources.was_reset();
        assert_eq!(change(&bench, 0, 4, 3, 4)[1], 3);
        assert_eq!(bench.sources.was_reset(), [Irq(MSI.0 + 3), Irq(MSI.0 + 4)]);
        assert_eq!(change(&bench, 0, 4, 0, 4)[1], 0);
        let gone = [Irq(MSI.0), Irq(MSI.0 + 1), Irq(MSI.0 + 2)];
        assert_eq!(bench.sources.was_reset(), gone);
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
        assert_eq!(bench.sources.was_reset(), [MSI, Irq(MSI.0 + 1)]);
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
}

mod parameters {
    use super::*;

    const NAME: &str = "ibm,get-system-parameter";

    fn get(bench: &Bench, parameter: u32, bytes: u32) -> (i32, Vec<u8>) {
        let at = papr_abi::GuestRealAddr(BUFFER.into());
        bench.lpar.ram.write(at, &[0xee; 600]).unwrap();
        let status = status(bench, NAME, &[parameter, BUFFER, bytes], 1);
        let mut out = vec![0; 600];
        bench.lpar.ram.read(at, &mut out).unwrap();
        (status, out)
    }

    #[test]
    fn the_characteristics_and_the_name_are_told_with_their_length() {
        let bench = Bench::new();
        let (status, out) = get(&bench, 20, 4000);
        let text = b"MaxEntCap=200,DesMem=1,DesProcs=2,MaxPlatProcs=2\0";
        assert_eq!(status, OK);
        assert_eq!(out[..2], (text.len() as u16).to_be_bytes());
        assert_eq!(out[2..][..text.len()], text[..]);
        assert_eq!(out[2 + text.len()], 0xee);
        let (status, out) = get(&bench, 55, 4000);
        assert_eq!(status, OK);
        assert_eq!(out[..8], *b"\0\x05test\0\xee");
    }

    #[test]
    fn a_short_buffer_gets_what_fits() {
        let bench = Bench::new();
        for bytes in 0..9 {
            let (status, out) = get(&bench, 55, bytes);
            assert_eq!(status, OK);
            let written = out.iter().take_while(|&&byte| byte != 0xee).count();
            assert_eq!(written, (bytes as usize).min(7));
        }
    }

    #[test]
    fn a_long_name_is_cut_and_still_ends_in_a_zero() {
        let bench = Bench::with(|config| config.name = "n".repeat(2000));
        let (status, out) = get(&bench, 55, 4000);
        assert_eq!(status, OK);
        let length = usize::from(u16::from_be_bytes([out[0], out[1]]));
        assert_eq!((length, out[1 + length], out[2 + length]), (510, 0, 0xee));
    }

    #[test]
    fn other_parameters_and_bad_buffers_are_refused() {
        let bench = Bench::new();
        for parameter in [0, 44, 45, 50, u32::MAX] {
            assert_eq!(get(&bench, parameter, 4000).0, PARAMETER);
        }
        let end = RAM_BYTES as u32;
        assert_eq!(status(&bench, NAME, &[55, end, 1], 1), -9999);
        assert_eq!(status(&bench, NAME, &[55, end - 4, 5], 1), -9999);
        // LoPAR R1-10: a length of 0 asks only whether there is one.
        assert_eq!(status(&bench, NAME, &[55, end, 0], 1), OK);
        assert_eq!(status(&bench, NAME, &[44, end, 0], 1), PARAMETER);
    }
}

mod non_volatile {
    use super::*;

    #[test]
    fn bytes_are_stored_and_fetched_at_any_place_and_survive_a_restart() {
        let bench = Bench::new();
        bench.write(BUFFER.into(), 8, 0x0102_0304_0506_0708);
        let (outputs, _) = rtas(&bench, "nvram-store", &[8189, BUFFER + 1, 3], 2);
        assert_eq!(outputs, [OK, 3]);
        bench.lpar.reset();
        let (outputs, _) = rtas(&bench, "nvram-fetch", &[8185, BUFFER + 9, 7], 2);
        assert_eq!(outputs, [OK, 7]);
        assert_eq!(bench.read(u64::from(BUFFER) + 8, 8), 0x0000_0000_0002_0304);
    }

    #[test]
    fn what_is_outside_is_refused_and_copies_nothing() {
        let bench = Bench::new();
        let end = RAM_BYTES as u32;
        for name in ["nvram-fetch", "nvram-store"] {
            for inputs in [
                [8192, BUFFER, 1],
                [8190, BUFFER, 3],
                [u32::MAX, BUFFER, 2],
                [0, BUFFER, u32::MAX],
                [0, end - 2, 3],
                [0, end, 1],
            ] {
                assert_eq!(
                    status(&bench, name, &inputs, 2),
                    PARAMETER,
                    "{name} {inputs:x?}"
                );
            }
        }
        let vcpu: &Vcpu = &bench.lpar.vcpus[0];
        assert_eq!(vcpu.state(), VcpuState::Running);
    }
}
