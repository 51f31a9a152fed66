//! A partition that does all the harm it can, beside one that works.

use anyhow::{Result, ensure};
use bundle::Console;
use bundle::build::PartitionSpec;

use crate::case::{Case, Outcome, Part, Verdict};
use crate::context::{Context, device, ethernet, regex, stops_with};
use crate::linux::{OWN_BRIDGES, Variant, boot};
use crate::payload::EDU;
use crate::shared::shared;

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "attack-longest",
        run: longest,
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
    // How long H_CEDE waits is for the attacker to say.
    let verdict = if ticks == "never" && name != "H_CEDE" {
        Verdict::Failed("it was never made".to_owned())
    } else {
        let instructions = ticks.parse::<u64>().unwrap_or(0) * 1000 / 512;
        println!("  {name}: {instructions} instructions at most");
        if instructions <= MOST_INSTRUCTIONS {
            Verdict::Passed
        } else {
            Verdict::Failed(format!("one took {instructions} instructions"))
        }
    };
    Ok(Part {
        name: name.to_owned(),
        verdict,
    })
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
