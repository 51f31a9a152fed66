//! Everything at once for as long as it is asked for: two Linux partitions that check what they do, an attacker, and a
//! partition that begins anew in each round; and then what must be as it was before.
//!
//! In each round the attacker and the small partition are stopped and looked at in the monitor, then started again.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bundle::Console;
use bundle::build::{Load, PartitionSpec};
use qemu_run::{HttpFixture, Session, WaitError, disk};

use crate::case::{Case, Outcome, Part};
use crate::context::{Context, device, ethernet, regex};
use crate::linux::{absent, copy_is_right, ensure_served, images, verdict};
use crate::monitor::Operator;
use crate::payload::EDU;
use crate::shared::shared;

/// The case of this file.
pub(crate) const CASES: &[Case] = &[Case {
    name: "soak",
    run: soak,
}];

const NVME: &str = "phb0/00.0/00.0";
const NIC: &str = "phb1/00.0/00.0";
/// The attacker's device and the small partition's: functions of one card.
const EDUS: [&str; 2] = ["phb2/00.0/00.0", "phb2/00.0/00.1"];
const DISK_BYTES: u64 = 64 << 20;
const PAGE_BYTES: usize = 1 << 20;
/// Those that are stopped in each round.
const STOPPED: [&str; 2] = ["small", "attacker"];
/// From one round to the next.
const PAUSE: Duration = Duration::from_secs(8);
/// How long the last lines of a console may take to be shown again.
const RECALLED: Duration = Duration::from_secs(3);
/// What no partition but the attacker may tell, nor the machine.
const WRONG: &str = r"Kernel panic|Oops:|partition (linux1|linux2|small): os-term:|^linux\d: BH-LOAD failed|^small: test \S+ \.\.\. FAILED|^small: .*(panic|unexpected interrupt)";

fn soak(context: &Context) -> Outcome {
    let (Some(one), Some(two)) = (
        images(context, "debian-6.1")?,
        images(context, "debian-6.12")?,
    ) else {
        return Ok(vec![absent("debian-6.1 and debian-6.12")]);
    };
    let image = context.file("disk")?;
    disk::create(&image, DISK_BYTES)?;
    let page: Vec<u8> = (0..PAGE_BYTES).map(|n| b'a' + (n * n % 26) as u8).collect();
    let server = HttpFixture::serve(page.clone())?;
    let words = format!(
        "bulkhead.port={} bulkhead.page={} bulkhead.disk={}",
        server.port(),
        disk::sha256_hex(&page),
        disk::sha256_hex(&disk::pattern())
    );
    let seconds = context.soak_seconds;
    let asks = format!("bulkhead.lan=1 bulkhead.peer=2 bulkhead.seconds={seconds} {words}");
    let serves = format!("bulkhead.lan=2 bulkhead.seconds={seconds} {words}");
    let partitions = [
        PartitionSpec {
            devices: vec![device(NVME)?],
            ..linux(context, "linux1", one, 1, &asks)?
        },
        PartitionSpec {
            devices: vec![device(NIC)?],
            ..linux(context, "linux2", two, 2, &serves)?
        },
        PartitionSpec {
            name: "small".to_owned(),
            memory_bytes: 32 << 20,
            cpus: 1,
            processors: shared(15, 64),
            devices: vec![device(EDUS[1])?],
            ..context.payload("only=msi")?
        },
        PartitionSpec {
            name: "attacker".to_owned(),
            memory_bytes: 32 << 20,
            processors: shared(20, 16),
            console: Console::None,
            devices: vec![device(EDUS[0])?],
            ethernets: vec![ethernet(1, 11), ethernet(1, 12)],
            ..context.payload("mode=attack calls=10000 again=1")?
        },
        // Without it the machine would go off with the last Linux.
        PartitionSpec {
            name: "waits".to_owned(),
            memory_bytes: 32 << 20,
            cpus: 1,
            processors: shared(5, 1),
            console: Console::None,
            ..context.payload("mode=wait")?
        },
    ];
    let machine = context
        .machine()
        .nvme(NVME, &image)?
        .e1000e(NIC)?
        .device(EDUS[0], &format!("{EDU},multifunction=on"))?
        .device(EDUS[1], EDU)?;
    let mut session = context.boot(machine, &bundle::build::pack(&partitions)?)?;
    session.fail_on(regex(WRONG)?);
    let mut told = Told::default();
    let rounds = run(context, &mut session, &mut told)?;
    let lines = session.stop();
    let attacks = lines
        .iter()
        .filter(|line| line.contains("partition attacker: panel: attack"))
        .count();
    let tries = lines.iter().filter(|line| is_good_end(line)).count();
    println!(
        "soak: {seconds} s, {rounds} rounds of restarts, {attacks} attacks, {tries} times all cases of messages, {} pages fetched; {}",
        server.requests(),
        told.ends.join("; ")
    );
    let part = |name: &str, result: Result<()>| Part {
        name: name.to_owned(),
        verdict: verdict(result),
    };
    Ok(vec![
        part("nothing-leaks", enough("rounds of restarts", rounds)),
        part("linux-with-nvme", told.judge("linux1", true)),
        part("linux-with-network-card", told.judge("linux2", false)),
        part("attacks", enough("attacks", attacks)),
        part("messages", enough("times that all of them came", tries)),
        part("host-reads-the-copy", copy_is_right(&image)),
        part("host-served-the-page", ensure_served(&server)),
    ])
}

/// A Linux partition that works with what it has.
fn linux(
    context: &Context,
    name: &str,
    [kernel, initrd]: [Vec<u8>; 2],
    last: u8,
    words: &str,
) -> Result<PartitionSpec> {
    Ok(PartitionSpec {
        name: name.to_owned(),
        cpus: 1,
        processors: shared(70, 128),
        kernel,
        load: Load::Elf,
        initrd: Some(initrd),
        ethernets: vec![ethernet(7, last)],
        ..context.payload(&format!("console=hvc0 bulkhead.test=load {words}"))?
    })
}

fn is_good_end(line: &str) -> bool {
    line.contains("guest-test: ")
        && line.ends_with(" passed, 0 failed")
        && !line.contains(" 0 passed")
}

fn enough(what: &str, count: usize) -> Result<()> {
    ensure!(count > 0, "no {what}");
    Ok(())
}

/// How the Linux partitions have ended, in their words.
#[derive(Debug, Default)]
struct Told {
    ends: Vec<String>,
}

impl Told {
    /// Looks at what the console of partition `number` has printed last, unless how it ended is known: that may have come
    /// while the monitor was shown.
    fn recall(&mut self, session: &mut Session, number: usize) -> Result<()> {
        let name = format!("linux{number}");
        if self.ends.iter().any(|end| end.starts_with(&name)) {
            return Ok(());
        }
        session.send(&format!("\x1d{number}"))?;
        match session.wait_for(&regex("^BH-LOAD end .* done$")?, RECALLED) {
            Ok(line) => self.ends.push(format!("{name}: {line}")),
            Err(WaitError::Timeout { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(session.send("\x1da")?)
    }

    /// Whether `name` has worked, and nothing of it failed, came late or is missing.
    fn judge(&self, name: &str, has_disk: bool) -> Result<()> {
        let end = self.ends.iter().find(|end| end.starts_with(name));
        let end = end.with_context(|| format!("{name} has not ended"))?;
        let form = regex(
            r" rounds (\d+) failures (\d+) late (\d+) open (\d+) requests (\d+) interrupts (\d+) ",
        )?;
        let captures = form
            .captures(end)
            .with_context(|| format!("`{end}` tells nothing"))?;
        let (_, words) = captures.extract::<6>();
        let [rounds, failures, late, open, requests, interrupts] =
            words.map(|word| word.parse::<u64>().unwrap_or(u64::MAX));
        ensure!(rounds > 0, "it has done nothing");
        ensure!(failures == 0, "{failures} of its checks failed");
        ensure!(late == 0, "{late} interrupts were missed, says its kernel");
        ensure!(open == 0, "{open} requests to its disk were not answered");
        ensure!(
            !has_disk || (requests > 0 && interrupts > 0),
            "{requests} requests to its disk, {interrupts} interrupts"
        );
        Ok(())
    }
}

/// Goes round until both Linux partitions have ended, and looks once more; how many rounds there were. What is owned by whom,
/// and how much memory is used, must not have changed since the first one.
fn run(context: &Context, session: &mut Session, told: &mut Told) -> Result<usize> {
    for _ in 0..2 {
        session.wait_for(&regex(r"^linux\d: BH-LOAD begins:")?, context.limit(120))?;
    }
    let length = Duration::from_secs(context.soak_seconds);
    let begin = Instant::now();
    let end = regex(r"^linux\d: BH-LOAD end .* done$")?;
    let mut first = None;
    let mut rounds = 0;
    loop {
        let seen = look(context, session)?;
        let log = session.log().display().to_string();
        match &first {
            None => first = Some(seen),
            Some(first) => same(first, &seen)
                .with_context(|| format!("after {rounds} rounds of restarts; {log}"))?,
        }
        if told.ends.len() == 2 {
            return Ok(rounds);
        }
        let mut operator = Operator::over(session, context.limit(20));
        for name in STOPPED {
            operator.types(&format!("lpar start {name}\r"))?;
            operator.line(&format!("partition {name}: vcpu 0 starts at"))?;
        }
        operator.types("consoles\r")?;
        rounds += 1;
        let until = Instant::now() + PAUSE;
        while told.ends.len() < 2 {
            let left = until.saturating_duration_since(Instant::now());
            match session.wait_for(&end, left) {
                Ok(line) => told.ends.push(line),
                Err(WaitError::Timeout { .. }) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let elapsed = begin.elapsed();
        if elapsed > length {
            for number in [1, 2] {
                told.recall(session, number)?;
            }
        }
        // `cargo xtask soak` draws a bar of these.
        println!(
            "soak: at {} of {} s, {rounds} rounds",
            elapsed.as_secs(),
            length.as_secs()
        );
        if elapsed > length + context.limit(120) {
            bail!("the partitions have not ended in time; {log}");
        }
    }
}

/// Enters the monitor, stops those that are stopped in each round, and tells what they own, and what memory is used by whom.
fn look(context: &Context, session: &mut Session) -> Result<Vec<String>> {
    let mut operator = Operator::begin(session, context.limit(30))?;
    for name in STOPPED {
        stop(&mut operator, name)?;
    }
    let mut seen = operator.answer("mem")?;
    for name in STOPPED {
        seen.extend(operator.answer(&format!("irq {name}"))?);
    }
    let ours = |line: &String| STOPPED.iter().any(|name| line.contains(name));
    seen.extend(operator.answer("tce list")?.into_iter().filter(ours));
    // Whether one is frozen is the attacker's doing.
    let endpoints = operator.answer("pe list")?.into_iter();
    seen.extend(endpoints.map(|line| {
        line.split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" ")
    }));
    Ok(seen)
}

/// Stops `name`, which may be off or just about to begin anew.
fn stop(operator: &mut Operator<'_>, name: &str) -> Result<()> {
    for _ in 0..50 {
        operator.types(&format!("lpar stop {name}\r"))?;
        let line = operator.line(&format!(
            "partition {name}: is stopped|^lpar stop: it is (off; lpar start|being started or stopped; try again)"
        ))?;
        if !line.ends_with("try again") {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    bail!("{name} is always being started or stopped")
}

/// Nothing but what is the same each time.
fn same(first: &[String], now: &[String]) -> Result<()> {
    if first == now {
        return Ok(());
    }
    let before: Vec<&String> = first.iter().filter(|line| !now.contains(line)).collect();
    let after: Vec<&String> = now.iter().filter(|line| !first.contains(line)).collect();
    bail!("the machine is not as it was: before {before:?}, now {after:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(words: &str) -> Told {
        Told {
            ends: vec![format!("linux1: BH-LOAD end {words} done")],
        }
    }

    #[test]
    fn what_is_missing_or_late_is_judged() {
        let judge = |words: &str| told(words).judge("linux1", true);
        judge("rounds 3 failures 0 late 0 open 0 requests 9 interrupts 5").expect("good");
        for bad in [
            "rounds 0 failures 0 late 0 open 0 requests 9 interrupts 5",
            "rounds 3 failures 1 late 0 open 0 requests 9 interrupts 5",
            "rounds 3 failures 0 late 1 open 0 requests 9 interrupts 5",
            "rounds 3 failures 0 late 0 open 1 requests 9 interrupts 5",
            "rounds 3 failures 0 late 0 open 0 requests 9 interrupts 0",
            "rounds 3 failures 0 late -1 open 0 requests 9 interrupts 9",
        ] {
            assert!(judge(bad).is_err(), "{bad}");
        }
        assert!(told("").judge("linux2", false).is_err());
    }

    #[test]
    fn a_change_is_told_with_what_was_before() {
        let lines = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
        same(&lines("a/b"), &lines("a/b")).expect("the same");
        let error = same(&lines("a/heap 3"), &lines("a/heap 4")).expect_err("grown");
        let told = r#"the machine is not as it was: before ["heap 3"], now ["heap 4"]"#;
        assert_eq!(error.to_string(), told);
        // One more of the same.
        assert!(same(&lines("a/b"), &lines("a/b/b")).is_err());
    }

    #[test]
    fn only_a_good_end_counts() {
        assert!(is_good_end("small: guest-test: 9 passed, 0 failed"));
        assert!(!is_good_end("small: guest-test: 0 passed, 0 failed"));
        assert!(!is_good_end("small: guest-test: 9 passed, 1 failed"));
    }
}
