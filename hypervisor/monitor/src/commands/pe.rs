//! `pe list`, `pe show`, `pe freeze`, `pe thaw`, `pe move`.

use super::Size;
use crate::command::{Argument, Problem, Request};
use crate::facts::{Facts, PeChange, PeName};
use crate::page::Page;
use core::fmt;
use ioda::{Bdf, Freeze};
use map_dump::{M64Owner, Owner, Record};

/// What of an endpoint is stopped.
struct Stopped(Option<Freeze>);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self.0 {
            None => "unknown",
            Some(freeze) if freeze.is_empty() => "goes on",
            Some(freeze) if freeze == Freeze::MMIO => "MMIO frozen",
            Some(freeze) if freeze == Freeze::DMA => "DMA frozen",
            Some(_) => "frozen",
        })
    }
}

pub(super) fn list(request: &Request<'_>, page: &mut Page<'_>) -> Result<(), Problem> {
    page.line(format_args!(
        "pe       partition  state       rid     id        function"
    ));
    request.facts.map(&mut |record| {
        if let Record::Function {
            path,
            bdf,
            id: (vendor, device),
            pe,
            owner: Owner::Partition(lpid),
            ..
        } = *record
        {
            let name = PeName {
                phb: path.phb(),
                pe,
            };
            page.line(format_args!(
                "{name:8} {lpid:9}  {:11} {bdf} {vendor:04x}:{device:04x} {path}",
                Stopped(request.facts.freeze(name)),
            ));
        }
    });
    Ok(())
}

pub(super) fn show(request: &Request<'_>, page: &mut Page<'_>) -> Result<(), Problem> {
    let wanted = request.pe()?;
    let owned = |owner| matches!(owner, Owner::Partition(_));
    describe(
        request.facts,
        &|name, owner| name == wanted && owned(owner),
        page,
    );
    Ok(())
}

pub(super) fn freeze(request: &Request<'_>) -> Result<&'static str, Problem> {
    let pe = request.pe()?;
    request.facts.change_pe(pe, PeChange::Freeze)?;
    Ok("it is frozen; its owner, or pe thaw, lets it go on")
}

pub(super) fn thaw(request: &Request<'_>) -> Result<&'static str, Problem> {
    let pe = request.pe()?;
    request.facts.change_pe(pe, PeChange::Thaw)?;
    Ok("it goes on")
}

pub(super) fn hand_over(request: &Request<'_>) -> Result<&'static str, Problem> {
    let pe = request.pe_or_location()?;
    if request.more.is_empty() {
        return Err(Problem::Missing(Argument::Partition));
    }
    let to = Request::new(request.more, request.facts).lpid()?;
    request.facts.move_pe(pe, to)?;
    Ok("it is being moved; the log tells when it is done")
}

/// Tells all that the endpoints have that are `wanted`, by name and owner of a function of theirs.
///
/// In a map everything that an endpoint has follows its function.
pub(super) fn describe(
    facts: &dyn Facts,
    wanted: &dyn Fn(PeName, Owner) -> bool,
    page: &mut Page<'_>,
) {
    let mut its = None;
    facts.map(&mut |record| {
        if let Record::Function {
            path,
            bdf,
            id: (vendor, device),
            class,
            pe,
            owner,
            ..
        } = *record
        {
            let phb = path.phb();
            let name = PeName { phb, pe };
            its = wanted(name, owner).then_some((name, bdf));
            if its.is_some() {
                let stopped = Stopped(facts.freeze(name));
                page.line(format_args!(
                    "pe {name}: {stopped}; function {path} {vendor:04x}:{device:04x} class {class:06x}, rid {bdf}"
                ));
            }
        } else if let Some((name, bdf)) = its {
            resource(record, name, bdf, page);
        }
    });
}

/// Tells what `record` says, if it is of endpoint `name` or its function `rid`.
fn resource(record: &Record<'_>, name: PeName, rid: Bdf, page: &mut Page<'_>) {
    let is_its = |phb, pe| PeName { phb, pe } == name;
    match *record {
        Record::Bar {
            phb,
            bdf,
            bar,
            pci,
            real,
            bytes,
            ..
        } if phb == name.phb && bdf == rid => page.line(format_args!(
            "  bar {bar}: {} at {real:#x}, bus {pci:#x}",
            Size(bytes)
        )),
        Record::Segments {
            phb,
            first,
            count,
            pe,
        } if is_its(phb, pe) => page.line(format_args!(
            "  m32 segments {first} to {}",
            first.saturating_add(count.saturating_sub(1))
        )),
        Record::M64 {
            phb,
            window,
            base,
            bytes,
            owner,
        } if phb == name.phb => {
            let its = match owner {
                M64Owner::Single(pe) => pe == name.pe,
                M64Owner::Segments(pes) => pes.contains(&name.pe),
                M64Owner::SegmentIsPe => false,
            };
            if its {
                page.line(format_args!(
                    "  m64 window {}: {} at {base:#x}",
                    window.0,
                    Size(bytes)
                ));
            }
        }
        Record::Dma {
            phb,
            pe,
            tve,
            base,
            bytes,
            ..
        } if is_its(phb, pe) => page.line(format_args!(
            "  dma window {base:#x} to {:#x}, tve {tve}",
            base.saturating_add(bytes)
        )),
        Record::Msi {
            phb,
            pe,
            first,
            count,
        } if is_its(phb, pe) => page.line(format_args!(
            "  msi {first:#x} to {:#x}",
            first.saturating_add(u32::from(count).saturating_sub(1))
        )),
        Record::Lsi { phb, pe, irq } if is_its(phb, pe) => {
            page.line(format_args!("  lsi {irq:#x}"));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::COMMANDS;
    use crate::command::{Run, find};
    use crate::testing::{Machine, answer, rows};
    use ioda::PeNumber;

    #[test]
    fn endpoints_are_listed_with_owner_and_state() {
        let text = answer("pe list", "");
        assert_eq!(
            rows(&text),
            [
                vec![
                    "0:1",
                    "1",
                    "goes",
                    "on",
                    "01:00.0",
                    "1b36:0010",
                    "phb0/00.0/00.0"
                ],
                vec![
                    "1:2",
                    "2",
                    "frozen",
                    "01:00.0",
                    "8086:10d3",
                    "phb1/00.0/00.0"
                ],
            ]
        );
    }

    #[test]
    fn an_endpoint_is_frozen_and_let_go() {
        let machine = Machine::new();
        let run = |command: &str, words| {
            let (command, _) = find(COMMANDS, command).expect("a command");
            let Run::Do(run) = command.run else {
                panic!("it does something");
            };
            run(&Request::new(words, &machine))
        };
        let pe = PeName {
            phb: 0,
            pe: PeNumber(1),
        };
        assert!(run("pe freeze", "0:1").is_ok());
        assert_eq!(machine.changed_pe.take(), Some((pe, PeChange::Freeze)));
        assert!(run("pe thaw", "0:1").is_ok());
        assert_eq!(machine.changed_pe.take(), Some((pe, PeChange::Thaw)));
        assert_eq!(run("pe thaw", "1:2"), Err(Problem::InReset));
        for name in ["", "9", "x:1"] {
            assert_eq!(run("pe freeze", name), Err(Problem::NoPe), "{name}");
        }
        assert_eq!(machine.changed_pe.take(), None);
    }

    #[test]
    fn an_endpoint_goes_to_a_partition_by_its_name_or_location() {
        let machine = Machine::new();
        let (command, _) = find(COMMANDS, "pe move").expect("a command");
        let Run::Do(run) = command.run else {
            panic!("it does something");
        };
        let run = |words| run(&Request::new(words, &machine));
        let pe = PeName {
            phb: 0,
            pe: PeNumber(1),
        };
        for words in ["0:1 db", "phb0/00.0/00.0 2"] {
            assert!(run(words).is_ok(), "{words}");
            assert_eq!(machine.moved.take(), Some((pe, 2)));
        }
        for (words, problem) in [
            ("0:1", Problem::Missing(Argument::Partition)),
            ("0:1 x", Problem::NoPartition),
            ("9:1 db", Problem::NoPe),
            ("phb3/00.0/00.0 db", Problem::NoPe),
            ("phb0 db", Problem::NoPe),
            ("0:1 linux", Problem::Same),
            ("1:2 linux", Problem::NotOff),
        ] {
            assert_eq!(run(words), Err(problem), "{words}");
        }
        assert_eq!(machine.moved.take(), None);
    }

    #[test]
    fn an_endpoint_is_told_with_all_it_has_and_nothing_of_others() {
        let text = answer("pe show", "1:2");
        for wanted in [
            "pe 1:2: frozen; function phb1/00.0/00.0 8086:10d3 class 020000, rid 01:00.0",
            "bar 0: 128 KiB at 0x3fe080000000, bus 0x80000000",
            "m64 window 3: 256 MiB at 0x3d0000000000",
            "dma window 0x0 to 0x40000000, tve 4",
        ] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        assert!(!text.contains("msi"), "{text}");
    }
}
