//! `tce list`, `tce show`.

use super::Size;
use crate::command::{Problem, Request};
use crate::facts::Tce;
use crate::page::Page;

pub(super) fn list(request: &Request<'_>, page: &mut Page<'_>) -> Result<(), Problem> {
    let facts = request.facts;
    page.line(format_args!(
        "liobn      partition                        bus address    bytes        pages mapped"
    ));
    facts.partitions(&mut |partition| {
        facts.windows(partition.lpid, &mut |window| {
            let mut mapped = 0u64;
            facts.tces(partition.lpid, window.liobn, &mut |_| {
                mapped = mapped.saturating_add(1);
            });
            page.line(format_args!(
                "{:#010x} {:32} {:#014x} {:#012x} {mapped}",
                window.liobn, partition.name, window.first, window.bytes,
            ));
        });
    });
    Ok(())
}

/// Entries side by side that map pages side by side with the same permissions.
#[derive(Clone, Copy)]
struct Run {
    bus: u64,
    entry: u64,
    pages: u64,
}

/// The permission bits of an entry: write and read. Source: LoPAR 2.9, "TCE Format".
const PERMISSIONS: u64 = 3;

pub(super) fn show(request: &Request<'_>, page: &mut Page<'_>) -> Result<(), Problem> {
    let facts = request.facts;
    let liobn = request.number()?;
    let mut found = None;
    facts.partitions(&mut |partition| {
        facts.windows(partition.lpid, &mut |window| {
            if Some(window.liobn) == liobn {
                found = Some((partition.lpid, *window));
            }
        });
    });
    let (lpid, window) = found.ok_or(Problem::NoWindow)?;
    let page_bytes = 1u64.checked_shl(window.page_shift.into()).unwrap_or(0);
    let mut run: Option<Run> = None;
    let mut runs = 0u32;
    facts.tces(lpid, window.liobn, &mut |tce: &Tce| {
        let goes_on = run.is_some_and(|run| {
            let ahead = run.pages.saturating_mul(page_bytes);
            run.bus.checked_add(ahead) == Some(tce.bus)
                && run.entry.checked_add(ahead) == Some(tce.entry)
        });
        match run.as_mut() {
            Some(run) if goes_on => run.pages = run.pages.saturating_add(1),
            _ => {
                if let Some(run) = run {
                    line(&run, page_bytes, page);
                }
                runs = runs.saturating_add(1);
                run = Some(Run {
                    bus: tce.bus,
                    entry: tce.entry,
                    pages: 1,
                });
            }
        }
    });
    if let Some(run) = run {
        line(&run, page_bytes, page);
    }
    page.line(format_args!("{runs} pieces are mapped"));
    Ok(())
}

fn line(run: &Run, page_bytes: u64, page: &mut Page<'_>) {
    let permitted = match run.entry & PERMISSIONS {
        1 => "read",
        2 => "write",
        _ => "read, write",
    };
    page.line(format_args!(
        "bus {:#x} to real {:#x}: {}, {permitted}",
        run.bus,
        run.entry & !PERMISSIONS,
        Size(run.pages.saturating_mul(page_bytes)),
    ));
}

#[cfg(test)]
mod tests {
    use crate::testing::{answer, rows};

    #[test]
    fn windows_are_listed_with_what_is_mapped() {
        let text = answer("tce list", "");
        let lines = rows(&text);
        assert_eq!(
            lines[0],
            ["0x80000001", "linux", "0x000000000000", "0x0040000000", "4"]
        );
        assert_eq!(lines[1].last(), Some(&"0"));
    }

    #[test]
    fn what_is_mapped_side_by_side_is_one_line() {
        let text = answer("tce show", "0x80000001");
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "bus 0x1000 to real 0x40005000: 8 KiB, read, write",
                "bus 0x3000 to real 0x40007000: 4 KiB, read",
                "bus 0x9000 to real 0x40008000: 4 KiB, read",
                "3 pieces are mapped",
            ]
        );
        assert_eq!(answer("tce show", "2147549186"), "0 pieces are mapped\n");
    }
}
