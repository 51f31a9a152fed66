//! System parameters.

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
