//! What a bridge hands out: segments, windows, DMA, messages.

use super::canvas::{Canvas, MARGIN, WIDTH, fit_small, width};
use crate::colour::{HYPERVISOR, NOBODY};
use crate::lists::Part;
use crate::text::slot_pe;
use crate::{M64Owner, Map, Owner, Phb};
use ioda::{DmaModel, PeNumber};

/// Where this column begins.
pub(super) const LEFT: i32 = 560;
const RIGHT: i32 = WIDTH - MARGIN - 16;
/// Of all drawings.
const WIDE: i32 = 512;
const _: () = assert!(LEFT + WIDE <= RIGHT);
/// Segments in a row.
const ROW: usize = 64;
const CELL: i32 = WIDE / ROW as i32;
/// 64-bit windows, and slots of DMA space, in a row.
const BOXES: i32 = 16;
const BOX: i32 = WIDE / BOXES;

impl Map {
    pub(super) fn parts(&self, canvas: &mut Canvas, phb: &Phb) {
        self.heading(canvas, &self.m32(phb));
        self.draw_m32(canvas, phb);
        self.items(canvas, &self.m32(phb));
        self.heading(canvas, &self.m64(phb));
        self.draw_m64(canvas, phb);
        self.items(canvas, &self.m64(phb));
        self.heading(canvas, &self.dma(phb));
        self.draw_dma(canvas, phb);
        self.items(canvas, &self.dma(phb));
        self.heading(canvas, &self.interrupts(phb));
        self.draw_messages(canvas, phb);
        self.items(canvas, &self.interrupts(phb));
    }

    fn heading(&self, canvas: &mut Canvas, part: &Part) {
        canvas.y += 24;
        canvas.text(LEFT, "b", &part.heading);
        canvas.y += 15;
        canvas.text(LEFT, "i s", &part.note);
        canvas.y += 6;
    }

    /// Whose areas are what, as many in a line as there is room for.
    fn items(&self, canvas: &mut Canvas, part: &Part) {
        let mut x = LEFT;
        canvas.y += 14;
        for item in &part.items {
            // The small size is 11/12 of the ordinary one.
            let text = fit_small(&item.text, RIGHT - LEFT - 14);
            let wide = 14 + width(&text) * 11 / 12;
            if x > LEFT && x + wide > RIGHT {
                x = LEFT;
                canvas.y += 15;
            }
            canvas.area(x, canvas.y - 9, 10, 10, self.look(item.owner));
            canvas.text(x + 14, "i t", &text);
            x += wide + 16;
        }
        if part.items.is_empty() {
            canvas.y -= 8;
        }
    }

    fn draw_m32(&self, canvas: &mut Canvas, phb: &Phb) {
        const HIGH: i32 = 14;
        let pes = phb.segment_pes();
        let class = if phb.m32.is_some() { "free" } else { "late" };
        for row in pes.chunks(ROW) {
            let y = canvas.y;
            let wide = row.len() as i32 * CELL;
            canvas.shape(LEFT, y, wide, HIGH, class);
            if phb.m32.is_some() {
                let lines =
                    (1..row.len() as i32).map(|cell| format!("M{} {y}v{HIGH}", LEFT + cell * CELL));
                canvas.lines(lines.collect(), "grid");
            }
            let mut x = LEFT;
            for run in row.chunk_by(|a, b| a == b) {
                let wide = run.len() as i32 * CELL;
                if let Some(pe) = run[0] {
                    self.pe_area(canvas, phb, pe, (x, y, wide, HIGH));
                }
                x += wide;
            }
            canvas.y += HIGH + 3;
        }
    }

    /// An endpoint's area, with its number if there is room.
    fn pe_area(
        &self,
        canvas: &mut Canvas,
        phb: &Phb,
        pe: PeNumber,
        (x, y, wide, high): (i32, i32, i32, i32),
    ) {
        let look = self.look(phb.owner_of(pe));
        canvas.area(x, y, wide, high, look);
        let label = pe.0.to_string();
        if width(&label) < wide {
            canvas.label(x + wide / 2, y + high / 2 + 4, &label, look);
        }
    }

    fn draw_m64(&self, canvas: &mut Canvas, phb: &Phb) {
        const HIGH: i32 = 26;
        for window in 0..i32::from(phb.m64_windows) {
            let (row, column) = (window / BOXES, window % BOXES);
            let (x, y) = (LEFT + column * BOX, canvas.y + row * (HIGH + 14));
            let wide = BOX - 4;
            let open = phb.m64.iter().find(|open| i32::from(open.window) == window);
            match open.map(|open| open.owner) {
                None if phb.m64_area.is_some() => canvas.area(x, y, wide, HIGH, NOBODY),
                None => canvas.shape(x, y, wide, HIGH, "late"),
                Some(M64Owner::Single(pe)) => {
                    self.pe_area(canvas, phb, pe, (x, y, wide, HIGH));
                }
                Some(M64Owner::SegmentIsPe) => {
                    canvas.area(x, y, wide, HIGH, NOBODY);
                    canvas.label(x + wide / 2, y + 17, "n=n", NOBODY);
                }
                Some(M64Owner::Segments(pes)) => {
                    // Four columns and two rows.
                    for (segment, pe) in (0i32..).zip(pes) {
                        let (column, line) = (segment % 4, segment / 4);
                        let look = self.look(phb.owner_of(pe));
                        let (wide, high) = (wide / 4, HIGH / 2);
                        canvas.area(x + column * wide, y + line * high, wide, high, look);
                    }
                }
            }
            canvas.label(x + wide / 2, y + HIGH + 10, &window.to_string(), NOBODY);
        }
        canvas.y += (i32::from(phb.m64_windows) + BOXES - 1) / BOXES * (HIGH + 14);
    }

    fn draw_dma(&self, canvas: &mut Canvas, phb: &Phb) {
        match phb.dma {
            DmaModel::SharedSlots { count, slot_shift } => {
                self.draw_slots(canvas, phb, count, slot_shift);
            }
            DmaModel::PerPe { windows } => self.draw_spaces(canvas, phb, windows),
        }
    }

    /// One space: the slots, and from there to 4 GiB what is no DMA.
    fn draw_slots(&self, canvas: &mut Canvas, phb: &Phb, count: u16, shift: u8) {
        const HIGH: i32 = 24;
        let all = (1u64 << 32).checked_shr(shift.into()).unwrap_or(0);
        let all = u16::try_from(all)
            .unwrap_or(count)
            .clamp(count, count.max(BOXES as u16));
        let top = canvas.y;
        let place = |slot: u16| {
            let (row, column) = (i32::from(slot) / BOXES, i32::from(slot) % BOXES);
            (LEFT + column * BOX, top + row * (HIGH + 14))
        };
        for slot in 0..count {
            let (x, y) = place(slot);
            match slot_pe(phb, slot, shift) {
                Some(pe) => self.pe_area(canvas, phb, pe, (x, y, BOX, HIGH)),
                None if phb.m32.is_some() => canvas.area(x, y, BOX, HIGH, NOBODY),
                None => canvas.shape(x, y, BOX, HIGH, "late"),
            }
            canvas.label(x + BOX / 2, y + HIGH + 11, &slot.to_string(), NOBODY);
        }
        if all > count && count > 0 {
            let (x, y) = place(count);
            let wide = i32::from(all - count) * BOX;
            canvas.shape(x, y, wide, HIGH, "taken");
            canvas.label(x + wide / 2, y + 16, "M32, MSI", NOBODY);
        }
        canvas.y += i32::from(all.div_ceil(BOXES as u16)) * (HIGH + 14);
    }

    /// A row for each endpoint that has a window: a space of its own.
    fn draw_spaces(&self, canvas: &mut Canvas, phb: &Phb, windows: u8) {
        const HIGH: i32 = 16;
        let mut pes: Vec<PeNumber> = phb.windows.iter().map(|window| window.pe).collect();
        pes.sort_unstable();
        pes.dedup();
        let count = i32::from(windows.max(1));
        let label = 62;
        let wide = (WIDE - label) / count;
        for pe in pes {
            let look = self.look(phb.owner_of(pe));
            canvas.label(
                LEFT + label / 2 - 4,
                canvas.y + 12,
                &format!("PE {}", pe.0),
                NOBODY,
            );
            for number in 0..count {
                let x = LEFT + label + number * wide;
                let tve = i32::from(pe.0) * count + number;
                let open = phb.windows.iter().find(|open| i32::from(open.tve) == tve);
                match open {
                    Some(open) => {
                        canvas.area(x, canvas.y, wide - 4, HIGH, look);
                        let text =
                            format!("{:#x} + {}", open.base, crate::words::bytes(open.bytes));
                        if width(&text) < wide {
                            canvas.label(x + (wide - 4) / 2, canvas.y + 12, &text, look);
                        }
                    }
                    None => {
                        canvas.area(x, canvas.y, wide - 4, HIGH, NOBODY);
                        canvas.label(x + (wide - 4) / 2, canvas.y + 12, "closed", NOBODY);
                    }
                }
            }
            canvas.y += HIGH + 4;
        }
    }

    fn draw_messages(&self, canvas: &mut Canvas, phb: &Phb) {
        const HIGH: i32 = 14;
        let class = if phb.first_msi.is_some() {
            "free"
        } else {
            "late"
        };
        canvas.shape(LEFT, canvas.y, WIDE, HIGH, class);
        let all = i32::from(phb.msis.max(1));
        for block in &phb.messages {
            let first = (block.first - phb.first_msi.unwrap_or(0)) as i32;
            let x = LEFT + first * WIDE / all;
            // One message of 2040 would not be seen.
            let wide = (i32::from(block.count) * WIDE / all).max(2);
            let look = match phb.owner_of(block.pe) {
                Owner::Hypervisor => HYPERVISOR,
                owner => self.look(owner),
            };
            canvas.area(x, canvas.y, wide, HIGH, look);
        }
        canvas.y += HIGH + 3;
    }
}
