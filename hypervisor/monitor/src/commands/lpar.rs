//! `lpar list`, `lpar show`, `irq`.

use super::Size;
use super::pe::describe;
use crate::command::{Problem, Request};
use crate::facts::{Partition, PartitionState, ProcessorState};
use crate::page::Page;
use map_dump::{Owner, Record};

const fn state(state: PartitionState) -> &'static str {
    match state {
        PartitionState::Starting => "starting",
        PartitionState::Running => "running",
        PartitionState::Asked => "asked",
        PartitionState::Told => "told",
        PartitionState::Ending => "ending",
        PartitionState::Off => "off",
    }
}

pub(super) fn list(request: &Request<'_>, page: &mut Page<'_>) -> Result<(), Problem> {
    page.line(format_args!(
        "  id name                             state    cpus     memory functions refused"
    ));
    request.facts.partitions(&mut |partition| {
        let mut functions = 0u32;
        request.facts.map(&mut |record| {
            if let Record::Function { owner, .. } = record
                && *owner == Owner::Partition(partition.lpid)
            {
                functions = functions.saturating_add(1);
            }
        });
        page.line(format_args!(
            "{:4} {:32} {:8} {:4} {:6} MiB {functions:9} {:7}",
            partition.lpid,
            partition.name,
            state(partition.state),
            partition.cpus,
            partition.memory_bytes >> 20,
            partition.refusals,
        ));
    });
    Ok(())
}

/// All that a partition owns, on one screen as long as its devices are few.
pub(super) fn show(request: &Request<'_>, page: &mut Page<'_>) -> Result<(), Problem> {
    request.partition(|partition| {
        head(partition, page);
        cpus(request, partition, page);
        let its = |_, owner| owner == Owner::Partition(partition.lpid);
        describe(request.facts, &its, page);
        request.facts.windows(partition.lpid, &mut |window| {
            page.line(format_args!(
                "liobn {:#x}: bus {:#x} to {:#x}, pages of {}",
                window.liobn,
                window.first,
                window.first.saturating_add(window.bytes),
                Size(1u64.checked_shl(window.page_shift.into()).unwrap_or(0)),
            ));
        });
    })
}

fn head(partition: &Partition<'_>, page: &mut Page<'_>) {
    page.line(format_args!(
        "partition {}, {}: {}, {} requests refused",
        partition.lpid,
        partition.name,
        match partition.state {
            PartitionState::Asked => {
                "running, asked to shut itself down but has not taken notice"
            }
            PartitionState::Told => "running, has taken notice that it is to shut itself down",
            other => state(other),
        },
        partition.refusals
    ));
    page.line(format_args!(
        "memory {} at {:#x}, of it {} in real mode; page table {}",
        Size(partition.memory_bytes),
        partition.memory_at,
        Size(partition.real_mode_bytes),
        Size(partition.hpt_bytes)
    ));
    match partition.console {
        Some((printed, waiting)) => page.line(format_args!(
            "console: {printed} bytes printed, {waiting} wait"
        )),
        None => page.line(format_args!("console: none")),
    }
}

fn cpus(request: &Request<'_>, partition: &Partition<'_>, page: &mut Page<'_>) {
    request.facts.processors(partition.lpid, &mut |cpu| {
        let state = match cpu.state {
            ProcessorState::Stopped => "stopped",
            ProcessorState::Stopping => "stopping",
            ProcessorState::Running => "running",
            ProcessorState::Ceded => "ceded",
        };
        match cpu.pir {
            Some(pir) => page.line(format_args!(
                "cpu {}: {state}, on thread {pir:#x}",
                cpu.server
            )),
            None => page.line(format_args!("cpu {}: {state}", cpu.server)),
        }
    });
    if let Some(share) = partition.share {
        page.line(format_args!(
            "cpus share threads: entitled to {}.{:02}, {}",
            share.entitlement.wrapping_div(100),
            share.entitlement.wrapping_rem(100),
            Weight(share.weight)
        ));
    }
}

pub(super) fn irq(request: &Request<'_>, page: &mut Page<'_>) -> Result<(), Problem> {
    let only = if request.word.is_empty() {
        None
    } else {
        Some(request.lpid()?)
    };
    page.line(format_args!(
        "     irq kind    partition                        cpu priority"
    ));
    request.facts.partitions(&mut |partition| {
        if only.is_some_and(|lpid| lpid != partition.lpid) {
            return;
        }
        request.facts.interrupts(partition.lpid, &mut |irq| {
            page.line(format_args!(
                "{:#8x} {:7} {:32} {:3} {}",
                irq.number,
                if irq.level { "level" } else { "message" },
                partition.name,
                irq.server,
                Priority(irq.on.then_some(irq.priority)),
            ));
        });
    });
    Ok(())
}

/// A weight, 0 being none.
struct Weight(u8);

impl core::fmt::Display for Weight {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            0 => f.write_str("capped"),
            weight => write!(f, "weight {weight}"),
        }
    }
}

/// A priority, of a source that is on.
struct Priority(Option<u8>);

impl core::fmt::Display for Priority {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(0xff) => f.write_str("never"),
            Some(priority) => write!(f, "{priority}"),
            None => f.write_str("off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Machine, answer, answer_of, rows};

    #[test]
    fn all_partitions_are_listed() {
        let text = answer("lpar list", "");
        assert_eq!(
            rows(&text),
            [
                ["1", "linux", "running", "2", "1024", "MiB", "1", "3"],
                ["2", "db", "off", "1", "512", "MiB", "1", "0"]
            ]
        );
    }

    #[test]
    fn one_that_was_asked_to_stop_is_told_of_while_it_does_not() {
        let machine = Machine::new();
        for (state, word, sentence) in [
            (
                PartitionState::Asked,
                "asked",
                "partition 1, linux: running, asked to shut itself down but has not taken notice, 3 ",
            ),
            (
                PartitionState::Told,
                "told",
                "partition 1, linux: running, has taken notice that it is to shut itself down, 3 ",
            ),
        ] {
            machine.state.set(Some(state));
            let list = answer_of(&machine, "lpar list", "");
            assert_eq!(rows(&list)[0][2], word);
            let show = answer_of(&machine, "lpar show", "linux");
            assert!(show.starts_with(sentence), "{show}");
        }
    }

    #[test]
    fn all_that_a_partition_owns_is_on_one_screen() {
        for word in ["linux", "1"] {
            let text = answer("lpar show", word);
            for wanted in [
                "partition 1, linux: running, 3 requests refused",
                "memory 1 GiB at 0x40000000, of it 1 GiB in real mode; page table 8 MiB",
                "console: 1234 bytes printed, 5 wait",
                "cpu 0: running, on thread 0x20",
                "cpu 1: ceded, on thread 0x21",
                "pe 0:1: goes on; function phb0/00.0/00.0",
                "rid 01:00.0",
                "m32 segments 4 to 5",
                "dma window 0x0 to 0x40000000, tve 2",
                "msi 0x1010 to 0x101f",
                "lsi 0x17f8",
                "liobn 0x80000001: bus 0x0 to 0x40000000, pages of 4 KiB",
            ] {
                assert!(text.contains(wanted), "{wanted}: {text}");
            }
            assert!(text.lines().count() <= 22, "{text}");
            assert!(!text.contains("1:2"), "another's: {text}");
        }
    }

    #[test]
    fn what_a_partition_has_of_shared_threads_is_told() {
        let text = answer("lpar show", "db");
        for wanted in [
            "\ncpu 0: running\n",
            "\ncpus share threads: entitled to 0.25, weight 128\n",
        ] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        assert!(!answer("lpar show", "linux").contains("share"));
    }

    #[test]
    fn interrupts_are_told_with_where_they_go() {
        let text = answer("irq", "linux");
        assert_eq!(
            rows(&text),
            [
                vec!["0x1010", "message", "linux", "1", "5"],
                vec!["0x17f8", "level", "linux", "0", "off"]
            ]
        );
        assert!(answer("irq", "").contains(" db "));
    }
}
