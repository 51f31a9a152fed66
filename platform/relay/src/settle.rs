//! Bringing the real bridge in line with the model: [`Relay::settled`].

use crate::copies::{Copies, PES};
use crate::entry::{Filter, Route, Sender, Window, bit, table};
use crate::pending::Marks;
use crate::real::Real;
use crate::root::Pass;
use crate::{FIRST_MSI, FIRST_SEGMENT, REAL_RESERVED, RESERVED, Relay, SEGMENTS};
use core::sync::atomic::Ordering::SeqCst;
use ioda::{Freeze, Ioda, Irq, IrqBackend, M32Segment, PeNumber, RegIo, XscomIo};

/// What has to be done again for which endpoints, messages, wires and segments.
struct Work {
    endpoints: Marks<2>,
    messages: Marks<4>,
    wires: Marks<1>,
    segments: Marks<2>,
}

impl<R: RegIo + Sync + Send, X: XscomIo + Send> Relay<R, X> {
    /// Does `act` to the model, and to the real bridge what follows from it. One at a time.
    pub(crate) fn settled<T>(&self, act: impl FnOnce() -> T) -> T {
        let mut copies = self.copies.lock();
        let result = act();
        if self.pending.take_any() {
            self.settle(&mut copies);
        }
        result
    }

    pub(crate) fn port_sync(&self) {
        self.port.sync();
    }

    fn settle(&self, copies: &mut Copies) {
        let work = Work {
            endpoints: Marks::new(),
            messages: Marks::new(),
            wires: Marks::new(),
            segments: Marks::new(),
        };
        if self.pending.lost.swap(false, SeqCst) {
            // What nobody has written since lets nobody in.
            copies.forget();
            work.endpoints.set_all();
            work.messages.set_all();
            work.wires.set_all();
            work.segments.set_all();
        }
        self.take_over(copies, &work);
        if self.pending.root.swap(false, SeqCst) {
            self.apply_root(copies, &work);
        }
        let mut real = self.real.lock();
        self.apply_endpoints(copies, &mut real, &work);
        for message in work.messages.take() {
            self.apply_message(copies, message);
        }
        for wire in work.wires.take() {
            if let Some(route) = copies.wires.get(usize::from(wire)) {
                self.port.set_lsi_target(wire, route.server, route.priority);
            }
        }
        for segment in work.segments.take() {
            self.apply_segment(copies, &mut real, segment);
        }
    }

    fn apply_root(&self, copies: &mut Copies, work: &Work) {
        let closed = if self.model.holds_below() {
            Some(Pass::Reset)
        } else if self.model.is_open() {
            None
        } else {
            Some(Pass::Shut)
        };
        copies.pass =
            closed.unwrap_or_else(|| self.model.with_fabric(|fabric| Pass::of(fabric.device(0))));
        if copies.pass != Pass::Open {
            self.dark
                .iter()
                .for_each(|word| word.store(u64::MAX, SeqCst));
            self.drain();
        }
        self.model.with_fabric(|fabric| {
            let mut real = self.real.lock();
            real.mirror(fabric.device(0), copies.pass);
            if copies.pass == Pass::Reset {
                real.note_reset();
            }
        });
        work.segments.set_all();
    }

    /// Reads the entries that were written.
    fn take_over(&self, copies: &mut Copies, work: &Work) {
        let pending = &self.pending;
        let word = |table, index: u16| self.model.entry(table, index.into()).map(|entry| entry[0]);
        let touch = |pe: PeNumber| work.endpoints.set(pe.0.into());
        for pe in pending.requesters.take() {
            if let (Some(endpoint), Some(entry)) = (
                copies.endpoints.get_mut(usize::from(pe)),
                word(table::PELTM, pe),
            ) && pe != RESERVED.0
            {
                let filter = Filter::of_requesters(entry);
                endpoint.filter = filter.rids().map(|_| filter);
                touch(PeNumber(pe));
            }
        }
        for pe in pending.stopped.take() {
            if let Some(endpoint) = copies.endpoints.get_mut(usize::from(pe)) {
                let is_stopped = |table| word(table, pe).is_some_and(|entry| entry & bit(0) != 0);
                endpoint.stopped.set(Freeze::MMIO, is_stopped(table::PESTA));
                endpoint.stopped.set(Freeze::DMA, is_stopped(table::PESTB));
                touch(PeNumber(pe));
            }
        }
        for slot in pending.windows.take() {
            if let (Some(copy), Some(entry)) = (
                copies.windows.get_mut(usize::from(slot)),
                self.model.entry(table::TVT, slot.into()),
            ) {
                let old = core::mem::replace(copy, Window::of(entry));
                old.into_iter()
                    .chain(*copy)
                    .for_each(|window| touch(window.pe));
            }
        }
        for mve in pending.senders.take() {
            if let (Some(copy), Some(entry)) = (
                copies.senders.get_mut(usize::from(mve)),
                word(table::MVT, mve),
            ) {
                let old = core::mem::replace(copy, Sender::of(entry));
                old.into_iter()
                    .chain(*copy)
                    .for_each(|sender| touch(sender.pe));
            }
        }
        for message in pending.messages.take() {
            if let (Some(copy), Some(entry)) = (
                copies.messages.get_mut(usize::from(message)),
                word(table::MXIVT, message),
            ) {
                copy.route = Route::of(entry);
                work.messages.set(message.into());
            }
        }
        for wire in pending.wires.take() {
            if let (Some(copy), Some(entry)) = (
                copies.wires.get_mut(usize::from(wire)),
                word(table::LXIVT, wire),
            ) {
                *copy = Route::of(entry);
                work.wires.set(wire.into());
            }
        }
        for segment in pending.segments.take() {
            if let (Some(copy), Some(entry)) = (
                copies.segments.get_mut(usize::from(segment)),
                word(table::M32DT, segment),
            ) {
                *copy = PeNumber((entry >> 57) as u16);
                work.segments.set(segment.into());
            }
        }
        for window in pending.m64.take() {
            if word(table::M64BT, window).is_some_and(|entry| entry & bit(0) != 0) {
                log::warn!("64-bit window {window} is opened, and nothing real is behind it");
            }
        }
    }

    /// First takes away, then gives.
    fn apply_endpoints(&self, copies: &mut Copies, real: &mut Real<R, X>, work: &Work) {
        let mut changed = [false; PES];
        for pe in work.endpoints.take() {
            if let Some(changed) = changed.get_mut(usize::from(pe)) {
                *changed = pe != RESERVED.0;
            }
        }
        let pes = || {
            (0u16..)
                .zip(changed)
                .filter_map(|(pe, changed)| changed.then_some(PeNumber(pe)))
        };
        for pe in pes() {
            self.unbind(copies, real, pe);
        }
        for pe in pes() {
            self.retranslate(copies, real, pe);
            self.apply_messages_of(copies, work, pe);
            self.apply_mmio(copies, real, work, pe);
        }
        for pe in pes() {
            self.bind(copies, real, pe);
        }
    }

    /// The requesters that the real bridge is to sort to `pe`.
    fn wanted(copies: &Copies, pe: PeNumber) -> Option<ioda::RidSel> {
        let endpoint = copies.endpoint(pe)?;
        let rids = endpoint.rids()?;
        (!endpoint.stopped.contains(Freeze::DMA) && !endpoint.is_refused).then_some(rids)
    }

    fn unbind(&self, copies: &mut Copies, real: &mut Real<R, X>, pe: PeNumber) {
        let wanted = Self::wanted(copies, pe);
        if let Some(endpoint) = copies.endpoints.get_mut(usize::from(pe.0))
            && endpoint.bound != wanted
            && let Some(bound) = endpoint.bound
        {
            match real.phb.release_pe(bound) {
                Ok(()) => endpoint.bound = None,
                Err(error) => log::error!("{pe}: its requesters cannot be taken away: {error}"),
            }
        }
    }

    fn bind(&self, copies: &mut Copies, real: &mut Real<R, X>, pe: PeNumber) {
        let wanted = Self::wanted(copies, pe);
        let Some(endpoint) = copies.endpoints.get_mut(usize::from(pe.0)) else {
            return;
        };
        let Some(rids) = wanted.filter(|_| endpoint.bound.is_none()) else {
            return;
        };
        match real.phb.assign_pe(rids, pe) {
            Ok(()) => endpoint.bound = wanted,
            Err(error) => log::error!("{pe}: its requesters are refused: {error}"),
        }
    }

    fn retranslate(&self, copies: &mut Copies, real: &mut Real<R, X>, pe: PeNumber) {
        let slots = copies.slots_of(pe);
        let is_any = slots.iter().any(Option::is_some);
        let mut trees = self.trees.lock();
        // Kills must find it from before the first translation until after the last.
        if is_any {
            self.mark_translating(pe);
        }
        let renewed = trees.renew(&mut real.phb, self.port, pe, &slots);
        let is_closed = !is_any && renewed.is_ok();
        if let Some(endpoint) = copies.endpoints.get_mut(usize::from(pe.0)) {
            endpoint.is_refused = renewed.is_err();
        }
        if let Err(error) = renewed {
            log::error!("{pe}: DMA windows: {error}; it reaches nothing");
            self.unbind(copies, real, pe);
        }
        if is_closed && let Some(word) = self.translating.get(usize::from(pe.0 / 64)) {
            word.fetch_and(!(1 << (pe.0 % 64)), SeqCst);
        }
    }

    fn mark_translating(&self, pe: PeNumber) {
        if let Some(word) = self.translating.get(usize::from(pe.0 / 64)) {
            word.fetch_or(1 << (pe.0 % 64), SeqCst);
        }
    }

    fn apply_messages_of(&self, copies: &Copies, work: &Work, pe: PeNumber) {
        for (message, copy) in copies.messages.iter().enumerate() {
            if copy.route.pe == pe || copy.pe == pe {
                work.messages.set(message);
            }
        }
    }

    fn apply_message(&self, copies: &mut Copies, message: u16) {
        let route = match copies.messages.get(usize::from(message)) {
            Some(copy) => copy.route,
            None => return,
        };
        let pe = if route.pe != RESERVED && copies.may_send(route.pe) {
            route.pe
        } else {
            REAL_RESERVED
        };
        let Some(copy) = copies.messages.get_mut(usize::from(message)) else {
            return;
        };
        let number = FIRST_MSI.saturating_add(message);
        let irq = Irq(self.irq_base.wrapping_add(number.into()));
        if copy.pe != pe {
            // An edge of the last owner is not the next one's.
            self.port.reset(irq);
            self.port.set_msi_pe(number, pe);
            copy.pe = pe;
            copy.sent = Route::NONE;
        }
        if !copy.sent.leads_as(route) {
            copy.sent = route;
            self.port.set_target(irq, route.server, route.priority);
        }
    }

    fn apply_mmio(&self, copies: &mut Copies, real: &mut Real<R, X>, work: &Work, pe: PeNumber) {
        let Some(endpoint) = copies.endpoints.get_mut(usize::from(pe.0)) else {
            return;
        };
        let (rids, is_silent) = (endpoint.rids(), endpoint.is_silent());
        let before = core::mem::replace(&mut endpoint.silenced, rids.filter(|_| is_silent));
        // Nobody may be about to ask a function that stops decoding: marked first, and unmarked last.
        if is_silent {
            self.mark_dark(copies, pe);
            if let Some(rids) = rids.filter(|_| before != rids) {
                self.drain();
                real.silence(rids);
            }
        } else if let Some(rids) = rids {
            real.restore(rids, |rid| copies.may_decode(rid));
        }
        // Who has left this one may be another's, which is not stopped.
        if let Some(before) = before {
            real.restore(before, |rid| copies.may_decode(rid));
        }
        for (segment, owner) in copies.segments.iter().enumerate() {
            if *owner == pe {
                work.segments.set(segment);
            }
        }
    }

    fn mark_dark(&self, copies: &Copies, pe: PeNumber) {
        for (segment, _) in copies
            .segments
            .iter()
            .enumerate()
            .filter(|(_, owner)| **owner == pe)
        {
            if let Some(word) = self.dark.get(segment / 64) {
                word.fetch_or(1 << (segment % 64), SeqCst);
            }
        }
    }

    fn apply_segment(&self, copies: &Copies, real: &mut Real<R, X>, segment: u16) {
        let Some(owner) = copies.segments.get(usize::from(segment)) else {
            return;
        };
        let pe = if *owner == RESERVED {
            REAL_RESERVED
        } else {
            *owner
        };
        if segment < SEGMENTS
            && let Err(error) = real
                .phb
                .map_m32(M32Segment(FIRST_SEGMENT.saturating_add(segment)), pe)
        {
            log::error!("segment {segment}: {error}");
        }
        let is_dark = copies.is_dark(segment);
        if let Some(word) = self.dark.get(usize::from(segment / 64)) {
            let bit = 1 << (segment % 64);
            if is_dark {
                word.fetch_or(bit, SeqCst);
            } else {
                word.fetch_and(!bit, SeqCst);
            }
        }
    }
}

impl Copies {
    /// The tables are lost.
    fn forget(&mut self) {
        for endpoint in &mut self.endpoints {
            endpoint.filter = None;
            endpoint.stopped = Freeze::empty();
        }
        self.windows.fill(None);
        self.senders.fill(None);
        for message in &mut self.messages {
            message.route = Route::NONE;
        }
        self.wires.fill(Route::NONE);
        self.segments.fill(RESERVED);
    }
}
