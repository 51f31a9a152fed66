//! What an event says, for people: [`Told`].

use crate::event::{Dispatched, Event, Kind, Preempted, endpoint_of};
use core::fmt;

/// Writes what `event` says besides when and of whom.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The event.
    pub event: &'a Event,
    /// The name of the call that it is about, if it is about one that has a name.
    pub call: Option<&'a str>,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Event {
            ticks,
            kind,
            code,
            result,
            argument,
            ..
        } = *self.event;
        write!(f, "{} ", kind.name())?;
        match kind {
            Kind::Hcall | Kind::Rtas | Kind::Refused => {
                match self.call {
                    Some(name) => f.write_str(name)?,
                    None => write!(f, "{code:#x}")?,
                }
                write!(f, " = {result}")?;
                if kind == Kind::Refused {
                    return Ok(());
                }
                write!(f, ", {argument:#x}, {ticks} ticks")
            }
            Kind::Interrupt => write!(f, "{code:#x}"),
            Kind::Dispatch => {
                let why = Dispatched::from_number(code).map_or("?", Dispatched::name);
                write!(f, "{why}, rested {ticks} ticks")
            }
            Kind::Preempt => {
                let why = Preempted::from_number(code).map_or("?", Preempted::name);
                write!(f, "{why}, ran {ticks} ticks")
            }
            Kind::Freeze | Kind::Thaw | Kind::Reset => {
                match endpoint_of(code) {
                    (phb, u16::MAX) => write!(f, "phb{phb}")?,
                    (phb, pe) => write!(f, "pe {phb}:{pe}")?,
                }
                f.write_str(match result {
                    1 => ", MMIO stopped",
                    2 => ", DMA stopped",
                    3 => ", MMIO and DMA stopped",
                    _ => "",
                })?;
                if kind == Kind::Freeze {
                    write!(f, ", PESTA {argument:#x}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::endpoint;
    use crate::event::tests::PUT_TCE;

    #[test]
    fn every_kind_tells_what_is_in_it() {
        let told = |kind, code, result, call| {
            let event = Event {
                kind,
                code,
                result,
                ..PUT_TCE
            };
            Told {
                event: &event,
                call,
            }
            .to_string()
        };
        let put_tce = Some("H_PUT_TCE");
        for (text, wanted) in [
            (
                told(Kind::Hcall, 0x20, -4, put_tce),
                "hcall H_PUT_TCE = -4, 0x80000001, 103 ticks",
            ),
            (
                told(Kind::Rtas, 0x2001, 0, None),
                "rtas 0x2001 = 0, 0x80000001, 103 ticks",
            ),
            (
                told(Kind::Refused, 0x20, -4, put_tce),
                "refused H_PUT_TCE = -4",
            ),
            (told(Kind::Interrupt, 0x1810, 0, None), "interrupt 0x1810"),
            (
                told(Kind::Dispatch, 3, 0, None),
                "dispatch decrementer, rested 103 ticks",
            ),
            (
                told(Kind::Preempt, 2, 0, None),
                "preempt cede, ran 103 ticks",
            ),
            (told(Kind::Preempt, 99, 0, None), "preempt ?, ran 103 ticks"),
            (
                told(Kind::Freeze, endpoint(1, 2), 3, None),
                "freeze pe 1:2, MMIO and DMA stopped, PESTA 0x80000001",
            ),
            (told(Kind::Thaw, endpoint(1, 2), 0, None), "thaw pe 1:2"),
            (
                told(Kind::Reset, endpoint(1, u16::MAX), 0, None),
                "reset phb1",
            ),
        ] {
            assert_eq!(text, wanted);
        }
    }
}
