//! The machine's bridges and who owns what, as the block of lines that `cargo xtask map` draws (docs/map.md).

use crate::{console, devices};
use ::console::Line;
use core::fmt::Write;
use map_dump::Record;

/// The boot argument that asks for it: a serial port takes seconds for a large machine's.
const ASKED: &str = "bulkhead.map";
/// After so many lines the console is emptied: far fewer than it has room for.
const BATCH: u32 = 64;

/// Prints the block if `bootargs` ask for it; `partitions` are their ids and names. No partition runs yet,
/// so nothing comes between its lines, and the console may be waited for.
pub(crate) fn print_if_asked<'a>(bootargs: &str, partitions: impl Iterator<Item = (u32, &'a str)>) {
    if !bootargs.split_ascii_whitespace().any(|word| word == ASKED) {
        return;
    }
    let mut lines = 0u32;
    let mut print = |record: Record<'_>| {
        let mut text = Line::<240>::new();
        let _ = write!(text, "{record}");
        console::line(text.as_str());
        lines = lines.saturating_add(1);
        if lines.is_multiple_of(BATCH) {
            console::flush();
        }
    };
    print(Record::Begin);
    for (lpid, name) in partitions {
        map_dump::partition(lpid, name, &mut print);
    }
    devices::map(&mut print);
    console::flush();
    let mut text = Line::<240>::new();
    let _ = write!(text, "{}", Record::End { lines });
    console::line(text.as_str());
}
