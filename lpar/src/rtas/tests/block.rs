//! The argument block itself.

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
fn the_observer_is_told_of_calls_and_of_refusals() {
    let bench = Bench::new();
    rtas(&bench, "event-scan", &[1, 2, 3, 4], 1);
    call(&bench, token::H_RTAS, &[1]);
    call(&bench, 0xfff0, &[]);
    let token = find_token("event-scan");
    let wanted = [
        (0, token.into(), Some(1), 1),
        (0, token::H_RTAS, None, -4),
        (0, 0xfff0, None, -2),
    ];
    assert_eq!(*bench.observer.told.lock().unwrap(), wanted);
}

fn find_token(name: &str) -> u32 {
    let entry = CALLS.iter().find(|entry| entry.row.name == name);
    entry.unwrap().row.token()
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
