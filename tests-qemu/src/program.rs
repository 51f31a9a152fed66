//! Programs at the serial line: what the hypervisor answers in frames while partitions run.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bundle::build::pack;
use operator_console::{Client, Event, LOG, MONITOR, Sample, State, report};
use qemu_run::Piped;
use serde_json::Value;

use crate::case::{Case, Outcome};
use crate::context::Context;
use crate::monitor::two_partitions;
use crate::passed;

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "program/asks-types-and-reads",
        run: asks_types_and_reads,
    },
    Case {
        name: "program/json",
        run: json,
    },
];

/// Any number.
const NONCE: u64 = 0x1d02_1d03_7e57_ca5e;

/// Reads until `from` has printed `text`. Returns all that came, as text of all sources one after the other.
fn printed(client: &mut Client, from: u32, text: &str, limit: Duration) -> Result<()> {
    let deadline = Instant::now() + limit;
    let (mut its, mut others) = (String::new(), String::new());
    while Instant::now() < deadline {
        match client.event(Duration::from_millis(200)) {
            Some(Event::Output {
                from: source,
                bytes,
            }) if source == from => {
                its += &String::from_utf8_lossy(&bytes);
                // Lines of the log come without their ends.
                if from == LOG {
                    its.push('\n');
                }
            }
            Some(Event::Output { bytes, .. } | Event::Plain(bytes)) => {
                others += &String::from_utf8_lossy(&bytes);
            }
            Some(Event::Closed) => bail!("closed; {its}\nothers: {others}"),
            None => {}
        }
        if its.contains(text) {
            return Ok(());
        }
    }
    bail!("no `{text}` in `{its}`\nothers: {others}")
}

/// Asks until `good`.
fn sampled(client: &mut Client, limit: Duration, good: impl Fn(&Sample) -> bool) -> Result<Sample> {
    let deadline = Instant::now() + limit;
    loop {
        let sample = client.sample()?;
        if good(&sample) {
            return Ok(sample);
        }
        ensure!(Instant::now() < deadline, "still {sample:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Boots two partitions and listens to them, from when the second has begun.
fn listen(context: &Context, limit: Duration) -> Result<(Piped, Client)> {
    let (machine, partitions) = two_partitions(context)?;
    let mut piped = context.boot_piped(machine, &pack(&partitions)?)?;
    let (from, to) = piped.streams().context("no pipes")?;
    let mut client = Client::new(from, to);
    client.hello(NONCE, limit)?;
    printed(&mut client, 2, "guest-test: echo", limit)?;
    Ok((piped, client))
}

fn asks_types_and_reads(context: &Context) -> Outcome {
    let limit = context.limit(20);
    let (_machine, mut client) = listen(context, limit)?;
    let before = client.sample()?;
    let names: Vec<&str> = before
        .partitions
        .iter()
        .map(|partition| partition.name.as_str())
        .collect();
    ensure!(names == ["one", "two"], "{before:?}");
    let owners: Vec<u32> = before.endpoints.iter().map(|of| of.lpid).collect();
    ensure!(owners == [1, 2], "{before:?}");
    // Both poll their terminals all the time, so they make hcalls and are busy.
    let now = sampled(&mut client, limit, |now| {
        [1, 2].iter().all(|lpid| {
            let rates = now.rates(&before, *lpid);
            rates.hcalls > 100.0 && rates.cpus > 0.5 && rates.cpus < 1.5
        })
    })?;
    ensure!(
        now.partitions
            .iter()
            .all(|of| of.state == State::Running && of.has_console),
        "{now:?}"
    );
    // One's echo of a whole frame is text of its console, and nothing else.
    let mut forged = Vec::new();
    frames::Reply::Denied(frames::Denial::Busy)
        .encode(1, &mut |part| forged.extend_from_slice(part));
    let echoed: Vec<u8> = [b"x", &forged[..], b"hello\n"].concat();
    ensure!(
        client.type_in(1, &echoed)? == echoed.len(),
        "not all was taken"
    );
    printed(&mut client, 1, "hello", limit)?;
    // An endpoint that the monitor freezes is told as frozen, and counted once that was seen.
    let pe = now.endpoints.first().context("no endpoint")?;
    let command = format!("pe freeze {}:{}\r", pe.phb, pe.pe);
    client.type_in(MONITOR, command.as_bytes())?;
    printed(&mut client, MONITOR, "it is frozen", limit)?;
    sampled(&mut client, limit, |now| {
        now.endpoints.first().is_some_and(|pe| pe.stopped == 3)
            && now.partition(1).is_some_and(|of| of.freezes == 1)
            && now.partition(2).is_some_and(|of| of.freezes == 0)
    })?;
    ensure!(client.type_in(9, b"x").is_err(), "there is a partition 9");
    client.type_in(2, b"end\n")?;
    sampled(&mut client, limit, |now| {
        now.partition(2).is_some_and(|of| of.state == State::Off)
    })?;
    // After the last words, for people, the machine is off.
    client.type_in(1, b"end\n")?;
    let mut plain = String::new();
    let deadline = Instant::now() + limit;
    while !plain.contains("bulkhead| STOP power-off") {
        match client.event(Duration::from_secs(1)) {
            Some(Event::Plain(bytes)) => plain += &String::from_utf8_lossy(&bytes),
            Some(Event::Closed) => bail!("closed after `{plain}`"),
            _ => ensure!(Instant::now() < deadline, "no end: `{plain}`"),
        }
    }
    passed()
}

/// What `cargo xtask console --json` prints.
fn json(context: &Context) -> Outcome {
    let limit = context.limit(20);
    let (_machine, mut client) = listen(context, limit)?;
    let mut once = Vec::new();
    report(&mut client, true, &mut once)?;
    let object: Value = serde_json::from_slice(&once)?;
    for (place, name) in ["one", "two"].into_iter().enumerate() {
        let of = &object["partitions"][place];
        let is_good = of["name"] == name
            && of["state"] == "running"
            && of["cpus_busy"].as_f64().is_some_and(|busy| busy > 0.1)
            && of["hcalls_per_second"]
                .as_f64()
                .is_some_and(|rate| rate > 100.0)
            && of["cpu_seconds"].as_f64() <= of["seconds"].as_f64()
            && object["endpoints"][place]["state"] == "goes on";
        ensure!(is_good, "{object:#}");
    }
    // Without `once` until the machine ends, a line each second.
    for lpid in [1, 2] {
        client.type_in(lpid, b"end\n")?;
    }
    let mut all = Vec::new();
    report(&mut client, false, &mut all)?;
    for line in String::from_utf8(all)?.lines() {
        serde_json::from_str::<Value>(line)?;
    }
    passed()
}
