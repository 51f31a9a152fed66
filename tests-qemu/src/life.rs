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
use crate::payload::{OURS, machine_with_edus};

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
        processors: Processors::Shared {
            entitlement: 50,
            weight: 128,
        },
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
