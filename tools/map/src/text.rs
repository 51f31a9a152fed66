//! The map for a terminal.

use crate::colour::Look;
use crate::lists::Part;
use crate::{Ink, M64Owner, Map, Owner, Phb, Role, Stage, words};
use ioda::{DmaModel, PeNumber};
use std::fmt::Write;

/// Cells in a row of segments, and in the row of all messages.
const ROW: usize = 64;

struct Page<'a> {
    map: &'a Map,
    ink: Ink,
    text: String,
}

impl Map {
    /// Draws the map as lines of text, at most some 110 columns wide.
    #[must_use]
    pub fn text(&self, ink: Ink) -> String {
        let mut page = Page {
            map: self,
            ink,
            text: String::new(),
        };
        page.legend();
        for phb in &self.phbs {
            page.phb(phb);
        }
        // Lines end where their text ends.
        page.text
            .lines()
            .flat_map(|line| [line.trim_end(), "\n"])
            .collect()
    }
}

impl Page<'_> {
    fn line(&mut self, text: impl AsRef<str>) {
        self.text += text.as_ref();
        self.text.push('\n');
    }

    /// `text` as `look` has it.
    fn paint(&self, look: Look, text: &str) -> String {
        match self.ink {
            Ink::Plain => text.to_owned(),
            Ink::Colour => format!("{}{text}{}", look.ansi.render(), look.ansi.render_reset()),
        }
    }

    fn cell(&self, owner: Owner) -> String {
        let look = self.map.look(owner);
        self.paint(look, &look.letter.to_string())
    }

    /// A row of cells; those of one owner side by side are painted at once.
    fn row(&self, owners: &[Owner]) -> String {
        let runs = owners.chunk_by(|a, b| a == b);
        runs.map(|run| {
            let look = self.map.look(run[0]);
            self.paint(look, &look.letter.to_string().repeat(run.len()))
        })
        .collect()
    }

    fn legend(&mut self) {
        let stage = match self.map.stage {
            Stage::Planned => "before boot: what the manifest and the device tree tell",
            Stage::Running => "as the hypervisor has set it up",
        };
        self.line(stage);
        let mut line = String::from("owners:");
        for owner in self.map.owners() {
            let _ = write!(line, "  {} {}", self.cell(owner), self.map.name(owner));
        }
        self.line(line);
    }

    fn phb(&mut self, phb: &Phb) {
        self.line("");
        self.line(format!(
            "phb{}  {}",
            phb.index,
            words::generation(phb.generation)
        ));
        self.line(format!("  {}", self.map.facts(phb)));
        self.tree(phb);
        let m32 = self.map.m32(phb);
        let owners: Vec<Owner> = phb
            .segment_pes()
            .into_iter()
            .map(|pe| pe.map_or(Owner::Nobody, |pe| phb.owner_of(pe)))
            .collect();
        let rows: Vec<String> = owners
            .chunks(ROW)
            .enumerate()
            .map(|(row, cells)| format!("{:>4} {}", row * ROW, self.row(cells)))
            .collect();
        self.part(&m32, &rows);
        let rows = self.m64_rows(phb);
        self.part(&self.map.m64(phb), &rows);
        let rows = self.dma_rows(phb);
        self.part(&self.map.dma(phb), &rows);
        let rows = [format!("     {}", self.row(&messages(phb)))];
        self.part(&self.map.interrupts(phb), &rows);
    }

    fn tree(&mut self, phb: &Phb) {
        let depths: Vec<usize> = phb.functions.iter().map(crate::Function::depth).collect();
        for (index, function) in phb.functions.iter().enumerate() {
            let depth = depths[index];
            let mut lead = String::from("  ");
            for level in 1..=depth {
                // Whether another function follows at this level before the branch ends.
                let goes_on = depths[index + 1..]
                    .iter()
                    .take_while(|other| **other >= level)
                    .any(|other| *other == level);
                lead += match (level == depth, goes_on) {
                    (true, true) => "├─ ",
                    (true, false) => "└─ ",
                    (false, true) => "│  ",
                    (false, false) => "   ",
                };
            }
            let look = self.map.look(function.owner);
            let pe = match &function.found {
                Some(found) => format!("PE {}", found.pe.0),
                None if function.role == Role::Bridge => format!("PE {}", phb.reserved.0),
                None => "PE at boot".into(),
            };
            let owner = self.paint(
                look,
                &format!("{} {}", look.letter, self.map.name(function.owner)),
            );
            let what = words::function(function);
            let wide = lead.chars().count() + what.chars().count();
            self.line(format!(
                "{lead}{what}{:space$}{pe}  {owner}",
                "",
                space = 52usize.saturating_sub(wide).max(2)
            ));
            let under: String = lead
                .chars()
                .map(|c| match c {
                    '├' | '│' => '│',
                    _ => ' ',
                })
                .collect();
            for bar in function.found.iter().flat_map(|found| &found.bars) {
                self.line(format!("{under}   {}", words::bar(bar)));
            }
            if self.map.stage == Stage::Planned && function.owner != Owner::Hypervisor {
                self.line(format!("{under}   ids, BARs: at boot"));
            }
        }
    }

    fn part(&mut self, part: &Part, rows: &[String]) {
        self.line(format!("  {}; {}", part.heading, part.note));
        // Cells would say that it is nobody's, which nobody knows before boot.
        let known = self.map.stage == Stage::Running;
        for row in rows.iter().filter(|_| known) {
            self.line(row);
        }
        for item in &part.items {
            let line = format!("     {} {}", self.cell(item.owner), item.text);
            self.line(line);
        }
    }

    fn m64_rows(&self, phb: &Phb) -> Vec<String> {
        if phb.m64_area.is_none() {
            return Vec::new();
        }
        let mut row = String::from("    ");
        for window in 0..phb.m64_windows {
            let open = phb.m64.iter().find(|open| open.window == window);
            row.push(' ');
            row += &match open.map(|open| open.owner) {
                None => self.cell(Owner::Nobody),
                Some(M64Owner::Single(pe)) => self.cell(phb.owner_of(pe)),
                Some(M64Owner::SegmentIsPe) => "=".into(),
                Some(M64Owner::Segments(pes)) => {
                    let owners = pes.map(|pe| phb.owner_of(pe));
                    format!("[{}]", self.row(&owners))
                }
            };
        }
        vec![row]
    }

    fn dma_rows(&self, phb: &Phb) -> Vec<String> {
        match phb.dma {
            DmaModel::SharedSlots { count, slot_shift } => {
                let owners: Vec<Owner> = (0..count)
                    .map(|slot| slot_pe(phb, slot, slot_shift))
                    .map(|pe| pe.map_or(Owner::Nobody, |pe| phb.owner_of(pe)))
                    .collect();
                vec![format!("     {}", self.row(&owners))]
            }
            DmaModel::PerPe { .. } => Vec::new(),
        }
    }
}

/// The endpoint of a slot of the shared DMA space.
pub(crate) fn slot_pe(phb: &Phb, slot: u16, shift: u8) -> Option<PeNumber> {
    let slot = u64::from(slot);
    let holds = |window: &&crate::Dma| {
        let first = window.base >> shift;
        let end = (window.base + window.bytes).div_ceil(1 << shift);
        (first..end).contains(&slot)
    };
    phb.windows.iter().find(holds).map(|window| window.pe)
}

/// All messages in one row: each cell has the owner of the first block that lies in it.
fn messages(phb: &Phb) -> Vec<Owner> {
    let mut row = vec![Owner::Nobody; ROW];
    let Some(first) = phb.first_msi else {
        return row;
    };
    for block in phb.messages.iter().rev() {
        let cell = |at: u32| (at - first) as usize * ROW / usize::from(phb.msis.max(1));
        let last = block.first + u32::from(block.count - 1);
        for slot in cell(block.first)..=cell(last) {
            if let Some(slot) = row.get_mut(slot) {
                *slot = phb.owner_of(block.pe);
            }
        }
    }
    row
}
