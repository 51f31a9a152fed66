//! Sending: `H_SEND_LOGICAL_LAN`.

use crate::adapter::{Adapter, Offer};
use crate::frame::{Frame, Gone};
use crate::{MAX_FRAME_BYTES, Problem, bad, mac};
use papr_abi::llan::SEND_DESCRIPTORS;

/// Bytes that one call copies at most.
pub const COPY_BYTES: u32 = MAX_FRAME_BYTES;
/// Receivers that one call copies to at most.
pub const COPY_FRAMES: u32 = 16;

/// How a frame fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// All whom it was for have it.
    All,
    /// Some whom it was for have not.
    Dropped,
    /// There are more whom it is for: repeat the call with this as its continue token.
    More(u64),
}

/// What a call left to the next: the next receiver and whether one before has lost the frame. A partition may
/// make tokens up; all that they do is choose where its own frame goes.
#[derive(Clone, Copy, Debug)]
struct Token {
    next: usize,
    dropped: bool,
}

impl Token {
    /// Told by 0 from the first call.
    const MARK: u64 = 1 << 32;
    const DROPPED: u64 = 1 << 31;

    fn read(token: u64, adapters: usize) -> Result<Self, Problem> {
        let next = (token & (Self::DROPPED - 1)) as usize;
        let dropped = token & Self::DROPPED != 0;
        let known = token & !(Self::DROPPED | (Self::DROPPED - 1));
        if token != 0 && (known != Self::MARK || next >= adapters) {
            return Err(bad("no such continue token"));
        }
        Ok(Self { next, dropped })
    }

    const fn write(self) -> u64 {
        let dropped = if self.dropped { Self::DROPPED } else { 0 };
        Self::MARK | dropped | self.next as u64
    }
}

impl Adapter {
    /// `H_SEND_LOGICAL_LAN`: sends the frame that `descriptors` name, up to the first without a length, to
    /// whom it is addressed; goes on where `token` says unless that is 0. An adapter that is not registered
    /// sends to nobody: [`Sent::Dropped`].
    ///
    /// # Errors
    /// [`papr_abi::HError::Parameter`]: a descriptor is not valid, the frame has less than 14 bytes or more
    /// than 16 KiB, not all of it is mapped for reading, the token is none.
    #[inline(never)]
    pub fn send(&self, descriptors: &[u64; SEND_DESCRIPTORS], token: u64) -> Result<Sent, Problem> {
        let Some((memory, lan)) = self.sender() else {
            return Ok(Sent::Dropped);
        };
        let adapters = &lan.adapters;
        let mut token = Token::read(token, adapters.len())?;
        let frame = Frame::new(&memory, descriptors)?;
        let unmapped = bad("frame unmapped while it was sent");
        let destination = frame.destination(&memory).ok_or(unmapped)?;
        let alone = !mac::is_group(destination);
        // Nobody has the address: there is nothing beyond this LAN.
        token.dropped |= alone;
        let (mut bytes, mut frames) = (0, 0);
        for (index, adapter) in adapters.iter().enumerate().skip(token.next) {
            if core::ptr::eq(*adapter, self) {
                continue;
            }
            if frames == COPY_FRAMES || bytes + frame.bytes > COPY_BYTES {
                token.next = index;
                return Ok(Sent::More(token.write()));
            }
            let taken = match adapter.offer(destination, frame.bytes) {
                Offer::No => continue,
                Offer::Full => {
                    token.dropped = true;
                    continue;
                }
                Offer::Into(taken) => taken,
            };
            let target = adapter.memory();
            let copied = target.ok_or(Gone::Target).and_then(|target| {
                let to = taken.message();
                frame.copy(&memory, &target, to)
            });
            adapter.finish(taken, copied.is_ok().then_some(frame.bytes));
            match copied {
                Ok(()) if alone => token.dropped = false,
                Ok(()) => {}
                Err(Gone::Target) => token.dropped = true,
                Err(Gone::Source) => return Err(unmapped),
            }
            if alone {
                break;
            }
            bytes += frame.bytes;
            frames += 1;
        }
        Ok(if token.dropped {
            Sent::Dropped
        } else {
            Sent::All
        })
    }
}
