//! The map that the hypervisor prints when it is asked to, read as `cargo xtask map` reads it.

use anyhow::{Context as _, Result, ensure};
use bundle::Console;
use bundle::build::{PartitionSpec, pack};
use machine_map::{Map, Owner};

use crate::case::{Case, Outcome};
use crate::context::{Context, device, regex, stop_reason};
use crate::passed;

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "map/tells-who-owns-what",
        run: tells_who_owns_what,
    },
    Case {
        name: "map/is-not-printed-unasked",
        run: is_not_printed_unasked,
    },
];

/// A device of each of two partitions, and one that is nobody's.
const FIRST: &str = "phb0/00.0/00.0/01.0";
const SECOND: &str = "phb1/00.0/00.0";
const NOBODYS: &str = "phb0/00.0/00.0/02.0";

/// Boots with boot arguments `words`, until both partitions have ended, and gives the console.
fn console(context: &Context, words: &str) -> Result<String> {
    let mut machine = context
        .machine()
        .device("phb0/00.0/00.0", "pcie-pci-bridge")?;
    for place in [FIRST, NOBODYS, SECOND] {
        machine = machine.device(place, "edu")?;
    }
    let first = PartitionSpec {
        cpus: 1,
        devices: vec![device(FIRST)?],
        ..context.payload("only=basics")?
    };
    let second = PartitionSpec {
        name: "second".to_owned(),
        console: Console::None,
        devices: vec![device(SECOND)?],
        ..first.clone()
    };
    let machine = machine.arg("-append").arg(words);
    let mut session = context.boot(machine, &pack(&[first, second])?)?;
    stop_reason(&mut session, context.limit(60))?;
    Ok(session.stop().join("\n"))
}

fn tells_who_owns_what(context: &Context) -> Outcome {
    let map = Map::from_dump(&console(context, "quiet bulkhead.map")?)?;
    let names: Vec<&str> = map
        .partitions
        .iter()
        .map(|found| found.name.as_str())
        .collect();
    ensure!(names == ["payload", "second"], "partitions {names:?}");
    let functions = map.phbs.iter().flat_map(|phb| {
        let its = phb.functions.iter();
        its.map(move |function| (phb, function))
    });
    let functions: Vec<_> = functions.collect();
    for (place, lpid) in [(FIRST, 1), (SECOND, 2)] {
        let (phb, function) = functions
            .iter()
            .find(|(_, function)| function.path.to_string() == place)
            .with_context(|| format!("{place} is not in the map"))?;
        ensure!(
            function.owner == Owner::Partition(lpid),
            "{place} is {:?}'s",
            function.owner
        );
        let found = function.found.as_ref().context("nothing was found")?;
        let is_its = |pe| pe == found.pe && phb.owner_of(pe) == Owner::Partition(lpid);
        let windows: Vec<_> = phb.windows.iter().filter(|its| is_its(its.pe)).collect();
        ensure!(
            windows.len() == 1 && windows[0].bytes == 1 << 30,
            "DMA windows of {place}: {windows:?}"
        );
        let m32 = phb.m32.context("no 32-bit window")?;
        let bar = found.bars.first().context("edu has a BAR")?;
        let segment = (bar.pci - m32.pci) >> m32.segment_shift;
        let holds = |its: &&machine_map::Segments| {
            (u64::from(its.first)..u64::from(its.first) + u64::from(its.count)).contains(&segment)
        };
        let owner = phb.segments.iter().find(holds).map(|its| its.pe);
        ensure!(owner == Some(found.pe), "segment {segment} is {owner:?}'s");
        let messages = phb.messages.iter().filter(|its| is_its(its.pe)).count();
        ensure!(messages == 1, "{messages} blocks of messages for {place}");
    }
    let nobodys = functions
        .iter()
        .find(|(_, function)| function.path.to_string() == NOBODYS);
    ensure!(
        nobodys.is_some_and(|(_, function)| function.owner == Owner::Nobody),
        "{nobodys:?}"
    );
    passed()
}

fn is_not_printed_unasked(context: &Context) -> Outcome {
    let console = console(context, "quiet")?;
    let line = regex(r"(?m)^bulkhead\| map1 ")?.find(&console);
    ensure!(line.is_none(), "there is a map");
    passed()
}
