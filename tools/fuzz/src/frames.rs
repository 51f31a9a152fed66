//! The serial line as a program and the hypervisor read it: frames among anything else.

use frames::{Decoder, Frame, MAX_ENCODED, MAX_PAYLOAD, Reply, Request, START, Step, encode};

/// Takes `data` for what comes over the line, and for the payload of a frame.
///
/// # Panics
/// When a message is not read as it was written, a frame is lost after whatever came before it, or a payload begins one.
pub fn target(data: &[u8]) {
    let mut decoder = Decoder::new();
    for &byte in data {
        if decoder.push(byte) == Step::Whole {
            let frame = decoder.frame().expect("it is whole");
            assert!(frame.payload.len() <= MAX_PAYLOAD);
            again(&frame);
        }
    }
    let (kind, tag) = (data.len() as u8, data.first().copied().unwrap_or(0));
    let mut bytes = Vec::new();
    encode(kind, tag, data, &mut |part| bytes.extend_from_slice(part));
    assert!(bytes.len() <= MAX_ENCODED);
    let begins = bytes.windows(2).filter(|pair| *pair == START);
    assert_eq!(begins.count(), 1, "a payload begins a frame");
    let last = bytes.iter().map(|byte| decoder.push(*byte)).last();
    assert_eq!(last, Some(Step::Whole), "a frame was lost");
    let frame = decoder.frame().expect("it is whole");
    let payload = data.get(..MAX_PAYLOAD).unwrap_or(data);
    assert_eq!((frame.kind, frame.tag, frame.payload), (kind, tag, payload));
}

/// Writes what `frame` says again, and reads that.
fn again(frame: &Frame<'_>) {
    if let Ok(request) = Request::parse(frame) {
        whole(&mut |put| request.encode(frame.tag, put), &mut |read| {
            assert_eq!((read.tag, Request::parse(read)), (frame.tag, Ok(request)));
        });
    }
    if let Some(reply) = Reply::parse(frame) {
        whole(&mut |put| reply.encode(frame.tag, put), &mut |read| {
            assert_eq!((read.tag, Reply::parse(read)), (frame.tag, Some(reply)));
        });
    }
}

type Put<'a> = &'a mut dyn FnMut(&[u8]);

/// Has `see` look at the frame that `write` writes.
fn whole(write: &mut dyn FnMut(Put<'_>), see: &mut dyn FnMut(&Frame<'_>)) {
    let mut decoder = Decoder::new();
    let mut last = Step::Outside;
    write(&mut |part| {
        for byte in part {
            last = decoder.push(*byte);
        }
    });
    assert_eq!(last, Step::Whole);
    see(&decoder.frame().expect("it is whole"));
}
