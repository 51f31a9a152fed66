//! `soak`: random programs over bridge drivers and models until so many transactions were tried.
//!
//! Each program is made from a seed; one that fails prints its seed, with which `--seed` and `--programs 1` run it
//! again, and the program.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use ioda_proof::{Chip, Failure, Summary, run_lpars_seed, run_seed};

/// Runs random programs against the ownership specification.
#[derive(Debug, Parser)]
#[command(name = "soak")]
struct Arguments {
    /// Transactions to try on each chip and layer: DMAs, messages, loads, stores, config cycles.
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    transactions: u64,
    /// The first program's seed; the others follow.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// The most programs of each chip.
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    programs: u64,
    /// Steps of a program.
    #[arg(long, value_name = "N", default_value_t = 300)]
    steps: u64,
    /// This layer alone: the drivers, or two partitions' calls on top of them.
    #[arg(long, value_enum, value_name = "LAYER")]
    layer: Option<Layer>,
    /// This chip alone: p7ioc or phb3.
    #[arg(long, value_name = "CHIP", value_parser = chip)]
    chip: Option<Chip>,
}

/// What programs are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Layer {
    /// Calls of a driver.
    Drivers,
    /// Hcalls and RTAS calls of two partitions.
    Partitions,
}

impl Layer {
    const ALL: [Self; 2] = [Self::Drivers, Self::Partitions];

    const fn name(self) -> &'static str {
        match self {
            Self::Drivers => "drivers",
            Self::Partitions => "partitions",
        }
    }

    fn run(self, chip: Chip, seed: u64, steps: u64) -> Result<Summary, Box<Failure>> {
        match self {
            Self::Drivers => run_seed(chip, seed, steps),
            // A program of partitions keeps its memory; longer ones are fewer.
            Self::Partitions => run_lpars_seed(chip, seed, steps * 10),
        }
    }
}

fn chip(name: &str) -> Result<Chip, String> {
    Chip::ALL
        .into_iter()
        .find(|chip| chip.to_string() == name)
        .ok_or_else(|| "there are p7ioc and phb3".into())
}

/// What the threads share.
struct Shared<'a> {
    arguments: &'a Arguments,
    chip: Chip,
    layer: Layer,
    next: AtomicU64,
    tried: AtomicU64,
    stop: AtomicBool,
    bar: &'a ProgressBar,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    for (chip, layer) in Chip::ALL
        .into_iter()
        .flat_map(|chip| Layer::ALL.map(|layer| (chip, layer)))
    {
        if arguments.chip.is_none_or(|only| only == chip)
            && arguments.layer.is_none_or(|only| only == layer)
            && let Err(failure) = soak(&arguments, chip, layer)
        {
            println!("{failure}");
            println!("the program: {:#?}", failure.program);
            println!(
                "to run it again: cargo xtask soak --chip {chip} --layer {} --seed {} --programs 1 --steps {}",
                layer.name(),
                failure.seed.unwrap_or(0),
                arguments.steps
            );
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn soak(arguments: &Arguments, chip: Chip, layer: Layer) -> Result<(), Box<Failure>> {
    let bar = ProgressBar::new(arguments.transactions);
    let style = ProgressStyle::with_template("    {msg} {wide_bar} {human_pos}/{human_len} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(format!("{chip}, {}", layer.name()));
    let shared = Shared {
        arguments,
        chip,
        layer,
        next: AtomicU64::new(0),
        tried: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        bar: &bar,
    };
    let start = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let parts = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| work(&shared)))
            .collect();
        let ended = running.into_iter().map(|thread| match thread.join() {
            Ok(part) => part,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ended.collect::<Vec<_>>()
    });
    bar.finish_and_clear();
    let mut all = Summary::default();
    for part in parts {
        all += part?;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{chip}, {}: {} transactions, {} got through; {} steps, {} calls done, {} refused; {:.0} transactions a second",
        layer.name(),
        HumanCount(all.transactions),
        HumanCount(all.granted),
        HumanCount(all.steps),
        HumanCount(all.done),
        HumanCount(all.refused),
        all.transactions as f64 / seconds
    );
    Ok(())
}

/// Takes seeds until enough was tried, or a program failed.
fn work(shared: &Shared<'_>) -> Result<Summary, Box<Failure>> {
    let mut all = Summary::default();
    while !shared.stop.load(Ordering::Relaxed)
        && shared.tried.load(Ordering::Relaxed) < shared.arguments.transactions
    {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        if number >= shared.arguments.programs {
            break;
        }
        let seed = shared.arguments.seed.wrapping_add(number);
        match shared.layer.run(shared.chip, seed, shared.arguments.steps) {
            Ok(summary) => {
                shared
                    .tried
                    .fetch_add(summary.transactions, Ordering::Relaxed);
                shared.bar.inc(summary.transactions);
                all += summary;
            }
            Err(failure) => {
                shared.stop.store(true, Ordering::Relaxed);
                return Err(failure);
            }
        }
    }
    Ok(all)
}
