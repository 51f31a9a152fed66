//! The functions behind a bridge.

use super::canvas::{Canvas, MARGIN, fit_small, width};
use super::parts;
use crate::{Map, Owner, Phb, Role, Stage, words};

const LEFT: i32 = MARGIN + 16;
/// How far a bus is to the right of the one above.
const STEP: i32 = 18;
/// Levels beyond this are not moved further: a path has up to 16.
const DEEPEST: i32 = 7;
const BOX: i32 = 22;
/// Of the box with the endpoint.
const PE: i32 = 62;

fn indent(depth: usize) -> i32 {
    LEFT + (depth as i32).min(DEEPEST) * STEP
}

impl Map {
    pub(super) fn tree(&self, canvas: &mut Canvas, phb: &Phb) {
        canvas.y += 8;
        // Where the function above is, of each level.
        let mut above: Vec<i32> = Vec::new();
        for function in &phb.functions {
            let depth = function.depth();
            let x = indent(depth);
            let middle = canvas.y + BOX / 2;
            above.truncate(depth);
            if let Some(parent) = above.last() {
                let from = x - STEP / 2 - 2;
                canvas.lines(format!("M{from} {parent}V{middle}H{x}"), "line");
            }
            above.push(canvas.y + BOX);
            let look = self.look(function.owner);
            let pe = match &function.found {
                Some(found) => format!("PE {}", found.pe.0),
                None if function.role == Role::Bridge => format!("PE {}", phb.reserved.0),
                None => "PE ?".into(),
            };
            canvas.area(x, canvas.y, PE, BOX, look);
            canvas.label(x + PE / 2, canvas.y + 15, &pe, look);
            let base = canvas.y;
            canvas.y = base + 15;
            let x = x + PE + 8;
            let room = parts::LEFT - 12 - x;
            let small = |canvas: &mut Canvas, text: &str| {
                canvas.y += 14;
                canvas.text(x, "i s", &fit_small(text, room));
            };
            let what = words::function(function);
            let owner = match function.owner {
                Owner::Hypervisor => None,
                owner => Some(self.name(owner)),
            };
            let both = owner
                .as_ref()
                .map_or_else(|| what.clone(), |owner| format!("{what} · {owner}"));
            let is_wide = width(&both) > room;
            canvas.text(x, "t", if is_wide { &what } else { &both });
            canvas.y = base + BOX;
            if let Some(owner) = owner.filter(|_| is_wide) {
                small(canvas, &owner);
            }
            for bar in function.found.iter().flat_map(|found| &found.bars) {
                small(canvas, &words::bar(bar));
            }
            if self.stage == Stage::Planned && function.owner != Owner::Hypervisor {
                small(
                    canvas,
                    &format!("{}; PE, ids, BARs: at boot", function.path),
                );
            }
            canvas.y += 8;
        }
    }
}
