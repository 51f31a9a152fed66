//! A program at the other end of the line: what [`Mux`] stages for it, and what it asks for.

use super::{CHUNK, Mux, Sources};
use frames::{Denial, MAX_ENCODED, Reply, Request};

impl Mux {
    /// Returns the program's last request, with its tag; what is damaged is none, as it may be anything.
    #[must_use]
    pub fn request(&self) -> Option<(u8, Result<Request<'_>, Denial>)> {
        let frame = self.frame.frame()?;
        Some((frame.tag, Request::parse(&frame)))
    }

    /// Stages one frame: a reply, else output of the monitor or of a console, each having its turn.
    pub(super) fn program(&mut self, sources: &dyn Sources, budget: &mut usize) -> bool {
        let mut frame = [0; MAX_ENCODED];
        let count = sources.reply(&mut frame);
        if count > 0 {
            self.stage(frame.get(..count).unwrap_or_default());
            return true;
        }
        let mut chunk = [0; CHUNK];
        let count = sources.monitor(&mut chunk);
        if count > 0 {
            self.framed(frames::MONITOR, chunk.get(..count).unwrap_or_default());
            return true;
        }
        let consoles = self.consoles;
        for _ in 0..consoles {
            let console = self.next_turn();
            let mut count = 0;
            sources.output(console, &mut |output| {
                count = output.peek(&mut chunk);
                output.discard(count);
            });
            if count > 0 {
                *budget = budget.saturating_sub(count);
                let (lpid, _) = sources.partition(console);
                self.framed(lpid, chunk.get(..count).unwrap_or_default());
                return true;
            }
        }
        false
    }

    /// Stages output as a frame.
    pub(super) fn framed(&mut self, from: u32, bytes: &[u8]) {
        let output = Reply::Output { from, bytes };
        output.encode(0, &mut |part| self.stage(part));
    }
}
