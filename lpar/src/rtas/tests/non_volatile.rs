//! Non-volatile memory.

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
