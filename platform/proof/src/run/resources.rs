//! Steps about DMA windows, their pages and message interrupts, and about all that an endpoint has.

use super::Run;
use crate::spec::{Offer, Target};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ioda::{
    DmaWindow, Freeze, IodaError, M32Segment, M64Window, MsiBlock, MsiError, PeNumber, Permission,
    RidSel, TceRange, TceTable, TveIndex, host_tce,
};

/// A page of whoever gets the memory of a closed window's table.
const NEXT_OWNERS: u64 = 0xdead << 32;

impl Run {
    pub(super) fn create(&mut self, pe: u16, table: u8, at: u8) -> Result<(), String> {
        let tables = self.pool.tables();
        let number = usize::from(table) % tables.len();
        let table = tables[number];
        let is_used = self
            .spec
            .windows
            .iter()
            .any(|window| window.table == number);
        if is_used || self.retired.contains(&number) {
            return Ok(());
        }
        let at = match at % 24 {
            at @ 0..14 => Some(u16::from(at)),
            14 => Some(pe.wrapping_mul(2)),
            15 => Some(pe.wrapping_mul(2).wrapping_add(1)),
            _ => None,
        };
        let offer = Offer {
            table: number,
            entries: table.cells.len() as u64,
            page_shift: table.page_shift,
        };
        table.cells.iter().for_each(|cell| cell.store(0));
        let want = self.spec.place_window(pe, offer, at);
        let given = TceTable::new(table.cells, table.real, table.page_shift)
            .ok_or("a table of the pool is none")?;
        let got = self
            .machine
            .ioda()
            .dma_create(PeNumber(pe), &given, at.map(TveIndex));
        let place = got.map(|window| (window.tve.0, window.bus_base));
        self.same("dma_create", &place, &want)?;
        if let Ok(window) = got {
            let is_it = window.pe.0 == pe
                && window.bytes == offer.entries << offer.page_shift
                && window.page_shift == offer.page_shift
                && window.table_real == table.real;
            if !is_it {
                return Err(format!("dma_create for PE#{pe:02x} gives {window:x?}"));
            }
            self.spec.add_window(offer, window);
        }
        Ok(())
    }

    pub(super) fn destroy_window(&mut self, window: u8, forged: u8) -> Result<(), String> {
        let Some(number) = self.window(window) else {
            return Ok(());
        };
        let mut given = self.spec.windows[number].given;
        match forged % 8 {
            0 => given.pe.0 ^= 1,
            1 => given.table_real ^= 0x1000,
            2 => given.tve.0 ^= 1,
            3 => given.tve.0 = u16::MAX,
            _ => {}
        }
        self.close(&given)
    }

    /// [`ioda::Ioda::dma_destroy`] of `window`, whoever has it.
    fn close(&mut self, window: &DmaWindow) -> Result<(), String> {
        let found = self.spec.find_window(window);
        let got = self.machine.ioda().dma_destroy(window);
        let want = match found {
            // Shut off, the bridge cannot say that DMA has ended: the window is closed, its table lost.
            Ok(_) if self.spec.is_off() => Err(IodaError::Fenced),
            other => other.map(|_| ()),
        };
        self.same("dma_destroy", &got, &want)?;
        if let Ok(number) = found {
            let closed = self.spec.windows.swap_remove(number);
            let table = self.pool.tables()[closed.table];
            if got.is_err() {
                self.retired.push(closed.table);
            }
            // Its memory is somebody else's now, who may put there what looks like translations.
            let poison = host_tce(NEXT_OWNERS, Permission::all());
            table.cells.iter().for_each(|cell| cell.store(poison));
            if !self.spec.is_off() {
                self.spec.wait();
            }
        }
        Ok(())
    }

    fn window(&self, choice: u8) -> Option<usize> {
        let count = self.spec.windows.len();
        (count != 0).then(|| usize::from(choice) % count.max(1))
    }

    /// Pages of window `number`, `count` from one at an edge of something.
    fn pages(&self, number: usize, page: u8, count: u8) -> core::ops::Range<u64> {
        let window = &self.spec.windows[number];
        let entries = window.bytes >> window.page_shift;
        let firsts = [
            0,
            1,
            2,
            3,
            7,
            8,
            0x1ff,
            entries / 2 - 1,
            entries / 2,
            entries - 2,
            entries - 1,
        ];
        let first = firsts[usize::from(page) % firsts.len()];
        let counts = [1, 1, 1, 2, 3, 4, 40];
        let count = counts[usize::from(count) % counts.len()];
        first..(first + count).min(entries)
    }

    /// Changes pages and tells nobody.
    pub(super) fn change(&mut self, window: u8, page: u8, count: u8, target: u8) {
        let Some(number) = self.window(window) else {
            return;
        };
        let pages = self.pages(number, page, count);
        let window = &self.spec.windows[number];
        let (shift, table) = (window.page_shift, window.table);
        let permission = Permission::from_bits_truncate(u64::from(target) & 3);
        let start = u64::from(target >> 2) + 1;
        for (page, step) in pages.zip(0..) {
            // Real pages by a number of their own, so that every wrong one is noticed.
            let real = (start + step) << shift.max(20);
            let to: Target = (!permission.is_empty()).then_some((real, permission));
            self.pool.tables()[table].cells[page as usize].store(host_tce(real, permission));
            self.spec.set_page(number, page, to);
        }
    }

    pub(super) fn map_pages(
        &mut self,
        window: u8,
        page: u8,
        count: u8,
        target: u8,
    ) -> Result<(), String> {
        self.change(window, page, count, target);
        self.flush(window, page, count)
    }

    /// Tells the bridge of changed pages, and waits for it.
    pub(super) fn flush(&mut self, window: u8, page: u8, count: u8) -> Result<(), String> {
        let Some(number) = self.window(window) else {
            return Ok(());
        };
        let pages = self.pages(number, page, count);
        let range = if count == 255 {
            TceRange::All
        } else {
            TceRange::Pages {
                first: pages.start,
                count: pages.end - pages.start,
            }
        };
        self.machine
            .flush()
            .tce_flush(&self.spec.windows[number].given, range);
        match range {
            TceRange::All => self.spec.tell(number, 0..u64::MAX),
            TceRange::Pages { .. } => self.spec.tell(number, pages),
        }
        self.wait()
    }

    /// Waits for the end of DMA by translations that were forgotten.
    pub(super) fn wait(&mut self) -> Result<(), String> {
        let got = self.machine.flush().tce_wait();
        match got {
            Ok(()) if !self.spec.is_off() => {
                self.spec.wait();
                Ok(())
            }
            Err(_) if self.spec.is_off() => Ok(()),
            Ok(()) => Err("a fenced bridge says that DMA has ended".into()),
            Err(error) => Err(format!("tce_wait: {error}")),
        }
    }

    /// An address in or beside a page of a window.
    pub(super) fn address(&self, window: u8, page: u8, edge: u8) -> u64 {
        let Some(number) = self.window(window) else {
            return u64::from(page) << 28 | u64::from(edge) << 12;
        };
        let page = self.pages(number, page, 0).start;
        let window = &self.spec.windows[number];
        let start = window.base + (page << window.page_shift);
        match edge >> 1 & 7 {
            0 => start,
            1 => start.wrapping_sub(8),
            2 => start + (1 << window.page_shift) - 8,
            3 => start + (1 << window.page_shift),
            4 => window.base + window.bytes,
            5 => start ^ 1 << 59,
            6 => start | 1 << 32,
            _ => start ^ 1 << 28,
        }
    }

    pub(super) fn alloc(&mut self, pe: u16, count: u16) -> Result<(), String> {
        let want = self.spec.can_take_msis(pe, count);
        let got = self.machine.msis().msi_alloc(PeNumber(pe), count);
        self.same("msi_alloc", &got.map(|_| ()), &want)?;
        match got {
            Ok(block) => self
                .spec
                .add_block(pe, count, block)
                .map_err(|why| format!("msi_alloc gives {block:x?}: {why}")),
            Err(_) => Ok(()),
        }
    }

    pub(super) fn free(&mut self, block: u8, forged: u8) -> Result<(), String> {
        let count = self.spec.blocks.len();
        if count == 0 {
            return Ok(());
        }
        let mut block = self.spec.blocks[usize::from(block) % count].given;
        match forged % 8 {
            0 => block.count *= 2,
            1 => block.count /= 2,
            2 => block.first.0 += u32::from(block.count),
            3 => block.first.0 -= 1,
            _ => {}
        }
        self.give_back(&block)
    }

    fn give_back(&mut self, block: &MsiBlock) -> Result<(), String> {
        let want = self.spec.remove_block(block);
        let got: Result<(), MsiError> = self.machine.msis().msi_free(block);
        self.same("msi_free", &got, &want)
    }

    /// Takes everything from `pe`, but for what a fenced bridge cannot be sure of.
    pub(super) fn destroy(&mut self, pe: u16) -> Result<(), String> {
        let own = |window: &&crate::spec::Window| window.pe == pe;
        let windows: Vec<DmaWindow> = self
            .spec
            .windows
            .iter()
            .filter(own)
            .map(|window| window.given)
            .collect();
        for window in windows {
            self.close(&window)?;
        }
        let blocks: Vec<MsiBlock> = self
            .spec
            .blocks
            .iter()
            .filter(|block| block.pe == pe)
            .map(|block| block.given)
            .collect();
        for block in blocks {
            self.give_back(&block)?;
        }
        let reserved = self.spec.facts.reserved;
        self.move_segments(pe, reserved)?;
        for rids in self.selections_of(pe) {
            let want = self.spec.release(rids);
            let got = self.machine.ioda().release_pe(rids);
            self.same("release_pe", &got, &want)?;
        }
        if self.spec.is_off() {
            return Ok(());
        }
        let got = self.machine.ioda().thaw(PeNumber(pe), Freeze::all());
        self.spec.set_frozen(pe, Freeze::empty());
        self.same("thaw", &got, &Ok(()))
    }

    /// What one endpoint had, another gets: nothing of the first may be left in it.
    pub(super) fn hand_over(&mut self, from: u16, to: u16) -> Result<(), String> {
        if from == to {
            return Ok(());
        }
        let rids = self.selections_of(from);
        let (m32, io) = self.spec.segments_of(from);
        self.destroy(from)?;
        for rids in rids {
            let want = self.spec.assign(rids, to);
            let got = self.machine.ioda().assign_pe(rids, PeNumber(to));
            self.same_taken("assign_pe", &got, &want, to)?;
        }
        self.give_segments(&m32, &io, to)
    }

    /// The selections that make up what `pe` has: on a chip of one selection that one, else one of each requester.
    fn selections_of(&self, pe: u16) -> Vec<RidSel> {
        self.spec.selections_of(pe)
    }

    fn move_segments(&mut self, from: u16, to: u16) -> Result<(), String> {
        let (m32, io) = self.spec.segments_of(from);
        self.give_segments(&m32, &io, to)?;
        for window in self.spec.wide_of(from) {
            let want = self.spec.close_m64(window);
            let got = self.machine.ioda().set_m64(M64Window(window), None);
            self.same("set_m64", &got, &want)?;
        }
        Ok(())
    }

    fn give_segments(&mut self, m32: &[u16], io: &[u16], to: u16) -> Result<(), String> {
        for segment in m32 {
            let want = self.spec.map_m32(*segment, to);
            let got = self
                .machine
                .ioda()
                .map_m32(M32Segment(*segment), PeNumber(to));
            self.same("map_m32", &got, &want)?;
        }
        for segment in io {
            let Some(extras) = self.machine.extras() else {
                break;
            };
            let got = extras.map_io(*segment, PeNumber(to));
            let want = self.spec.map_io(*segment, to);
            self.same("map_io", &got, &want)?;
        }
        Ok(())
    }
}
