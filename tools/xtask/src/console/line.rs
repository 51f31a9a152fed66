//! The serial line: of a machine that is started, or of one that runs.

use std::fs::OpenOptions;
use std::net::TcpStream;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use operator_console::Client;
use qemu_run::Piped;

use crate::run::{MachineArguments, log_path};
use crate::workspace::Workspace;
use crate::{process, ui};

/// The speed of the hypervisor's serial port.
const BAUD: &str = "115200";

/// Starts the machine that `arguments` describe.
pub(super) fn start(
    workspace: &Workspace,
    arguments: &MachineArguments,
) -> Result<(Client, Piped)> {
    let (machine, manifest) = arguments.make(workspace)?;
    let messages = log_path(workspace, &manifest);
    ui::step("starting QEMU");
    let mut piped = machine.spawn_piped(&messages)?;
    let (from, to) = piped.streams().context("QEMU has no pipes")?;
    Ok((Client::new(from, to), piped))
}

/// Attaches to `line`: a unix socket, a terminal device, or HOST:PORT.
pub(super) fn connect(line: &str) -> Result<Client> {
    let path = Path::new(line);
    let Ok(metadata) = path.metadata() else {
        if !line.contains(':') {
            bail!("{line} is not there. Remedy: a unix socket, a terminal device, or HOST:PORT");
        }
        let stream = TcpStream::connect(line).with_context(|| format!("{line} does not answer"))?;
        return Ok(Client::new(stream.try_clone()?, stream));
    };
    let kind = metadata.file_type();
    if kind.is_socket() {
        let stream =
            UnixStream::connect(path).with_context(|| format!("{line} does not answer"))?;
        return Ok(Client::new(stream.try_clone()?, stream));
    }
    if !kind.is_char_device() {
        bail!("{line} is neither a socket nor a terminal device");
    }
    let mut stty = Command::new("stty");
    process::capture(stty.args(["-F", line, "raw", "-echo", BAUD]))
        .with_context(|| format!("{line} cannot be set up"))?;
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).open(path);
    let file = file.with_context(|| format!("{line} cannot be opened"))?;
    Ok(Client::new(file.try_clone()?, file))
}
