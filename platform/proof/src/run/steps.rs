//! What a step says, done to the driver and to the specification: [`Run::act`].

use super::Run;
use super::checks::Row;
use super::sweep::all_rids;
use crate::Chip;
use crate::machine::{FUNCTIONS, place};
use crate::op::{self, Op};
use crate::spec::{Access, Share};
use alloc::format;
use alloc::string::String;
use ioda::{
    Bdf, CfgError, CfgOffset, CfgWidth, Freeze, IodaError, Irq, M32Segment, M64Map, M64Window,
    PeNumber, ResetKind, Rid, RidSel,
};

/// Selections: single functions, devices, buses and ranges of them, and some that no bridge, or not every, takes.
const SELECTIONS: [RidSel; 16] = [
    RidSel::one(FUNCTIONS[0]),
    RidSel::one(FUNCTIONS[1]),
    RidSel::one(FUNCTIONS[2]),
    RidSel::one(FUNCTIONS[3]),
    RidSel::bus(3),
    RidSel::bus(4),
    select(3, 0, Some(0), None),
    select(3, 0, None, Some(1)),
    select(4, 1, None, None),
    select(2, 1, None, None),
    select(0, 3, None, None),
    select(0, 3, None, Some(1)),
    // 64 buses, all buses, not aligned, no such device.
    select(0, 6, None, None),
    select(0, 8, None, Some(7)),
    select(5, 1, None, None),
    select(3, 0, Some(32), None),
];

const fn select(bus: u8, bus_shift: u8, device: Option<u8>, function: Option<u8>) -> RidSel {
    RidSel {
        bus,
        bus_shift,
        device,
        function,
    }
}

fn selection(choice: u8) -> RidSel {
    SELECTIONS[usize::from(choice) % SELECTIONS.len()]
}

impl Run {
    /// Does `op`, and compares what the driver answers.
    pub(super) fn act(&mut self, op: Op) -> Result<(), String> {
        match op {
            Op::Wait => self.wait(),
            Op::Assign { rids, pe } => self.assign(selection(rids), self.pe(pe)),
            Op::Release { rids } => self.release(selection(rids)),
            Op::MapM32 { segment, pe } => self.map_m32(self.segment(segment), self.pe(pe)),
            Op::MapIo { segment, pe } => self.map_io(u16::from(segment) % 130, self.pe(pe)),
            Op::OpenM64 {
                window,
                place,
                shift,
                pe,
            } => self.open_m64(window, place, shift, Share::One(self.pe(pe))),
            Op::OpenM64Shared {
                window,
                place,
                shift,
                pe,
            } => {
                let share = self.shares(pe);
                self.open_m64(window, place, shift, share)
            }
            Op::MoveM64 {
                window,
                segment,
                pe,
            } => self.move_m64(window % 17, segment % 9, self.pe(pe)),
            Op::CloseM64 { window } => self.close_m64(window % 17),
            Op::CreateWindow { pe, table, at } => self.create(self.pe(pe), table, at),
            Op::DestroyWindow { window, forged } => self.destroy_window(window, forged),
            Op::Map {
                window,
                page,
                count,
                target,
            } => self.map_pages(window, page, count, target),
            Op::Change {
                window,
                page,
                target,
            } => {
                self.change(window, page, 1, target);
                Ok(())
            }
            Op::Flush {
                window,
                page,
                count,
            } => self.flush(window, page, count),
            Op::AllocMsi { pe, count } => {
                let counts = [1, 2, 4, 8, 16, 32, 1, 2, 3, 0, 64];
                self.alloc(self.pe(pe), counts[usize::from(count) % counts.len()])
            }
            Op::FreeMsi { block, forged } => self.free(block, forged),
            Op::Quota { pe, most } => {
                self.set_quota(
                    self.spec.facts.used[usize::from(pe) % 6],
                    u16::from(most) % 40,
                );
                Ok(())
            }
            Op::Target {
                irq,
                server,
                priority,
            } => self.target(irq, server, priority),
            Op::ResetIrq { irq } => self.reset_irq(irq),
            Op::Eoi { irq } => match self.irq(irq) {
                Some(irq) => self.end(irq),
                None => Ok(()),
            },
            Op::Link { parent, child } => self.link(self.pe(parent), self.pe(child)),
            Op::Unlink { parent, child } => self.unlink(self.pe(parent), self.pe(child)),
            Op::Freeze { pe, what } => self.freeze(self.pe(pe), op::freeze(what)),
            Op::Thaw { pe, what } => self.thaw(self.pe(pe), op::freeze(what)),
            Op::ClearErrors => {
                self.machine.ioda().clear_errors();
                Ok(())
            }
            Op::Error { rid } => {
                let rid = self.rid(rid);
                if self.spec.is_off() {
                    return Ok(());
                }
                self.machine.model().error(rid);
                self.refused(self.spec.owner(rid), Row::Surely)
            }
            Op::Latch => {
                self.machine.model().latch(INFORMATION);
                Ok(())
            }
            Op::Reset { kind } => self.reset(op::reset(kind)),
            Op::Fence => {
                self.machine.model().fence();
                self.spec.fenced = true;
                Ok(())
            }
            Op::WriteConfig { function, value } => {
                self.write_line(usize::from(function) % FUNCTIONS.len(), value)
            }
            Op::HostileConfig { target, at } => self.hostile_config(target, at),
            Op::Dma {
                rid,
                window,
                page,
                edge,
            } => {
                let address = self.address(window, page, edge);
                let access = if edge & 1 == 0 {
                    Access::Read
                } else {
                    Access::Write
                };
                self.dma(self.rid(rid), address, access)
            }
            Op::DmaAnywhere { rid, bits } => {
                let address = anywhere(bits);
                if self.spec.facts.is_message(address) {
                    self.message(self.rid(rid), address, bits & 0x1ff)
                } else {
                    self.dma(self.rid(rid), address, Access::Write)
                }
            }
            Op::Message {
                rid,
                block,
                index,
                twist,
            } => self.send(rid, block, index, twist),
            Op::Load { segment, offset } => {
                let space = self.spec.facts.m32;
                let segment = u64::from(self.segment(segment));
                let offset = u64::from(offset) << (space.shift - 8) & !3;
                self.load(space.real + (segment << space.shift) + offset)
            }
            Op::PullIntx { wire } => self.pull(u32::from(wire) % 4),
            Op::Destroy { pe } => self.destroy(self.spec.facts.used[usize::from(pe) % 6]),
            Op::HandOver { from, to } => {
                let used = self.spec.facts.used;
                self.hand_over(used[usize::from(from) % 6], used[usize::from(to) % 6])
            }
        }
    }

    /// An endpoint: mostly one of six, sometimes nobody's or none at all.
    fn pe(&self, choice: u8) -> u16 {
        let facts = &self.spec.facts;
        match choice % 32 {
            30 => facts.reserved,
            31 => facts.pes,
            used => facts.used[usize::from(used) % facts.used.len()],
        }
    }

    /// A 32-bit segment: those of devices, and the first, the last and the first that is none.
    fn segment(&self, choice: u8) -> u16 {
        let count = self.spec.facts.m32.count;
        let choices = [2, 3, 4, 126, 2, 3, 4, 126, 0, 1, 63, 64, count - 1, count];
        choices[usize::from(choice) % choices.len()]
    }

    fn rid(&self, choice: u8) -> Rid {
        let count = all_rids().count();
        all_rids()
            .nth(usize::from(choice) % count)
            .unwrap_or(FUNCTIONS[0])
    }

    fn irq(&self, choice: u8) -> Option<u32> {
        let count = self.spec.sources.len().max(1);
        self.spec
            .sources
            .keys()
            .nth(usize::from(choice) % count)
            .copied()
    }

    /// The segments of a 64-bit window, each another's.
    fn shares(&self, choice: u8) -> Share {
        match self.spec.facts.chip {
            Chip::Phb3 => Share::Numbered,
            Chip::P7ioc => {
                let used = self.spec.facts.used;
                let of = |segment: usize| used[(usize::from(choice) + segment) % used.len()];
                Share::Eight(core::array::from_fn(of))
            }
        }
    }

    fn assign(&mut self, rids: RidSel, pe: u16) -> Result<(), String> {
        let want = self.spec.assign(rids, pe);
        let got = self.machine.ioda().assign_pe(rids, PeNumber(pe));
        self.same_taken("assign_pe", &got, &want, pe)
    }

    fn release(&mut self, rids: RidSel) -> Result<(), String> {
        let want = self.spec.release(rids);
        let got = self.machine.ioda().release_pe(rids);
        self.same("release_pe", &got, &want)
    }

    fn map_m32(&mut self, segment: u16, pe: u16) -> Result<(), String> {
        let want = self.spec.map_m32(segment, pe);
        let got = self
            .machine
            .ioda()
            .map_m32(M32Segment(segment), PeNumber(pe));
        self.same("map_m32", &got, &want)
    }

    fn map_io(&mut self, segment: u16, pe: u16) -> Result<(), String> {
        let Some(extras) = self.machine.extras() else {
            return Ok(());
        };
        let got = extras.map_io(segment, PeNumber(pe));
        let want = self.spec.map_io(segment, pe);
        self.same("map_io", &got, &want)
    }

    fn open_m64(&mut self, window: u8, place: u8, shift: u8, share: Share) -> Result<(), String> {
        let window = window % 17;
        let (start, bytes) = self.spec.facts.m64;
        let shifts = [24, 25, 26, 27, 28, 28, 29, 30, 32, 35, 36, 23, 20, 64];
        let shift = shifts[usize::from(shift) % shifts.len()];
        let step = match place % 16 {
            14 => bytes,
            15 => 1 << 20,
            // Beside each other, 256 MiB apart: devices have their registers there.
            place => u64::from(place) << 28,
        };
        let base = if place == 255 {
            start - (1 << 28)
        } else {
            start + step
        };
        let map = match share {
            Share::One(pe) => M64Map::SinglePe {
                base,
                shift,
                pe: PeNumber(pe),
            },
            Share::Eight(pes) => M64Map::AnyMap {
                base,
                shift,
                pes: pes.map(PeNumber),
            },
            Share::Numbered => M64Map::SegmentIsPe { base, shift },
        };
        let want = self.spec.open_m64(window, base, shift, share);
        let got = self.machine.ioda().set_m64(M64Window(window), Some(map));
        self.same("set_m64", &got, &want)
    }

    fn close_m64(&mut self, window: u8) -> Result<(), String> {
        let want = self.spec.close_m64(window);
        let got = self.machine.ioda().set_m64(M64Window(window), None);
        self.same("set_m64", &got, &want)
    }

    fn move_m64(&mut self, window: u8, segment: u8, pe: u16) -> Result<(), String> {
        let Some(extras) = self.machine.extras() else {
            return Ok(());
        };
        let got = extras.move_m64(M64Window(window), segment, PeNumber(pe));
        let want = self.spec.move_m64(window, segment, pe);
        self.same("map_m64", &got, &want)
    }

    fn set_quota(&mut self, pe: u16, most: u16) {
        if let Some(extras) = self.machine.extras() {
            extras.set_quota(PeNumber(pe), most);
            self.spec.set_quota(pe, most);
        }
    }

    fn link(&mut self, parent: u16, child: u16) -> Result<(), String> {
        let want = self.spec.link(parent, child);
        let got = self
            .machine
            .ioda()
            .link_pe(PeNumber(parent), PeNumber(child));
        self.same("link_pe", &got, &want)
    }

    fn unlink(&mut self, parent: u16, child: u16) -> Result<(), String> {
        let want = self.spec.unlink(parent, child);
        let got = self
            .machine
            .ioda()
            .unlink_pe(PeNumber(parent), PeNumber(child));
        self.same("unlink_pe", &got, &want)
    }

    fn check_pe(&self, pe: u16) -> Result<(), IodaError> {
        if pe < self.spec.facts.pes {
            Ok(())
        } else {
            Err(IodaError::Pe(PeNumber(pe)))
        }
    }

    fn freeze(&mut self, pe: u16, what: Freeze) -> Result<(), String> {
        let want = self.check_pe(pe);
        let got = self.machine.ioda().freeze(PeNumber(pe), what);
        if want.is_ok() && !self.spec.is_off() {
            self.spec.set_frozen(pe, self.spec.frozen(pe) | what);
        }
        self.same("freeze", &got, &want)
    }

    fn thaw(&mut self, pe: u16, what: Freeze) -> Result<(), String> {
        let want = match self.check_pe(pe) {
            Ok(()) if self.spec.is_off() => Err(IodaError::Fenced),
            other => other,
        };
        let got = self.machine.ioda().thaw(PeNumber(pe), what);
        if want.is_ok() {
            self.spec.set_frozen(pe, self.spec.frozen(pe) - what);
        }
        self.same("thaw", &got, &want)
    }

    fn target(&mut self, irq: u8, server: u8, priority: u8) -> Result<(), String> {
        let Some(irq) = self.irq(irq) else {
            return Ok(());
        };
        let server = [8, 9, 16, 0x25, 72][usize::from(server) % 5];
        let priority = [5, 0x28, 0xff, 0, 8][usize::from(priority) % 5];
        self.machine.irqs().set_target(Irq(irq), server, priority);
        let want = self.spec.set_target(irq, server, priority);
        self.expect(&want)
    }

    fn reset_irq(&mut self, irq: u8) -> Result<(), String> {
        let Some(irq) = self.irq(irq) else {
            return Ok(());
        };
        self.machine.irqs().reset(Irq(irq));
        self.spec.reset_irq(irq);
        Ok(())
    }

    fn pull(&mut self, wire: u32) -> Result<(), String> {
        if self.spec.is_off() {
            return Ok(());
        }
        self.machine.model().pull(wire as u8);
        let mut want = crate::spec::Deliveries::default();
        want.must
            .extend(self.spec.delivery(self.spec.facts.inta + wire));
        self.expect(&want)
    }

    /// A reset, to its end. All functions have forgotten where they are then, and are placed again.
    fn reset(&mut self, kind: ResetKind) -> Result<(), String> {
        let ioda = self.machine.ioda();
        ioda.reset(kind);
        let done = crate::machine::run(|| ioda.poll());
        let works = kind == ResetKind::Complete || !(self.spec.fenced || self.spec.failed);
        if !works {
            // A fenced bridge takes no other; only a complete one follows.
            self.spec.failed = true;
            self.spec.fenced = true;
            return match done {
                Ok(()) => Err(format!("a fenced bridge does a reset, {kind:?}")),
                Err(_) => Ok(()),
            };
        }
        done.map_err(|error| format!("a reset, {kind:?}: {error}"))?;
        if kind == ResetKind::Complete {
            self.spec.fenced = false;
            self.spec.failed = false;
            self.spec.thaw_all();
            self.spec.forget_cached();
            self.spec.doubt_all();
        }
        self.registers = Default::default();
        self.lines = Default::default();
        place(self.spec.facts.chip, self.machine.ioda())
    }

    /// Config cycles that are not aligned, or for what is not there.
    fn hostile_config(&mut self, target: u8, at: u8) -> Result<(), String> {
        let targets = [
            Bdf::new(0, 0, 1),
            Bdf::new(0, 5, 0),
            Bdf::new(3, 0, 2),
            Bdf::new(6, 0, 0),
            Bdf::new(200, 3, 1),
        ];
        let bdf = targets[usize::from(target) % targets.len()];
        let (at, width) = [
            (CfgOffset::at(0), CfgWidth::Word),
            (CfgOffset::at(2), CfgWidth::Word),
            (CfgOffset::at(0xfff), CfgWidth::Byte),
            (CfgOffset::at(0x101), CfgWidth::Half),
        ][usize::from(at) % 4];
        let got = self.machine.ioda().cfg_read(bdf, at, width);
        self.summary.transactions += 1;
        let want = if !at.is_aligned(width) {
            Err(CfgError::Align)
        } else if bdf.bus() == 0 {
            Err(CfgError::NoFunction)
        } else if self.spec.fenced || self.spec.failed {
            Err(CfgError::Fenced)
        } else {
            Ok(width.ones())
        };
        let is_asked = want.is_ok();
        self.same("cfg_read", &got, &want)?;
        if is_asked {
            // It may stop the endpoint whose function it would be.
            self.refused_config(bdf)?;
        }
        Ok(())
    }

    fn refused_config(&mut self, bdf: Bdf) -> Result<(), String> {
        let pe = self.spec.owner(bdf);
        let got = self.freeze_state(pe);
        let before = self.spec.frozen(pe);
        // Nobody's endpoint may be let go on again by that.
        let is_freed = pe == self.spec.facts.reserved && got.is_empty();
        if got != before && got != Freeze::all() && !is_freed {
            return Err(format!(
                "a config cycle for {bdf} stops PE#{pe:02x} for {got:?}, before {before:?}"
            ));
        }
        self.spec.set_frozen(pe, got);
        Ok(())
    }

    /// A message: `twist` leaves it right, or makes it another's, or none.
    fn send(&mut self, rid: u8, block: u8, index: u8, twist: u8) -> Result<(), String> {
        let count = self.spec.blocks.len();
        if count == 0 {
            return Ok(());
        }
        let block = self.spec.blocks[usize::from(block) % count].given;
        let data = u32::from(block.data) + u32::from(index) % u32::from(block.count);
        let narrow = u64::from(block.address32);
        let (address, data) = match twist % 8 {
            0 | 1 => (narrow, data),
            2 | 3 => (block.address64, data),
            4 => (narrow ^ 0x10, data),
            5 => (narrow, data ^ 1 << (index % 12)),
            6 => (block.address64 ^ 1 << 48, data),
            _ => (narrow | 8, data),
        };
        self.message(self.rid(rid), address, data)
    }
}

/// Errors that stop nothing on either chip.
const INFORMATION: u64 = 0x0000_0000_2000_0002;

/// Any address: eight bits somewhere.
const fn anywhere(bits: u32) -> u64 {
    let value = (bits & 0xff_ffff) as u64;
    value << (bits >> 24 & 0x3f) & !7
}
