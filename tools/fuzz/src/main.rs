//! `fuzz-targets seeds FOLDER` writes the seeds of all targets. `fuzz-targets plain TARGET SECONDS ARTIFACTS CORPUS...`
//! runs the plain harness over corpora; an input that panics is written into the folder ARTIFACTS.
#![forbid(unsafe_code)]

use fuzz_targets::plain::{Random, mutate};
use fuzz_targets::{TARGETS, find};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// The input of the target that runs.
static CURRENT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["seeds", folder] => write_seeds(Path::new(folder)),
        ["plain", target, seconds, artifacts, corpora @ ..] => {
            plain(target, seconds, Path::new(artifacts), corpora)
        }
        _ => Err("usage: seeds FOLDER | plain TARGET SECONDS ARTIFACTS CORPUS...".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn write_seeds(folder: &Path) -> Result<()> {
    for target in TARGETS {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (name, bytes) in (target.seeds)() {
            std::fs::write(folder.join(format!("seed-{name}")), bytes)?;
        }
    }
    Ok(())
}

fn plain(name: &str, seconds: &str, artifacts: &Path, corpora: &[&str]) -> Result<()> {
    let target = find(name).ok_or_else(|| format!("there is no target {name}"))?;
    let time = Duration::from_secs(seconds.parse()?);
    let mut corpus = Vec::new();
    for folder in corpora {
        for entry in std::fs::read_dir(folder)? {
            corpus.push(std::fs::read(entry?.path())?);
        }
    }
    keep_what_panics(artifacts.to_owned());
    let began = Instant::now();
    for input in &corpus {
        run(target.run, input.clone());
    }
    let since = SystemTime::UNIX_EPOCH.elapsed()?;
    let seed = since.as_nanos() as u64;
    let mut random = Random::new(seed);
    let mut runs = corpus.len() as u64;
    let mut next = Duration::from_secs(1);
    while began.elapsed() < time {
        run(target.run, mutate(&mut random, &corpus));
        runs += 1;
        if began.elapsed() > next {
            println!("{name}: {runs} runs, {} s", next.as_secs());
            next *= 2;
        }
    }
    println!(
        "{name}: {runs} runs over {} inputs, seed {seed}, no panic",
        corpus.len()
    );
    Ok(())
}

fn run(target: fn(&[u8]), input: Vec<u8>) {
    let mut current = CURRENT.lock().unwrap_or_else(|error| error.into_inner());
    *current = input;
    let copy = current.clone();
    drop(current);
    target(&copy);
}

/// Has the input of a target that panics written to a file, whether the panic unwinds or aborts.
fn keep_what_panics(folder: PathBuf) {
    let former = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        former(info);
        let input = CURRENT.lock().unwrap_or_else(|error| error.into_inner());
        let sum = input.iter().fold(0_u64, |sum, &byte| {
            sum.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)
        });
        let file = folder.join(format!("crash-{sum:016x}"));
        let written =
            std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, &*input));
        match written {
            Ok(()) => eprintln!("the input is in {}", file.display()),
            Err(error) => eprintln!("{} cannot be written: {error}", file.display()),
        }
        std::process::exit(1);
    }));
}
