//! `lpar dump`.

use crate::command::{Problem, Request};
use crate::facts::Registers;
use crate::page::Page;
use core::fmt;

/// Bytes of memory that are told without a COUNT, and at most.
const BYTES: u64 = 256;
const MOST: u64 = 4096;
/// Bytes of a line.
const LINE: u64 = 32;

pub(super) fn show(request: &Request<'_>, page: &mut Page<'_>) -> Result<(), Problem> {
    let [address, count] = request.more_numbers()?;
    let lpid = request.lpid()?;
    request
        .facts
        .registers(lpid, &mut |server, registers| match registers {
            Some(registers) => told(server, registers, page),
            None => page.line(format_args!(
                "cpu {server}: runs; it can be told of once it is stopped"
            )),
        });
    if let Some(address) = address {
        memory(request, lpid, address, count.unwrap_or(BYTES), page);
    }
    Ok(())
}

fn told(server: u32, of: &Registers, page: &mut Page<'_>) {
    page.line(format_args!(
        "cpu {server}: pc {:016x} msr {:016x} lr {:016x} ctr {:016x}",
        of.pc, of.msr, of.lr, of.ctr
    ));
    let [srr0, srr1] = of.srr;
    page.line(format_args!(
        "  cr {:08x} xer {:08x} srr0 {srr0:016x} srr1 {srr1:016x} dar {:016x} dsisr {:08x}",
        of.cr, of.xer, of.dar, of.dsisr
    ));
    for (row, four) in of.gpr.as_chunks().0.iter().enumerate() {
        let [a, b, c, d] = four;
        page.line(format_args!(
            "  r{:<2} {a:016x} {b:016x} {c:016x} {d:016x}",
            row.saturating_mul(4)
        ));
    }
}

/// `count` bytes from `address`, rounded to doublewords, at most [`MOST`].
fn memory(request: &Request<'_>, lpid: u32, address: u64, count: u64, page: &mut Page<'_>) {
    let start = address & !7;
    let end = start.saturating_add(count.min(MOST).next_multiple_of(8));
    let mut at = start;
    while at < end && !page.is_full() {
        let mut words = [None; 4];
        let mut inside = (at..end).step_by(8);
        for word in &mut words {
            *word = inside
                .next()
                .and_then(|at| request.facts.doubleword(lpid, at));
        }
        if words == [None; 4] {
            page.line(format_args!("{at:#014x}: no memory of the partition's"));
            return;
        }
        page.line(format_args!("{at:#014x}: {}", Words(words)));
        at = at.saturating_add(LINE);
    }
}

/// Doublewords as numbers, then as text, in which a dot stands for all that is no printable ASCII.
struct Words([Option<u64>; 4]);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for word in self.0 {
            match word {
                Some(word) => write!(f, "{word:016x} ")?,
                None => write!(f, "{:17}", "")?,
            }
        }
        for byte in self.0.into_iter().flatten().flat_map(u64::to_be_bytes) {
            let shown = byte.is_ascii_graphic() || byte == b' ';
            write!(f, "{}", if shown { char::from(byte) } else { '.' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::answer;

    #[test]
    fn registers_of_processors_that_do_not_run_are_told() {
        let text = answer("lpar dump", "linux");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 11, "{text}");
        assert_eq!(
            lines[0],
            "cpu 0: pc 0000000000000100 msr 8000000000001000 lr 0000000000000003 ctr 0000000000000004"
        );
        assert!(lines[1].contains(" dar 000000000000000a "), "{text}");
        assert!(lines[2].starts_with("  r0  0000000000000000 0000000000000001"));
        assert!(lines[9].starts_with("  r28 000000000000001c "));
        assert!(lines[10].starts_with("cpu 1: runs"));
    }

    #[test]
    fn memory_is_told_as_far_as_there_is_some() {
        let text = answer("lpar dump", "db 0xc 20");
        let memory = text.lines().skip(11).collect::<Vec<_>>();
        assert_eq!(
            memory,
            [
                "0x000000000008: 4142431b00000008 4142431b00000010 4142431b00000018                  ABC.....ABC.....ABC....."
            ]
        );
        let text = answer("lpar dump", "db 4064");
        assert_eq!(
            text.lines().last().unwrap(),
            "0x000000001000: no memory of the partition's"
        );
        assert_eq!(text.lines().count(), 11 + 2);
    }

    #[test]
    fn no_more_than_4_kib_are_told() {
        let text = answer("lpar dump", "db 0 0xffffffffffffffff");
        assert_eq!(text.lines().count(), 11 + 128);
        let text = answer("lpar dump", "db 0xffffffffffffffff");
        assert!(text.ends_with("0xfffffffffffffff8: no memory of the partition's\n"));
    }
}
