//! Interrupt presentation in software, for partitions whose processors share threads: a presentation
//! controller for each virtual processor, and what of the partition's sources waits to be presented.
//!
//! [`SoftXics`] does what presentation controllers and sources do between them in hardware: of all that
//! is pending for a processor and more favoured than its priority (CPPR) the most favoured is
//! *presented* (XISR); one that a more favoured one takes the place of, or that the priority shuts
//! out, is rejected and waits; when the priority is lowered it is presented again. Nothing is ever lost, and
//! what is pending follows a change of its source's server and priority. An inter-processor interrupt once
//! presented stays so until it is accepted or rejected, whatever becomes of the MFRR.
//!
//! For processors whose controllers are the machine's, the same keeps the interrupts that the hypervisor makes
//! ([`crate::vio`]) until they are accepted: there are no units then.
//!
//! Sources are known by their place in the partition's [`Xics`](crate::xics::Xics). What the device
//! side needs (message blocks, levels) is not here: a source *arrives*, and its end is told by the caller.
//!
//! Source: LoPAR 2.9, "Interrupt Presentation Layer" of the PowerPC External Interrupt Architecture, for
//! the registers; where it leaves a choice (equal priorities), as QEMU's `hw/intc/xics.c`.

use alloc::boxed::Box;
use lock::Mutex;
use papr_abi::xics::{self, LEAST_FAVORED, MOST_FAVORED};
use papr_abi::{Irq, Server};

/// What is presented to a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Presented {
    irq: Irq,
    priority: u8,
    /// Place of the source; none for the inter-processor interrupt.
    source: Option<usize>,
}

/// The presentation controller of one virtual processor.
#[derive(Clone, Copy, Debug)]
struct Unit {
    cppr: u8,
    mfrr: u8,
    presented: Option<Presented>,
}

/// Where a source is sent.
#[derive(Clone, Copy, Debug)]
struct Route {
    irq: Irq,
    server: usize,
    priority: u8,
}

#[derive(Debug)]
struct State {
    units: Box<[Unit]>,
    routes: Box<[Route]>,
    /// A bit for each source: it has arrived and is presented to nobody.
    waiting: Box<[u64]>,
}

/// The presentation controllers of a partition's virtual processors, and its sources as they see them.
#[derive(Debug)]
pub struct SoftXics(Mutex<State>);

/// Whether a processor has an interrupt presented to it: the line to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Nothing is.
    Quiet,
    /// Something is, until it is accepted.
    Raised,
}

/// What [`SoftXics::waiting`] does besides looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing.
    Only,
    /// It takes what it finds.
    Take,
}

impl State {
    fn is_waiting(&self, source: usize) -> bool {
        let word = self.waiting.get(source >> 6).copied().unwrap_or(0);
        word >> (source & 63) & 1 != 0
    }

    fn set_waiting(&mut self, source: usize, waits: bool) {
        if let Some(word) = self.waiting.get_mut(source >> 6) {
            let bit = 1 << (source & 63);
            *word = if waits { *word | bit } else { *word & !bit };
        }
    }

    /// The most favoured source that waits for unit `server`: its place and route.
    fn best_waiting(&self, server: usize) -> Option<(usize, Route)> {
        let mut best: Option<(usize, Route)> = None;
        for (index, word) in self.waiting.iter().enumerate() {
            let mut left = *word;
            while left != 0 {
                let source = index * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                let Some(route) = self.routes.get(source).copied() else {
                    continue;
                };
                if route.server == server
                    && best.is_none_or(|(_, other)| route.priority < other.priority)
                {
                    best = Some((source, route));
                }
            }
        }
        best
    }

    /// Rejects what is presented to unit `server`: a source waits again; an inter-processor interrupt is
    /// still told by MFRR.
    fn reject(&mut self, server: usize) {
        let unit = self.units.get_mut(server);
        let rejected = unit.and_then(|unit| unit.presented.take());
        if let Some(source) = rejected.and_then(|presented| presented.source) {
            self.set_waiting(source, true);
        }
    }

    /// Takes the source at place `source` back from the unit that it is presented to; returns whether there
    /// was one.
    fn retract(&mut self, source: usize) -> bool {
        let presents = |unit: &Unit| unit.presented.is_some_and(|now| now.source == Some(source));
        let Some(server) = self.units.iter().position(presents) else {
            return false;
        };
        if let Some(unit) = self.units.get_mut(server) {
            unit.presented = None;
        }
        self.present(server);
        true
    }

    /// Presents to unit `server` the most favoured of what is pending for it, if it may be.
    fn present(&mut self, server: usize) -> Line {
        let Some(unit) = self.units.get(server).copied() else {
            return Line::Quiet;
        };
        // More favoured than this it must be, to take the place of what is presented as well.
        let bar = unit.presented.map_or(unit.cppr, |now| now.priority);
        let source = self.best_waiting(server);
        let source = source.filter(|(_, route)| route.priority < bar);
        let ipi = unit.mfrr < bar && source.is_none_or(|(_, route)| unit.mfrr <= route.priority);
        let next = match source {
            _ if ipi => Some(Presented {
                irq: Irq::IPI,
                priority: unit.mfrr,
                source: None,
            }),
            Some((source, route)) => Some(Presented {
                irq: route.irq,
                priority: route.priority,
                source: Some(source),
            }),
            None => None,
        };
        if let Some(next) = next {
            self.reject(server);
            if let Some(source) = next.source {
                self.set_waiting(source, false);
            }
            if let Some(unit) = self.units.get_mut(server) {
                unit.presented = Some(next);
            }
        }
        self.line(server)
    }

    fn line(&self, server: usize) -> Line {
        match self.units.get(server).and_then(|unit| unit.presented) {
            Some(_) => Line::Raised,
            None => Line::Quiet,
        }
    }

    fn xirr(&self, server: usize) -> u32 {
        let unit = self.units.get(server);
        unit.map_or(0, |unit| {
            let irq = unit.presented.map_or(xics::NONE, |now| now.irq);
            xics::xirr(unit.cppr, irq)
        })
    }

    /// Sets the priority, rejecting what it shuts out and presenting what it lets in.
    fn set_cppr(&mut self, server: usize, cppr: u8) -> Line {
        let Some(unit) = self.units.get_mut(server) else {
            return Line::Quiet;
        };
        unit.cppr = cppr;
        if unit.presented.is_some_and(|now| now.priority >= cppr) {
            self.reject(server);
        }
        self.present(server)
    }
}

const fn index(server: Server) -> usize {
    server.0 as usize
}

impl SoftXics {
    /// Makes controllers for `servers` processors that take nothing, and `sources`, in the order of
    /// their places, that are masked.
    #[must_use]
    pub fn new(servers: usize, sources: impl Iterator<Item = Irq>) -> Self {
        let unit = Unit {
            cppr: MOST_FAVORED,
            mfrr: LEAST_FAVORED,
            presented: None,
        };
        let route = |irq| Route {
            irq,
            server: 0,
            priority: LEAST_FAVORED,
        };
        let routes: Box<[Route]> = sources.map(route).collect();
        Self(Mutex::new(State {
            units: (0..servers).map(|_| unit).collect(),
            waiting: (0..routes.len().div_ceil(64)).map(|_| 0).collect(),
            routes,
        }))
    }

    /// Notes that the source at place `source` wants attention. Returns the processor that it is routed to,
    /// if that has something presented to it now.
    pub fn arrive(&self, source: usize) -> Option<Server> {
        let mut state = self.0.lock();
        let route = *state.routes.get(source)?;
        state.set_waiting(source, true);
        match state.present(route.server) {
            Line::Raised => Some(Server(route.server as u32)),
            Line::Quiet => None,
        }
    }

    /// Routes the source at place `source` to `server` at `priority`; least favoured masks it. Returns
    /// the line to that processor.
    pub fn route(&self, source: usize, server: Server, priority: u8) -> Line {
        let mut state = self.0.lock();
        let Some(route) = state.routes.get_mut(source) else {
            return Line::Quiet;
        };
        route.server = index(server);
        route.priority = priority;
        // Elsewhere, or at another priority, it must not stay presented: nobody would look for it there.
        if state.retract(source) {
            state.set_waiting(source, true);
        }
        state.present(index(server))
    }

    /// Masks the source at place `source` and forgets whatever of it is pending.
    pub fn reset_source(&self, source: usize) {
        let mut state = self.0.lock();
        if let Some(route) = state.routes.get_mut(source) {
            route.priority = LEAST_FAVORED;
        }
        state.set_waiting(source, false);
        state.retract(source);
    }

    /// Notes that the source at place `source` wants attention of a processor whose controller is elsewhere;
    /// returns that processor.
    pub fn hold(&self, source: usize) -> Option<Server> {
        let mut state = self.0.lock();
        let route = *state.routes.get(source)?;
        state.set_waiting(source, true);
        Some(Server(route.server as u32))
    }

    /// Calls `tell` with the most favoured priority that waits for `server`, while nothing can change.
    pub fn with_waiting(&self, server: Server, tell: impl FnOnce(u8)) {
        let state = self.0.lock();
        let best = state.best_waiting(index(server));
        tell(best.map_or(LEAST_FAVORED, |(_, route)| route.priority));
    }

    /// Returns the most favoured source that waits for `server` if it is more favoured than `bar`, and its
    /// priority; with [`Look::Take`] it waits no longer.
    pub fn waiting(&self, server: Server, bar: u8, look: Look) -> Option<(Irq, u8)> {
        let mut state = self.0.lock();
        let best = state.best_waiting(index(server));
        let (source, route) = best.filter(|(_, route)| route.priority < bar)?;
        if look == Look::Take {
            state.set_waiting(source, false);
        }
        Some((route.irq, route.priority))
    }

    /// Whether the source at place `source` has arrived and waits to be presented.
    #[must_use]
    pub fn is_waiting(&self, source: usize) -> bool {
        self.0.lock().is_waiting(source)
    }

    /// Returns XIRR of `server` without accepting.
    #[must_use]
    pub fn poll(&self, server: Server) -> u32 {
        self.0.lock().xirr(index(server))
    }

    /// Returns the line to `server`.
    #[must_use]
    pub fn line(&self, server: Server) -> Line {
        self.0.lock().line(index(server))
    }

    /// Accepts what is presented to `server`, whose priority becomes its. Returns XIRR of before, and the
    /// line.
    pub fn accept(&self, server: Server) -> (u32, Line) {
        let mut state = self.0.lock();
        let xirr = state.xirr(index(server));
        if let Some(unit) = state.units.get_mut(index(server))
            && let Some(accepted) = unit.presented.take()
        {
            unit.cppr = accepted.priority;
        }
        (xirr, state.present(index(server)))
    }

    /// Sets the priority of `server`. Returns its line.
    pub fn set_cppr(&self, server: Server, cppr: u8) -> Line {
        self.0.lock().set_cppr(index(server), cppr)
    }

    /// Sets the priority of the inter-processor interrupt of `server`. Returns its line.
    pub fn set_mfrr(&self, server: Server, mfrr: u8) -> Line {
        let mut state = self.0.lock();
        if let Some(unit) = state.units.get_mut(index(server)) {
            unit.mfrr = mfrr;
        }
        state.present(index(server))
    }
}

#[cfg(test)]
mod tests;
