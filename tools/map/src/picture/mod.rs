//! The map as an SVG file.
//!
//! A panel for each bridge: the tree of its functions on the left, what it hands out on the right. Everything is set in a
//! font whose letters are all as wide as each other, so that no text can run into what stands beside it. Colours of
//! background and text follow the reader's scheme, light or dark; those of owners suit both.

mod canvas;
mod parts;
mod tree;

use crate::{Map, Phb, Stage, words};
use canvas::{Canvas, MARGIN, WIDTH};

impl Map {
    /// Draws the map as an SVG document.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut canvas = Canvas::new();
        canvas.y = MARGIN + 18;
        canvas.text(MARGIN, "h", "Who owns what of the PCI host bridges");
        canvas.y += 20;
        canvas.text(
            MARGIN,
            "s",
            match self.stage {
                Stage::Planned => {
                    "Before boot, from the manifest and the device tree. What firmware finds or chooses is shown as “at boot”."
                }
                Stage::Running => "As the hypervisor has set them up.",
            },
        );
        canvas.y += 24;
        self.legend(&mut canvas);
        for phb in &self.phbs {
            self.panel(&mut canvas, phb);
        }
        canvas.finish()
    }

    fn legend(&self, canvas: &mut Canvas) {
        let mut x = MARGIN;
        for owner in self.owners() {
            let name = self.name(owner);
            let wide = 26 + canvas::width(&name) + 24;
            if x + wide > WIDTH - MARGIN && x > MARGIN {
                x = MARGIN;
                canvas.y += 20;
            }
            canvas.area(x, canvas.y - 11, 14, 14, self.look(owner));
            canvas.text(x + 20, "t", &name);
            x += wide;
        }
        canvas.y += 16;
    }

    fn panel(&self, canvas: &mut Canvas, phb: &Phb) {
        let top = canvas.y;
        let slot = canvas.reserve();
        canvas.y += 26;
        let title = format!("phb{} · {}", phb.index, words::generation(phb.generation));
        canvas.text(MARGIN + 16, "p", &title);
        canvas.y += 18;
        canvas.text(MARGIN + 16, "s", &self.facts(phb));
        canvas.y += 12;
        let start = canvas.y;
        self.tree(canvas, phb);
        let left = canvas.y;
        canvas.y = start;
        self.parts(canvas, phb);
        let bottom = left.max(canvas.y) + 12;
        canvas.panel(slot, top, bottom - top);
        canvas.y = bottom + 16;
    }
}
