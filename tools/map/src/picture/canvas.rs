//! What is drawn with: [`Canvas`].

use crate::colour::Look;
use svg::Document;
use svg::node::element::{Element, Group, Path, Rectangle, Style, Text, Title};

/// The picture's width, in pixels as all numbers here.
pub(super) const WIDTH: i32 = 1128;
/// What is left free around everything.
pub(super) const MARGIN: i32 = 20;

const STYLE: &str = "\
text{font-family:'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:12px;white-space:pre}
.h{font-size:17px;font-weight:bold}.p{font-size:14px;font-weight:bold}.b{font-weight:bold}
.h,.p,.b,.t{fill:#1f2328}.s{fill:#59636e}.i{font-size:11px}.i.s{fill:#59636e}
.bg{fill:#fff}.panel{fill:#f6f8fa;stroke:#d1d9e0}.free{fill:#fff;stroke:#afb8c1}
.late{fill:none;stroke:#818b98;stroke-dasharray:4 3}.grid{stroke:#afb8c1;fill:none}.line{stroke:#818b98;fill:none}
.taken{fill:#d1d9e0;stroke:#afb8c1}.edge{stroke:#1f2328;stroke-opacity:.35}
@media (prefers-color-scheme:dark){
.h,.p,.b,.t{fill:#e6edf3}.s,.i.s{fill:#9198a1}.bg{fill:#0d1117}.panel{fill:#151b23;stroke:#3d444d}
.free{fill:#0d1117;stroke:#3d444d}.late{stroke:#9198a1}.grid{stroke:#3d444d}.line{stroke:#9198a1}
.taken{fill:#2a313c;stroke:#3d444d}.edge{stroke:#e6edf3}
}";

/// How wide `text` is in the ordinary size: 0.61 of it for each letter, rounded up.
pub(super) fn width(text: &str) -> i32 {
    text.chars().count() as i32 * 74 / 10 + 1
}

/// `text` in the small size, cut to `room` if it must be.
pub(super) fn fit_small(text: &str, room: i32) -> String {
    let most = (room / 7).max(1) as usize;
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// A drawing that grows downward.
pub(super) struct Canvas {
    /// Where the next thing goes; for text the base line.
    pub(super) y: i32,
    group: Vec<Element>,
}

impl Canvas {
    pub(super) const fn new() -> Self {
        Self {
            y: 0,
            group: Vec::new(),
        }
    }

    fn add(&mut self, element: impl Into<Element>) {
        self.group.push(element.into());
    }

    /// A line of text of `class` at `x`.
    pub(super) fn text(&mut self, x: i32, class: &str, text: &str) {
        let y = self.y;
        self.add(Text::new(text).set("x", x).set("y", y).set("class", class));
    }

    /// Text on an area that has `look`, its middle at `x`.
    pub(super) fn label(&mut self, x: i32, y: i32, text: &str, look: Look) {
        let label = Text::new(text)
            .set("x", x)
            .set("y", y)
            .set("text-anchor", "middle");
        self.add(if look.ink.is_empty() {
            label.set("class", "i s")
        } else {
            label.set("class", "i").set("fill", look.ink)
        });
    }

    /// An area of an owner.
    pub(super) fn area(&mut self, x: i32, y: i32, width: i32, height: i32, look: Look) {
        let area = rectangle(x, y, width, height);
        self.add(if look.fill.is_empty() {
            area.set("class", "free")
        } else {
            area.set("fill", look.fill).set("class", "edge")
        });
    }

    /// An area of `class`.
    pub(super) fn shape(&mut self, x: i32, y: i32, width: i32, height: i32, class: &str) {
        self.add(rectangle(x, y, width, height).set("class", class));
    }

    /// Lines by an SVG path.
    pub(super) fn lines(&mut self, path: String, class: &str) {
        self.add(Path::new().set("d", path).set("class", class));
    }

    /// Keeps a place behind what comes next, for [`Self::panel`].
    pub(super) fn reserve(&mut self) -> usize {
        self.add(Group::new());
        self.group.len() - 1
    }

    /// Draws a panel in the place `slot`.
    pub(super) fn panel(&mut self, slot: usize, y: i32, height: i32) {
        let panel = rectangle(MARGIN, y, WIDTH - 2 * MARGIN, height)
            .set("rx", 8)
            .set("class", "panel");
        if let Some(slot) = self.group.get_mut(slot) {
            *slot = panel.into();
        }
    }

    /// The document, as high as what was drawn.
    pub(super) fn finish(self) -> String {
        let height = self.y + MARGIN - 16;
        let mut document = Document::new()
            .set("width", WIDTH)
            .set("height", height)
            .set("viewBox", (0, 0, WIDTH, height))
            .set("role", "img")
            .add(Title::new("Who owns what of the PCI host bridges"))
            .add(Style::new(STYLE))
            .add(rectangle(0, 0, WIDTH, height).set("class", "bg"));
        for element in self.group {
            document = document.add(element);
        }
        document.to_string() + "\n"
    }
}

fn rectangle(x: i32, y: i32, width: i32, height: i32) -> Rectangle {
    Rectangle::new()
        .set("x", x)
        .set("y", y)
        .set("width", width)
        .set("height", height)
}
