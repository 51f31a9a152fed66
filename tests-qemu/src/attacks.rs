//! A partition that does all the harm it can, beside one that works.

use anyhow::{Context as _, Result, ensure};
use bundle::Console;
use bundle::build::PartitionSpec;

use crate::case::{Case, Outcome, Part, Verdict};
use crate::context::{Context, device, ethernet, regex, stops_with};
use crate::linux::{OWN_BRIDGES, Variant, boot};
use crate::monitor::Operator;
use crate::passed;
use crate::payload::{EDU, OURS, machine_with_edus};
use crate::shared::{quiet, shared, work_beside};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "attack-longest",
        run: longest,
    },
    Case {
        name: "attack-by-device",
        run: by_device,
    },
    Case {
        name: "attack-slows",
        run: slows,
    },
    Case {
        name: "attacked-linux-6.1",
        run: beside_linux,
    },
];

/// Where the attacker has its device.
const PLACE: &str = "phb2/00.0/00.0";
/// What the attacker tells on the panel: its seed; calls, those served, transfers, processors that did not end.
const TOLD: &str =
    r"partition attacker: panel: attack (\d+): (\d+) calls, (\d+) done, (\d+) transfers, 0 missing";
/// Calls that the attacker makes in the ordinary tests, on each of its processors.
const CALLS: u64 = 50_000;
/// The most instructions that the hypervisor may take for a call before it looks at interrupts again.
const MOST_INSTRUCTIONS: u64 = 50_000;

/// The part of its work that a partition may lose to an attacker beside it that has its own share of the processor.
const MOST_LESS: f64 = 0.1;

/// The attacker: two processors, a device, two Ethernet adapters that hear each other, and no console.
fn attacker(context: &Context, words: &str) -> Result<PartitionSpec> {
    Ok(PartitionSpec {
        name: "attacker".to_owned(),
        memory_bytes: 32 << 20,
        console: Console::None,
        devices: vec![device(PLACE)?],
        ethernets: vec![ethernet(1, 1), ethernet(1, 2)],
        ..context.payload(&format!("mode=attack {words}"))?
    })
}

/// The attacker's device is sent to memory of another partition, of the hypervisor, to what is between (page tables, tables of
/// the bridges), to the other's registers and messages, and to all of that by other windows than its own. Nothing is reached,
/// and nothing after the attacker has begun anew with a transfer under way.
fn by_device(context: &Context) -> Outcome {
    let [ours, theirs] = OURS;
    let attacker = PartitionSpec {
        name: "attacker".to_owned(),
        memory_bytes: 64 << 20,
        cpus: 1,
        devices: vec![device(ours)?],
        ..context.payload("mode=aim")?
    };
    let victim = PartitionSpec {
        name: "victim".to_owned(),
        memory_bytes: 256 << 20,
        cpus: 1,
        devices: vec![device(theirs)?],
        ..context.payload("mode=victim")?
    };
    let bytes = bundle::build::pack(&[attacker, victim])?;
    let mut session = context.boot(machine_with_edus(context)?, &bytes)?;
    let mut seen = Vec::new();
    let ready = "^(attacker: guest-test: aims from 0|victim: guest-test: victim is filled)$\
        |^victim: guest-test: victim's bar [0-9a-f]+ message [0-9a-f]+ [0-9a-f]+ irq ";
    for _ in 0..3 {
        seen.push(session.wait_for(&regex(ready)?, context.limit(60))?);
    }
    let form = regex(r"victim's bar ([0-9a-f]+) message ([0-9a-f]+) ([0-9a-f]+) irq")?;
    let told = seen.iter().find_map(|line| form.captures(line));
    let (_, [bar, message, data]) = told.context("the victim tells of its device")?.extract();
    let [bar, message, data] = [bar, message, data].map(|word| u64::from_str_radix(word, 16));
    let (bar, message, data) = (bar?, message?, data?);
    let mut operator = Operator::begin(&mut session, context.limit(60))?;
    let [own, others] = ["attacker", "victim"].map(|name| memory_of(&mut operator, name));
    let (own, others) = (own?, others?);
    operator.types("attach attacker\r")?;
    operator.line(r"^bulkhead\| console: 1, attacker")?;
    // What it has mapped it does reach, so that it would be seen.
    aim(&mut operator, "50000", 0x5_0000, "hit true leaked false")?;
    for place in targets(own, others).into_iter().chain([bar, bar | 1 << 59]) {
        let nothing = "hit false leaked false";
        aim(&mut operator, &format!("{place:x}"), place, nothing)?;
    }
    for data in [data, data ^ 1, data + 16] {
        for place in [message, 0xffff_0000, 1 << 60 | message & 0xffff] {
            let words = format!("{place:x} {data:x}");
            aim(&mut operator, &words, place, "hit false leaked false")?;
        }
    }
    // A transfer to the victim is under way, and one from what was mapped.
    operator.types(&format!("{:x}\r", others[0] + (32 << 20)))?;
    operator.types("\x1dm")?;
    operator.prompt("^monitor> $")?;
    operator.types("lpar restart attacker\rattach attacker\r")?;
    operator.line(r"^bulkhead\| .* partition attacker: vcpu 0 starts at ")?;
    // It has tried what was mapped before.
    operator.line("^guest-test: aims from 0$")?;
    operator.types("\x1d2\r")?;
    // Inverted what the victim has stored; no interrupt.
    operator.line("^guest-test: victim has 0 wrong, edcba987, ff000000$")?;
    // One of its own does come.
    operator.types("1 1\r")?;
    operator
        .line("^guest-test: victim has 0 wrong, edcba987, ff[0-9a-f]{3}[1-9a-f][0-9a-f]{2}$")?;
    passed()
}

/// Aims at a place, and waits for what is told of it.
fn aim(operator: &mut Operator<'_>, words: &str, place: u64, says: &str) -> Result<()> {
    operator.types(&format!("{words}\r"))?;
    let line = format!("^guest-test: aimed at {place:x}: {says}$");
    operator.line(&line).map(drop)
}

/// Where a partition's memory begins and ends.
fn memory_of(operator: &mut Operator<'_>, name: &str) -> Result<[u64; 2]> {
    operator.types("mem\r")?;
    let line = operator.line(&format!("^  0x[0-9a-f]+ to 0x[0-9a-f]+ {name}$"))?;
    operator.prompt("^monitor> $")?;
    let words = line
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("0x"));
    let ends: Vec<u64> = words
        .map(|word| u64::from_str_radix(word, 16))
        .collect::<Result<_, _>>()?;
    ends.try_into()
        .map_err(|_| anyhow::anyhow!("`{line}` tells no range"))
}

/// Bus addresses that are real addresses of what is not the attacker's, and those by which other windows would be chosen.
fn targets(own: [u64; 2], others: [u64; 2]) -> Vec<u64> {
    let memory = [
        others[0],
        others[0] + (16 << 20),
        others[0] + (128 << 20),
        others[1] - 0x1000,
    ];
    // The image, stacks, heap; page tables and tables of windows and bridges stand beside partitions' memory.
    let firmware = [0, 0x1_0000, 0x10_0000, 0x20_0000, 0x40_0000];
    let tables = [
        own[0] - 0x1000,
        own[1],
        others[0] - 0x1000,
        others[1],
        others[1] + 0x20_0000,
    ];
    let plain = [&memory[..], &firmware, &tables].concat();
    // The second window of an endpoint, and the space of messages.
    let by_window = [memory[1], firmware[1], tables[1]];
    let by_window = by_window
        .into_iter()
        .flat_map(|at| [at | 1 << 59, at | 1 << 58, at | 1 << 61]);
    let own_real = own[0] + (1 << 20);
    plain
        .iter()
        .copied()
        .chain(by_window)
        .chain([own_real])
        .collect()
}

/// How long each call of the attacker's takes at most, in instructions: it has the only processor, and time is
/// counted in them.
fn longest(context: &Context) -> Outcome {
    let mut partition = attacker(context, &format!("calls={}", 2 * CALLS))?;
    partition.console = Console::Vty;
    partition.cpus = 1;
    let machine = context.machine().cpus(1).icount("shift=0,sleep=off");
    let bytes = bundle::build::pack(&[partition])?;
    let mut session = context.boot(machine.device(PLACE, EDU)?, &bytes)?;
    session.wait_for(&regex(TOLD)?, context.limit(120))?;
    stops_with(&mut session, "power-off", context.limit(20))?;
    let log = session.log().to_owned();
    let lines = session.stop();
    let form = regex(r"^longest (\S+) (\d+|never)$")?;
    let parts: Vec<Part> = lines
        .iter()
        .filter_map(|line| form.captures(line))
        .map(|captures| longest_part(&captures[1], &captures[2]))
        .collect::<Result<_>>()?;
    ensure!(
        parts.len() > 40,
        "{} calls were made; {}",
        parts.len(),
        log.display()
    );
    Ok(parts)
}

/// The part for call `name`, whose longest took `ticks` of the timebase, which has 512 for 1000 instructions.
fn longest_part(name: &str, ticks: &str) -> Result<Part> {
    let verdict = match (name, ticks.parse::<u64>()) {
        // Its own steps are in the benchmark.
        ("H_CEDE", _) => Verdict::Skipped("it waits as long as the attacker says".to_owned()),
        (_, Err(_)) => Verdict::Failed("it was never made".to_owned()),
        (_, Ok(ticks)) => {
            let instructions = ticks.saturating_mul(1000) / 512;
            println!("  {name}: {instructions} instructions at most");
            if instructions <= MOST_INSTRUCTIONS {
                Verdict::Passed
            } else {
                Verdict::Failed(format!("one took {instructions} instructions"))
            }
        }
    };
    Ok(Part {
        name: name.to_owned(),
        verdict,
    })
}

/// How much less a partition does that has half of a processor, with the attacker on the other half, than with one that waits:
/// in instructions, of which the same number is executed in the same time.
fn slows(context: &Context) -> Outcome {
    let mut waits = quiet(context, "waits", "mode=wait")?;
    waits.processors = shared(50, 255);
    let mut hostile = attacker(context, "calls=1000 again=1")?;
    hostile.processors = shared(50, 255);
    let machine = || context.machine().device(PLACE, EDU);
    let (alone, _) = work_beside(context, machine()?, waits)?;
    let (attacked, lines) = work_beside(context, machine()?, hostile)?;
    let [calls, done, _] = attacks(&lines)?;
    ensure!(calls > 0 && done > 0, "{calls} calls, {done} served");
    let less = (alone - attacked) / alone;
    println!(
        "  {alone} instructions of work beside one that waits, {attacked} beside one that attacks: {:.2} % less",
        less * 100.0
    );
    ensure!(less < MOST_LESS, "{:.2} % less work", less * 100.0);
    passed()
}

/// Debian copies and sums a disk, pings and fetches a page, and loses nothing, beside one that attacks all the while,
/// reboots in between, and shares its processors.
fn beside_linux(context: &Context) -> Outcome {
    let mut all = [0; 3];
    loop {
        let mut attacker = attacker(context, &format!("calls={} again=1", CALLS / 10))?;
        attacker.processors = shared(60, 255);
        let variant = Variant {
            processors: shared(110, 128),
            others: vec![attacker],
            change: |machine, _| Ok(machine.device(PLACE, EDU)?),
            ..Variant::SPINE
        };
        let (mut parts, lines) = boot(context, "debian-6.1", &OWN_BRIDGES, variant)?;
        if lines.is_empty() {
            return Ok(parts);
        }
        let this = attacks(&lines)?;
        let failures = regex(r"^bulkhead\|.* WARN .*[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]: ")?;
        let failures = lines.iter().filter(|line| failures.is_match(line)).count();
        ensure!(
            failures <= 33,
            "{failures} lines about failures of the attacker's device"
        );
        all.iter_mut()
            .zip(this)
            .for_each(|(all, this)| *all += this);
        let [calls, done, transfers] = all;
        println!("  {calls} calls, {done} served, {transfers} transfers");
        let is_attack = this[0] > 0 && done > 0 && done < calls && transfers > 0;
        let has_failed = parts
            .iter()
            .any(|part| matches!(part.verdict, Verdict::Failed(_)));
        if is_attack && !has_failed && calls < context.attack_calls {
            continue;
        }
        let verdict = if is_attack {
            Verdict::Passed
        } else {
            Verdict::Failed(format!(
                "{calls} calls, {done} served, {transfers} transfers"
            ))
        };
        parts.push(Part {
            name: "was-attacked".to_owned(),
            verdict,
        });
        return Ok(parts);
    }
}

/// How many calls the attacker says that it has made, how many were served, and how many transfers there were.
fn attacks(lines: &[String]) -> Result<[u64; 3]> {
    let form = regex(TOLD)?;
    let rounds = lines.iter().filter_map(|line| form.captures(line));
    let mut all = [0; 3];
    for round in rounds {
        for (sum, place) in all.iter_mut().zip(2..) {
            *sum += round[place].parse::<u64>()?;
        }
    }
    Ok(all)
}
