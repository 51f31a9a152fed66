//! Partitions that an operator stops and starts, or that crash, while others run on.

use anyhow::{Result, ensure};
use bundle::build::{PartitionSpec, pack};
use bundle::{AfterCrash, Processors};
use qemu_run::Session;

use crate::case::{Case, Outcome};
use crate::context::{Context, device, regex, stops_with};
use crate::linux::{absent, images};
use crate::monitor::Operator;
use crate::passed;
use crate::payload::{EDU, OURS, machine_with_edus};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "life/dedicated",
        run: dedicated,
    },
    Case {
        name: "life/shared",
        run: shared,
    },
    Case {
        name: "life/orderly",
        run: orderly,
    },
    Case {
        name: "life/orderly-linux-6.1",
        run: orderly_linux,
    },
    Case {
        name: "life/moves-a-function",
        run: moves_a_function,
    },
    Case {
        name: "life/crash-restarts",
        run: crash_restarts,
    },
    Case {
        name: "life/crash-stops",
        run: crash_stops,
    },
];

fn dedicated(context: &Context) -> Outcome {
    stopped_and_started(context, 5, Processors::Dedicated)
}

/// Two have the same two threads.
fn shared(context: &Context) -> Outcome {
    let processors = Processors::Shared {
        entitlement: 100,
        weight: 128,
    };
    stopped_and_started(context, 3, processors)
}

/// One partition spins without a call and has a second processor that was never started. It is stopped, looked at, started
/// and restarted, while another with devices tries everything, without one failure. A third one keeps the machine on.
fn stopped_and_started(context: &Context, cpus: u32, processors: Processors) -> Outcome {
    let [ours, theirs] = OURS;
    let spinning = PartitionSpec {
        name: "one".to_owned(),
        memory_bytes: 64 << 20,
        processors,
        devices: vec![device(theirs)?],
        ..context.payload("mode=share ms=3600000")?
    };
    let trying = PartitionSpec {
        name: "two".to_owned(),
        processors,
        devices: vec![device(ours)?],
        ..context.payload("")?
    };
    let waiting = PartitionSpec {
        name: "three".to_owned(),
        memory_bytes: 32 << 20,
        cpus: 1,
        ..context.payload("mode=echo")?
    };
    let machine = machine_with_edus(context)?.cpus(cpus);
    let bytes = pack(&[spinning, trying, waiting])?;
    let mut session = context.boot(machine, &bytes)?;
    // By now the second is among its cases.
    let begun = regex("^two: test .* ok$")?;
    session.wait_for(&begun, context.limit(30))?;
    let mut operator = Operator::begin(&mut session, context.limit(30))?;
    operator.asks("lpar start one", &["^lpar start: it runs; "])?;
    has(&mut operator, "stop", &["is stopped"])?;
    operator.asks("lpar list", &["^ +1 one +off ", "^ +2 two +running "])?;
    operator.asks("lpar stop one", &["^lpar stop: it is off; "])?;
    operator.asks(
        "lpar dump one 0x400000 32",
        &[
            // In its loop, in its own program.
            "^cpu 0: pc 0{10}4[0-9a-f]{5} msr 8[0-9a-f]{15} ",
            "^  r28 ([0-9a-f]{16} ?){4}$",
            "^cpu 1: pc 0{16} ",
            "^0x000000400000: ([0-9a-f]{16} ){4}.{32}$",
        ],
    )?;
    has(&mut operator, "start", &["starts", "vcpu 0 starts at .*"])?;
    for _ in 0..3 {
        has(
            &mut operator,
            "restart",
            &["restarts", "vcpu 0 starts at .*"],
        )?;
    }
    operator.asks("lpar list", &["^ +1 one +running "])?;
    has(&mut operator, "stop", &["is stopped"])?;
    has(&mut operator, "restart", &["starts", "vcpu 0 starts at .*"])?;
    has(&mut operator, "stop", &["is stopped"])?;
    // Its last lines are shown, should it have ended meanwhile.
    operator.types("\x1d2")?;
    let summary = regex(
        r"guest-test: (\d+ passed, \d+ failed)|guest-test: .*(Stopped|panic|unexpected interrupt)",
    )?;
    let line = session.wait_for(&summary, context.limit(240))?;
    ensure!(
        line.ends_with(" passed, 0 failed"),
        "{line}; {}",
        session.log().display()
    );
    // The machine goes off with the last one that ends by itself.
    session.send("\x1d3end\n")?;
    stops_with(&mut session, "power-off", context.limit(60))?;
    passed()
}

/// Of two that are asked to shut themselves down one does, twice, and one never takes notice, until it is stopped.
fn orderly(context: &Context) -> Outcome {
    let dedicated = PartitionSpec {
        name: "one".to_owned(),
        memory_bytes: 64 << 20,
        cpus: 1,
        ..context.payload("mode=orderly")?
    };
    let shared = PartitionSpec {
        name: "three".to_owned(),
        processors: crate::shared::shared(50, 128),
        ..dedicated.clone()
    };
    let deaf = PartitionSpec {
        name: "two".to_owned(),
        command_line: "mode=echo".to_owned(),
        ..dedicated.clone()
    };
    let bytes = pack(&[dedicated, deaf, shared])?;
    let mut session = context.boot(context.machine().cpus(3), &bytes)?;
    let ready = "^((one|three): guest-test: waits for fff000: 0 0|two: guest-test: echo)$";
    for _ in 0..3 {
        session.wait_for(&regex(ready)?, context.limit(30))?;
    }
    let mut operator = Operator::begin(&mut session, context.limit(20))?;
    operator.asks(
        "lpar stop two --orderly",
        &["^it is asked to shut itself down"],
    )?;
    operator.asks("lpar list", &["^ +1 one +running ", "^ +2 two +asked "])?;
    // Nothing follows for who does not answer, and others are asked meanwhile.
    for name in ["one", "one", "three"] {
        shuts_itself_down(&mut operator, name)?;
        operator.asks("lpar list", &["^ +2 two +asked "])?;
        let answer = format!("lpar stop {name} --orderly");
        operator.asks(&answer, &["^lpar stop: it is off"])?;
        operator.asks(&format!("lpar start {name}"), &["^it is being started$"])?;
        operator.line(&format!(
            r"^bulkhead\| .* partition {name}: vcpu 0 starts at "
        ))?;
    }
    operator.asks("lpar show two", &["^partition 2, two: running, asked to "])?;
    operator.asks("lpar stop two", &["^it is being stopped$"])?;
    // What was told is a shutdown of the partition alone, without delay.
    operator.types("attach three\r")?;
    let told = "asked to shut down: status 0 sensor 3 log 6340040 section 45500014 3010100";
    operator.line(&format!("^guest-test: {told}$"))?;
    stays_on(session)
}

/// Debian shuts itself down when it is asked to, by what its kernel runs for that.
fn orderly_linux(context: &Context) -> Outcome {
    let name = "debian-6.1";
    let Some([kernel, initrd]) = images(context, name)? else {
        return Ok(vec![absent(name)]);
    };
    let linux = PartitionSpec {
        name: "linux".to_owned(),
        memory_bytes: 512 << 20,
        cpus: 2,
        kernel,
        initrd: Some(initrd),
        command_line: "console=hvc0".to_owned(),
        ..context.payload("")?
    };
    let mut session = context.boot(context.machine(), &pack(&[linux])?)?;
    session.fail_on(regex("Kernel panic|Oops:|partition linux: os-term:")?);
    session.wait_for(&regex("BH-READY$")?, context.limit(120))?;
    let mut operator = Operator::begin(&mut session, context.limit(30))?;
    shuts_itself_down(&mut operator, "linux")?;
    operator.asks("lpar list", &["^ +1 linux +off "])?;
    operator.types("attach linux\r")?;
    operator.line("^BH-NOTE asked to shut down: unmounts and powers off")?;
    stays_on(session)
}

/// Asks partition `name` to shut itself down, which it takes notice of and does.
fn shuts_itself_down(operator: &mut Operator<'_>, name: &str) -> Result<()> {
    operator.types(&format!("lpar stop {name} --orderly\r"))?;
    for line in [
        "is asked to shut itself down",
        "it has taken the request to shut itself down",
        "is stopped",
    ] {
        operator.line(&format!(r"^bulkhead\| .* partition {name}: {line}$"))?;
    }
    Ok(())
}

/// The edu that goes from one partition to another, and one that cannot.
const MOVES: &str = "phb1/00.0/00.0";

/// An edu goes from one partition to another and back, again and again, while a third tries everything with one of its own:
/// nothing that its former owner had under way or mapped leads anywhere.
fn moves_a_function(context: &Context) -> Outcome {
    let [bound, tried] = OURS;
    let one = PartitionSpec {
        name: "one".to_owned(),
        memory_bytes: 64 << 20,
        cpus: 1,
        devices: vec![device(bound)?, device(MOVES)?],
        ..context.payload("mode=owner")?
    };
    let two = PartitionSpec {
        name: "two".to_owned(),
        processors: crate::shared::shared(50, 128),
        devices: Vec::new(),
        ..one.clone()
    };
    let three = PartitionSpec {
        name: "three".to_owned(),
        devices: vec![device(tried)?],
        ..context.payload("")?
    };
    // With the last partition that ends by itself the machine does, and the third may end before the others have moved.
    let four = PartitionSpec {
        name: "four".to_owned(),
        command_line: "mode=echo".to_owned(),
        ..two.clone()
    };
    let machine = machine_with_edus(context)?.device(MOVES, EDU)?.cpus(5);
    let mut session = context.boot(machine, &pack(&[one, two, three, four])?)?;
    for line in [
        "partition two: panel: owner: 0 functions, no edu$",
        "partition one: panel: owner: 2 functions, works, buffer at [0-9a-f]+$",
        "^three: test .* ok$",
    ] {
        session.wait_for(&regex(line)?, context.limit(30))?;
    }
    let lines = session.lines();
    let buffer = lines
        .iter()
        .find_map(|line| line.split("buffer at ").nth(1));
    let buffer = buffer.unwrap_or_default().to_owned();
    let mut operator = Operator::begin(&mut session, context.limit(60))?;
    let go = format!("pe move {MOVES} two");
    let both = "^pe move: its owner and the other partition must both be off";
    operator.asks(&go, &[both])?;
    stop(&mut operator, "two")?;
    operator.asks(&go, &[both])?;
    stop(&mut operator, "one")?;
    let mut left = memory_of(&mut operator, "one", &buffer)?;
    operator.asks(
        &format!("pe move {bound} two"),
        &["^pe move: nothing resets it without others"],
    )?;
    operator.asks(
        "pe move 1:200 two",
        &["^pe move: nobody owns that endpoint"],
    )?;
    operator.asks(
        "pe move 1:1 five",
        &["^pe move: there is no such partition"],
    )?;
    operator.asks("pe move 1:1", &["^pe move: LPAR is missing"])?;
    let ways = [
        ("two", "1 functions, works", "one", "1 functions, works"),
        ("one", "2 functions, works", "two", "0 functions, no edu"),
    ];
    for (owner, has, other, has_left) in [ways[0], ways[1], ways[0]] {
        operator.types(&format!("pe move {MOVES} {owner}\r"))?;
        operator.line("^it is being moved")?;
        operator.line(&format!(
            r"^bulkhead\| .* {MOVES} is partition {owner}'s now$"
        ))?;
        let number = if owner == "one" { 1 } else { 2 };
        operator.asks(
            "pe list",
            &[&format!("^1:1 +{number}  goes on .* {MOVES}$")],
        )?;
        let again = format!("pe move 1:1 {owner}");
        operator.asks(&again, &["^pe move: it is that partition's already"])?;
        start(&mut operator, owner, has)?;
        // It has tried what its former owner had mapped before it mapped anything; a transfer was under way before.
        let now = memory_of(&mut operator, other, &buffer)?;
        ensure!(
            other == "two" || now == left,
            "memory became {now}, was {left}"
        );
        start(&mut operator, other, has_left)?;
        stop(&mut operator, owner)?;
        stop(&mut operator, other)?;
        left = memory_of(&mut operator, "one", &buffer)?;
    }
    operator.types("attach three\r")?;
    operator.line("^guest-test: [1-9][0-9]* passed, 0 failed$")?;
    stays_on(session)
}

/// What is in 16 bytes of a partition's memory.
fn memory_of(operator: &mut Operator<'_>, name: &str, at: &str) -> Result<String> {
    operator.types(&format!("lpar dump {name} 0x{at} 16\r"))?;
    let line = operator.line(&format!("^0x0*{at}: [0-9a-f]{{16}} [0-9a-f]{{16}} "))?;
    operator.prompt("^monitor> $").map(|_| line)
}

/// Stops a partition, and waits until it is.
fn stop(operator: &mut Operator<'_>, name: &str) -> Result<()> {
    operator.types(&format!("lpar stop {name}\r"))?;
    let line = format!(r"^bulkhead\| .* partition {name}: is stopped$");
    operator.line(&line).map(drop)
}

/// Starts a partition, and waits until it says so.
fn start(operator: &mut Operator<'_>, name: &str, says: &str) -> Result<()> {
    operator.asks(&format!("lpar start {name}"), &["^it is being started$"])?;
    let line = format!(r"^bulkhead\| .* partition {name}: panel: owner: {says}");
    operator.line(&line).map(drop)
}

/// Ends a session whose machine has not ended.
fn stays_on(session: Session) -> Outcome {
    let lines = session.stop();
    let ended = lines.iter().find(|line| line.contains("| STOP "));
    ensure!(ended.is_none(), "the machine has ended: {ended:?}");
    passed()
}

/// Has the first partition stop or start, and waits for what the log tells of it.
fn has(operator: &mut Operator<'_>, what: &str, told: &[&str]) -> Result<()> {
    operator.types(&format!("lpar {what} one\r"))?;
    for line in told {
        operator.line(&format!(r"^bulkhead\| .* partition one: {line}$"))?;
    }
    Ok(())
}

/// A partition that tells of a crash as soon as it runs, and what follows.
fn crash(context: &Context, after_crash: AfterCrash) -> Result<Session> {
    let partition = PartitionSpec {
        cpus: 1,
        memory_bytes: 64 << 20,
        after_crash,
        ..context.payload("mode=os-term")?
    };
    context.boot(context.machine(), &pack(&[partition])?)
}

const TOLD: &str = r"^bulkhead\| .* partition payload: os-term: guest-test says good-bye$";

fn crash_restarts(context: &Context) -> Outcome {
    let mut session = crash(context, AfterCrash::Restart)?;
    for _ in 0..3 {
        for line in [
            r"^bulkhead\| .* partition payload: vcpu 0 starts at ",
            TOLD,
            r"^bulkhead\| .* partition payload: restarts$",
        ] {
            session.wait_for(&regex(line)?, context.limit(30))?;
        }
    }
    let lines = session.stop();
    ensure!(
        !lines.iter().any(|line| line.contains("came back")),
        "os-term came back"
    );
    passed()
}

fn crash_stops(context: &Context) -> Outcome {
    let mut session = crash(context, AfterCrash::Stop)?;
    let stopped = regex(r"^bulkhead\| .* partition payload: is stopped$")?;
    session.wait_for(&regex(TOLD)?, context.limit(30))?;
    session.wait_for(&stopped, context.limit(10))?;
    // The machine stays, for whoever wants to know why.
    let mut operator = Operator::begin(&mut session, context.limit(20))?;
    operator.asks("lpar list", &["^ +1 payload +off "])?;
    operator.asks("lpar dump payload", &["^cpu 0: pc 0{10}4[0-9a-f]{5} "])?;
    operator.asks("lpar start payload", &["^it is being started$"])?;
    operator.line(TOLD)?;
    session.wait_for(&stopped, context.limit(10))?;
    let lines = session.stop();
    ensure!(
        !lines
            .iter()
            .any(|line| line.contains("came back") || line.contains("STOP")),
        "os-term came back, or the machine has ended"
    );
    passed()
}
