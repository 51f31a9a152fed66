//! Partitions whose processors share the machine's: what each gets of them, and that nothing else changes.

use anyhow::{Context as _, Result, ensure};
use bundle::build::PartitionSpec;
use bundle::{Console, Processors};
use qemu_run::{Machine, Source};

use crate::case::{Case, Outcome, Part, Verdict};
use crate::context::{Context, device, regex, stops_with};
use crate::linux::{OWN_BRIDGES, spine_beside};
use crate::passed;
use crate::payload::{OURS, machine_with_edus, network, run_first};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "shared-guest-test",
        run: whole,
    },
    Case {
        name: "shared-guest-test-beside-others",
        run: beside_others,
    },
    Case {
        name: "shared-reboot",
        run: reboot,
    },
    Case {
        name: "shared-linux-6.1",
        run: linux,
    },
    Case {
        name: "shared-three-on-one",
        run: three_on_one,
    },
    Case {
        name: "shared-by-weight",
        run: by_weight,
    },
    Case {
        name: "shared-beside-restarts",
        run: beside_restarts,
    },
    Case {
        name: "shared-eight-on-two",
        run: eight_on_two,
    },
];

/// What the first partition of some that work has told at the end.
const ENDED: &str = r"partition p0: os-term: share .* vpa \d";

/// Processors that are shared, with such an entitlement in hundredths of a thread, and weight.
pub(crate) fn shared(entitlement: u32, weight: u8) -> Processors {
    Processors::Shared {
        entitlement,
        weight,
    }
}

/// All cases of the payload, whose two processors have one thread between them: interrupts and prods cross over
/// while one of the two at most runs, and wait where MSR\[EE\] is off.
fn whole(context: &Context) -> Outcome {
    const NVME: &str = "phb0/00.0/00.3";
    let [first, second] = OURS;
    let mut partition = context.payload(&context.payload_words)?;
    partition.processors = shared(100, 128);
    let paths = [first, second, NVME];
    partition.devices = paths.into_iter().map(device).collect::<Result<_>>()?;
    partition.ethernets = network();
    let machine = machine_with_edus(context)?.device(NVME, "nvme,serial=bulkhead")?;
    run_first(context, machine.cpus(1), &[partition])
}

/// The same on two threads, beside one that uses all that it can get and one that starts anew again and again; and one
/// with a processor to itself.
fn beside_others(context: &Context) -> Outcome {
    let [ours, theirs] = OURS;
    let mut partition = context.payload("")?;
    partition.processors = shared(100, 128);
    partition.devices = vec![device(ours)?];
    let mut greedy = quiet(context, "greedy", "mode=share ms=12000")?;
    greedy.processors = shared(50, 255);
    let mut again = quiet(context, "again", "mode=reboot")?;
    again.processors = shared(10, 0);
    again.devices = vec![device(theirs)?];
    let apart = quiet(context, "apart", "mode=share ms=2000")?;
    let partitions = [partition, greedy, again, apart];
    let bytes = bundle::build::pack(&partitions)?;
    let mut session = context.boot(machine_with_edus(context)?.cpus(3), &bytes)?;
    // What the hypervisor tells of the others may come in the middle of a line of the payload's, which may be preempted
    // there: its own summary counts.
    let summary = regex(
        r"guest-test: (\d+ passed, \d+ failed)|guest-test: .*(Stopped|panic|unexpected interrupt)",
    )?;
    let line = session.wait_for_in(Source::Partitions, &summary, context.limit(240))?;
    ensure!(
        line.ends_with(" passed, 0 failed"),
        "{line}; {}",
        session.log().display()
    );
    stops_with(&mut session, "power-off", context.limit(60))?;
    passed()
}

fn reboot(context: &Context) -> Outcome {
    let mut partition = context.payload("mode=reboot")?;
    partition.processors = shared(20, 0);
    let bytes = bundle::build::pack(&[partition])?;
    let mut session = context.boot(context.machine().cpus(1), &bytes)?;
    stops_with(&mut session, "power-off", context.limit(60))?;
    for start in 1..=3 {
        let line = format!("guest-test: start number {start} ");
        let told = session
            .lines()
            .into_iter()
            .any(|text| text.starts_with(&line));
        ensure!(told, "no line `{line}`; {}", session.log().display());
    }
    passed()
}

/// The payload without console and devices, 32 MiB and one CPU.
pub(crate) fn quiet(context: &Context, name: &str, words: &str) -> Result<PartitionSpec> {
    Ok(PartitionSpec {
        name: name.to_owned(),
        memory_bytes: 32 << 20,
        cpus: 1,
        console: Console::None,
        ..context.payload(words)?
    })
}

/// What a partition tells of its time, in microseconds; and the instructions of its work.
struct Told {
    had: f64,
    of: f64,
    waited: f64,
    did: f64,
    /// R4 to r7 of H_GET_PPP.
    ppp: [u64; 4],
}

/// Runs partitions that all use what they get, for `milliseconds`, on `cpus`; what each tells.
fn shares(
    context: &Context,
    cpus: u32,
    milliseconds: u64,
    kinds: &[Processors],
) -> Result<Vec<Told>> {
    let partitions = kinds.iter().enumerate().map(|(number, kind)| {
        let words = format!("mode=share ms={milliseconds}");
        let mut partition = quiet(context, &format!("p{number}"), &words)?;
        partition.processors = *kind;
        Ok(partition)
    });
    let partitions = partitions.collect::<Result<Vec<_>>>()?;
    // On one CPU time is counted in instructions, so that a busy host takes none; on several that would have each of
    // them stand while another runs.
    let machine = context.machine().cpus(cpus);
    let machine = if cpus == 1 {
        machine.icount("shift=4,sleep=off")
    } else {
        machine
    };
    let mut session = context.boot(machine, &bundle::build::pack(&partitions)?)?;
    stops_with(&mut session, "power-off", context.limit(300))?;
    let lines = session.stop();
    (0..kinds.len())
        .map(|number| {
            let told = told(&lines, number)?;
            let wanted = ppp(kinds, number, cpus.into())?;
            ensure!(
                told.ppp == wanted,
                "p{number}: H_GET_PPP tells {:x?}, the manifest {wanted:x?}",
                told.ppp
            );
            Ok(told)
        })
        .collect()
}

/// R4 to r7 of H_GET_PPP for partition `number` of those with `kinds`, all of which share `cpus`. Source: LoPAR 2.9,
/// "H_GET_PPP".
fn ppp(kinds: &[Processors], number: usize, cpus: u64) -> Result<[u64; 4]> {
    let of = |kind: &Processors| match kind {
        Processors::Shared {
            entitlement,
            weight,
        } => Some((u64::from(*entitlement), u64::from(*weight))),
        Processors::Dedicated => None,
    };
    let promised: u64 = kinds
        .iter()
        .filter_map(of)
        .map(|(entitled, _)| entitled)
        .sum();
    let own = kinds.get(number).and_then(of);
    let (entitlement, weight) = own.context("it does not share")?;
    Ok([
        entitlement,
        cpus * 100 - promised,
        (number as u64 + 1) << 16,
        u64::from(weight == 0) << 48 | weight << 40 | cpus << 16 | cpus,
    ])
}

/// What partition `number` tells in `lines`.
fn told(lines: &[String], number: usize) -> Result<Told> {
    let form = regex(&format!(
        r"partition p{number}: os-term: share (\d+) of (\d+) waits (\d+) (\d+) \d+ did (\d+) count (\d+) vpa 0 ppp (\d+) (\d+) ([0-9a-f]+) ([0-9a-f]+)$"
    ))?;
    let captures = lines.iter().find_map(|line| form.captures(line));
    let captures = captures.with_context(|| format!("p{number} tells nothing"))?;
    let value = |index: usize| captures.get(index)?.as_str().parse::<f64>().ok();
    let whole = |index: usize, radix| -> Result<u64> {
        let digits = captures.get(index).map_or("", |digits| digits.as_str());
        Ok(u64::from_str_radix(digits, radix)?)
    };
    let all = [1, 2, 3, 4, 5, 6].map(|index| value(index).unwrap_or(f64::NAN));
    let [had, of, thread, entitlement, did, count] = all;
    ensure!(
        count % 2.0 == 0.0,
        "p{number}: its dispatch count is odd while it runs"
    );
    Ok(Told {
        had,
        of,
        waited: thread + entitlement,
        did,
        ppp: [whole(7, 10)?, whole(8, 10)?, whole(9, 16)?, whole(10, 16)?],
    })
}

/// A part for each partition: whether it had a thread for `wanted`, a part of the time, within `tolerance` of that; and
/// how much of that it could use, when switching took its part.
fn compare(told: &[Told], wanted: &[f64], tolerance: f64) -> Outcome {
    let part = |(number, (told, wanted)): (usize, (&Told, &f64))| {
        let dispatched = (told.of - told.waited) / told.of;
        let used = told.had / told.of;
        let verdict = if (dispatched - wanted).abs() > wanted * tolerance {
            Verdict::Failed(format!(
                "had a thread for {dispatched:.4} of the time, {wanted:.4} wanted"
            ))
        } else if !(0.9..=1.01).contains(&(used / dispatched)) {
            Verdict::Failed(format!(
                "used {used:.4} of the time, and had a thread for {dispatched:.4}"
            ))
        } else {
            Verdict::Passed
        };
        Part {
            name: format!("p{number}"),
            verdict,
        }
    };
    Ok(told.iter().zip(wanted).enumerate().map(part).collect())
}

fn three_on_one(context: &Context) -> Outcome {
    let kinds = [50, 30, 20].map(|entitlement| shared(entitlement, 0));
    let told = shares(context, 1, 3000, &kinds)?;
    compare(&told, &[0.5, 0.3, 0.2], 0.03)
}

/// Of a processor of which 30 hundredths are promised, what is left goes by weight; the capped one gets none.
fn by_weight(context: &Context) -> Outcome {
    let told = shares(
        context,
        1,
        3000,
        &[shared(10, 60), shared(10, 180), shared(10, 0)],
    )?;
    compare(&told, &[0.1 + 0.7 / 4.0, 0.1 + 0.7 * 3.0 / 4.0, 0.1], 0.05)
}

/// One that begins anew all the time, with much memory to scrub, has no more than its part of the processor.
fn beside_restarts(context: &Context) -> Outcome {
    let mut steady = quiet(context, "p0", "mode=share ms=5000")?;
    steady.processors = shared(60, 0);
    let mut restless = quiet(context, "restless", "mode=attack calls=10 again=1")?;
    restless.processors = shared(40, 255);
    restless.memory_bytes = 512 << 20;
    let machine = context.machine().cpus(1).icount("shift=4,sleep=off");
    let mut session = context.boot(machine, &bundle::build::pack(&[steady, restless])?)?;
    session.wait_for(&regex(ENDED)?, context.limit(120))?;
    let lines = session.stop();
    let restarts = lines
        .iter()
        .filter(|line| line.contains("partition restless: restarts"))
        .count();
    ensure!(restarts > 3, "it began anew {restarts} times only");
    compare(&[told(&lines, 0)?], &[0.6], 0.03)
}

/// What a partition that works all the time does in three seconds, as half of the processor is its own, beside `other`; and all
/// lines that were printed meanwhile.
pub(crate) fn work_beside(
    context: &Context,
    machine: Machine,
    other: PartitionSpec,
) -> Result<(f64, Vec<String>)> {
    let mut steady = quiet(context, "p0", "mode=share ms=3000")?;
    steady.processors = shared(50, 0);
    // A processor as slow as with 4 would have the lines of the log, which whoever runs prints, count for more.
    let machine = machine.cpus(1).icount("shift=2,sleep=off");
    let mut session = context.boot(machine, &bundle::build::pack(&[steady, other])?)?;
    session.wait_for(&regex(ENDED)?, context.limit(120))?;
    let lines = session.stop();
    Ok((told(&lines, 0)?.did, lines))
}

fn eight_on_two(context: &Context) -> Outcome {
    let told = shares(context, 2, 10_000, &[shared(25, 128); 8])?;
    compare(&told, &[0.25; 8], 0.05)
}

/// Debian on two shared processors of two, one of which somebody else uses up: all that it checks on its own, and the
/// time that was stolen from it.
fn linux(context: &Context) -> Outcome {
    let mut greedy = quiet(context, "greedy", "mode=share ms=600000")?;
    greedy.processors = shared(90, 255);
    let (mut parts, lines) = spine_beside(
        context,
        "debian-6.1",
        &OWN_BRIDGES,
        shared(110, 128),
        vec![greedy],
    )?;
    if lines.is_empty() {
        return Ok(parts);
    }
    let form = regex(r"BH-NOTE stat (?:\d+ ){7}(\d+) ")?;
    let stolen = lines
        .iter()
        .find_map(|line| form.captures(line)?.get(1)?.as_str().parse::<u64>().ok());
    let verdict = match stolen {
        Some(0) => Verdict::Failed("the kernel counts no stolen time".to_owned()),
        Some(_) => Verdict::Passed,
        None => Verdict::Failed("the guest tells nothing of it".to_owned()),
    };
    parts.push(Part {
        name: "stolen-time".to_owned(),
        verdict,
    });
    Ok(parts)
}
