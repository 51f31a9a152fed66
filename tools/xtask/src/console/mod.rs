//! `console`: all partitions on one screen, or as JSON, over the hypervisor's serial line (docs/console.md, "Programs").

mod draw;
mod keys;
mod line;
mod state;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use operator_console::{Client, ClientError, Event};
use ratatui::crossterm::event::{self, KeyEventKind};

use crate::run::MachineArguments;
use crate::workspace::Workspace;
use state::{Act, Screen};

/// How long the hypervisor may take to answer for the first time.
const START: Duration = Duration::from_secs(120);
/// How often it is asked.
const EVERY: Duration = Duration::from_secs(1);
/// How often keys and the line are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Shows all partitions on one screen: consoles, state, CPU time, hcalls and interrupts, frozen endpoints.
///
/// Starts a manifest's machine, as `run` does, or attaches to one that runs.
#[derive(Debug, Args)]
pub(crate) struct ConsoleArguments {
    #[command(flatten)]
    machine: MachineArguments,
    /// Attaches to the serial line of a machine that runs: a unix socket, a terminal device, or HOST:PORT.
    #[arg(long, value_name = "LINE", conflicts_with = "manifest")]
    connect: Option<String>,
    /// For programs: prints one JSON object a line, each second, until the machine ends.
    #[arg(long)]
    json: bool,
    /// One object alone, of the first second.
    #[arg(long, requires = "json")]
    once: bool,
}

/// Runs as `arguments` say.
pub(crate) fn console(workspace: &Workspace, arguments: &ConsoleArguments) -> Result<ExitCode> {
    if !arguments.json && !std::io::stdout().is_terminal() {
        bail!("standard output is no terminal. Remedy: --json is for programs");
    }
    // The machine, if it is ours, ends with this.
    let (mut client, _machine) = match &arguments.connect {
        Some(line) => (line::connect(line)?, None),
        None => {
            qemu_run::stop_all_on_interrupt(ratatui::restore);
            let (client, machine) = line::start(workspace, &arguments.machine)?;
            (client, Some(machine))
        }
    };
    // As random as the keys of a hash table: no partition knows them.
    let nonce = RandomState::new().hash_one(0);
    client.hello(nonce, START)?;
    if arguments.json {
        operator_console::report(&mut client, arguments.once, &mut std::io::stdout())?;
    } else {
        let mut terminal = ratatui::init();
        let result = show(&mut client, &mut terminal);
        ratatui::restore();
        result?;
    }
    // It may be gone by now.
    let _ = client.bye();
    Ok(ExitCode::SUCCESS)
}

/// Shows the screen until the user leaves.
fn show(client: &mut Client, terminal: &mut ratatui::DefaultTerminal) -> Result<()> {
    let mut screen = Screen::new();
    let mut next = Instant::now();
    loop {
        while let Some(event) = client.event(Duration::ZERO) {
            let is_closed = event == Event::Closed;
            screen.take(event);
            if is_closed {
                break;
            }
        }
        if !screen.is_closed && Instant::now() >= next {
            next = Instant::now() + EVERY;
            match client.sample() {
                Ok(sample) => screen.sample(sample),
                // The last words are still to be read.
                Err(ClientError::Closed | ClientError::Write(_)) => screen.is_closed = true,
                Err(error) => screen.note(&error.to_string()),
            }
        }
        terminal.draw(|frame| draw::draw(&screen, frame))?;
        if !event::poll(LOOK)? {
            continue;
        }
        let event::Event::Key(key) = event::read()? else {
            continue;
        };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match screen.key(&keys::bytes(&key)) {
            Act::Nothing => {}
            Act::Quit => return Ok(()),
            Act::Type(bytes) => match client.type_in(screen.selected(), &bytes) {
                Ok(count) if count == bytes.len() => {}
                Ok(_) => screen.note("its console takes no more for now"),
                Err(ClientError::Closed | ClientError::Write(_)) => screen.is_closed = true,
                Err(error) => screen.note(&error.to_string()),
            },
        }
    }
}
