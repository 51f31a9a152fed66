//! The monitor: what it answers while partitions run.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bundle::build::{PartitionSpec, pack};
use machine_map::{Map, Owner};
use qemu_run::{HYPERVISOR_PREFIX, Machine, Session, Source};

use crate::case::{Case, Outcome};
use crate::context::{Context, device, regex, stops_with};
use crate::passed;

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "monitor/tells-what-a-partition-owns",
        run: tells_what_a_partition_owns,
    },
    Case {
        name: "monitor/completes-pages-and-refuses",
        run: completes_pages_and_refuses,
    },
];

/// Where the devices of both partitions are.
const PLACES: [&str; 2] = ["phb0/00.0/00.0", "phb1/00.0/00.0"];

/// Two partitions that echo what is typed to them, and their machine.
pub(crate) fn two_partitions(context: &Context) -> Result<(Machine, Vec<PartitionSpec>)> {
    let mut machine = context.machine();
    let mut partitions = Vec::new();
    for (name, place) in ["one", "two"].into_iter().zip(PLACES) {
        machine = machine.device(place, "edu")?;
        partitions.push(PartitionSpec {
            name: name.to_owned(),
            cpus: 1,
            memory_bytes: 256 << 20,
            devices: vec![device(place)?],
            ..context.payload("mode=echo")?
        });
    }
    Ok((machine, partitions))
}

/// Boots them.
pub(crate) fn boot_two(context: &Context) -> Result<Session> {
    let (machine, partitions) = two_partitions(context)?;
    context.boot(machine, &pack(&partitions)?)
}

/// The monitor of a session.
pub(crate) struct Operator<'a> {
    session: &'a mut Session,
    limit: Duration,
}

impl<'a> Operator<'a> {
    /// Enters it, once both partitions listen.
    pub(crate) fn enter(session: &'a mut Session, limit: Duration) -> Result<Self> {
        for _ in 0..2 {
            session.wait_for(&regex("^(one|two): guest-test: echo$")?, limit)?;
        }
        Self::begin(session, limit)
    }

    /// Whoever types in this session, wherever that is.
    pub(crate) fn over(session: &'a mut Session, limit: Duration) -> Self {
        Self { session, limit }
    }

    /// Enters it at once.
    pub(crate) fn begin(session: &'a mut Session, limit: Duration) -> Result<Self> {
        let mut operator = Self::over(session, limit);
        operator.types("\x1dm")?;
        operator.line(r"^bulkhead\| console: the monitor")?;
        operator.prompt("^monitor> $")?;
        Ok(operator)
    }

    pub(crate) fn types(&mut self, keys: &str) -> Result<()> {
        Ok(self.session.send(keys)?)
    }

    pub(crate) fn line(&mut self, pattern: &str) -> Result<String> {
        Ok(self.session.wait_for(&regex(pattern)?, self.limit)?)
    }

    /// What is on a line that does not end.
    pub(crate) fn prompt(&mut self, pattern: &str) -> Result<String> {
        let pattern = regex(pattern)?;
        Ok(self
            .session
            .wait_for_prompt(Source::Any, &pattern, self.limit)?)
    }

    /// Types a command; the lines of its whole answer, without those of the log.
    pub(crate) fn answer(&mut self, command: &str) -> Result<Vec<String>> {
        let mark = self.session.mark();
        self.types(&format!("{command}\r"))?;
        // The line that was typed.
        self.line(&format!("{command}$"))?;
        while self
            .prompt("^(monitor> |-- more: .*--)$")?
            .starts_with("--")
        {
            self.types(" ")?;
        }
        let lines = self.session.lines_from(mark);
        // A part of the prompt may have come before the mark; below the line that was typed nothing ends as that does.
        let typed = lines.iter().rposition(|line| line.ends_with(command));
        let below = lines.into_iter().skip(typed.map_or(0, |at| at + 1));
        let is_prompt = |line: &String| line.starts_with("monitor>") || line.starts_with("-- more");
        Ok(below
            .filter(|line| !line.is_empty() && !line.starts_with(HYPERVISOR_PREFIX))
            .filter(|line| !is_prompt(line))
            .collect())
    }

    /// Types a command and meets lines of its answer in order, then the next prompt.
    pub(crate) fn asks(&mut self, command: &str, lines: &[&str]) -> Result<()> {
        self.types(&format!("{command}\r"))?;
        for line in lines {
            self.line(line)?;
        }
        self.prompt("^monitor> $").map(drop)
    }

    /// Types a command again and again, until a line of its answer matches.
    fn asks_until(&mut self, command: &str, line: &str) -> Result<()> {
        let (wanted, start) = (regex(line)?, Instant::now());
        while !self
            .answer(command)?
            .iter()
            .any(|line| wanted.is_match(line))
        {
            ensure!(
                start.elapsed() < self.limit,
                "`{command}` does not come to tell `{line}`"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

fn tells_what_a_partition_owns(context: &Context) -> Outcome {
    let mut session = boot_two(context)?;
    let mut operator = Operator::enter(&mut session, context.limit(30))?;
    operator.asks(
        "lpar list",
        &[
            r"^ +1 one +running +1 +256 MiB +1 +[0-9]+$",
            r"^ +2 two +running +1 +256 MiB +1 +[0-9]+$",
        ],
    )?;
    operator.asks(
        "lpar show two",
        &[
            "^partition 2, two: running, [0-9]+ requests refused$",
            "^memory 256 MiB at 0x[0-9a-f]+, of it 256 MiB in real mode; page table 2 MiB$",
            "^console: [0-9]+ bytes printed, 0 wait$",
            "^cpu 0: running, on thread 0x[0-9a-f]+$",
            r"^pe 1:[0-9]+: goes on; function phb1/00\.0/00\.0 1234:11e8 class [0-9a-f]{6}, rid [0-9a-f:.]+$",
            "^  bar 0: 1 MiB at 0x[0-9a-f]+, bus 0x[0-9a-f]+$",
            "^  m32 segments [0-9]+ to [0-9]+$",
            "^  dma window 0x0 to 0x40000000, tve [0-9]+$",
            "^  msi 0x[0-9a-f]+ to 0x[0-9a-f]+$",
            "^  lsi 0x[0-9a-f]+$",
            "^liobn 0x8001[0-9a-f]{4}: bus 0x0 to 0x40000000, pages of 4 KiB$",
        ],
    )?;
    operator.asks(
        "pe list",
        &["^0:[0-9]+ +1  goes on", "^1:[0-9]+ +2  goes on"],
    )?;
    operator.types("pe list\r")?;
    let line = operator.line("^0:[0-9]+ +1  goes on")?;
    let pe = line
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned();
    operator.prompt("^monitor> $")?;
    operator.asks(&format!("pe freeze {pe}"), &["it is frozen"])?;
    operator.asks(
        "pe list",
        &[&format!("^{pe} +1  frozen"), "^1:[0-9]+ +2  goes on"],
    )?;
    operator.asks(&format!("pe thaw {pe}"), &["it goes on"])?;
    operator.asks("pe list", &[&format!("^{pe} +1  goes on")])?;
    operator.asks(
        "pe freeze 0:255",
        &["^pe freeze: nobody owns that endpoint"],
    )?;
    operator.asks("irq two", &["^ *0x[0-9a-f]+ message two +0 off$"])?;
    operator.asks("tce list", &["^0x8001[0-9a-f]{4} two .* 0$"])?;
    operator.asks("mem", &["^partitions: 512 MiB$", " two$"])?;
    operator.asks("log 15", &[r"partition two: vcpu 0 starts at "])?;
    operator.types("map\r")?;
    operator.line(r"^bulkhead\| map1 end lines=[0-9]+$")?;
    operator.prompt("^monitor> $")?;
    let map = Map::from_dump(&operator.session.lines().join("\n"))?;
    let owners: Vec<Owner> = map
        .phbs
        .iter()
        .flat_map(|phb| &phb.functions)
        .filter(|function| PLACES.contains(&function.path.to_string().as_str()))
        .map(|function| function.owner)
        .collect();
    ensure!(
        owners == [Owner::Partition(1), Owner::Partition(2)],
        "the map says {owners:?}"
    );
    // Both partitions have run on meanwhile; the monitor leads to their consoles.
    operator.types("attach two\r")?;
    operator.line(r"^bulkhead\| console: 2, two")?;
    operator.types("end\n")?;
    operator.line("^guest-test: echo ended")?;
    // Left and entered again: what was typed before is still there to be called back.
    operator.types("\x1dm")?;
    operator.prompt("^monitor> $")?;
    // It has told that it ends; that its processor has stopped comes after.
    operator.asks_until("lpar list", "^ +2 two +off ")?;
    operator.types("\x1b[A\x1b[A\r")?;
    operator.line(r"^bulkhead\| console: 2, two")?;
    operator.types("\x1d1end\n")?;
    operator.line("^guest-test: echo ended")?;
    stops_with(&mut session, "power-off", context.limit(20))?;
    passed()
}

fn completes_pages_and_refuses(context: &Context) -> Outcome {
    let mut session = boot_two(context)?;
    let mut operator = Operator::enter(&mut session, context.limit(30))?;
    operator.types("lp\tsh\t")?;
    operator.prompt("lpar show $")?;
    operator.types("\t")?;
    operator.line("^one  two  $")?;
    operator.prompt("lpar show $")?;
    operator.types("t\t\r")?;
    operator.line("^partition 2, two: ")?;
    operator.prompt("^monitor> $")?;
    operator.asks("no such thing", &["^no such command; help lists all$"])?;
    operator.asks(
        "lpar show three",
        &["^lpar show: there is no such partition"],
    )?;
    operator.types("help\r")?;
    operator.line("^lpar show LPAR +what a partition is and owns$")?;
    operator.prompt("^-- more: space, enter, q --$")?;
    operator.types(" ")?;
    operator.line("consoles +show all consoles, and leave the monitor$")?;
    operator.prompt("^monitor> $")?;
    // More interrupts than fit on a page.
    operator.types("irq\r")?;
    operator.prompt("^-- more: space, enter, q --$")?;
    operator.types(" ")?;
    operator.line("message two ")?;
    operator.prompt("^monitor> $")?;
    operator.types("consoles\r")?;
    operator.line(r"^bulkhead\| console: all")?;
    for number in [1, 2] {
        operator.types(&format!("\x1d{number}end\n"))?;
        operator.line("^guest-test: echo ended")?;
    }
    stops_with(&mut session, "power-off", context.limit(20))?;
    passed()
}
