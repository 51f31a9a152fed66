//! The little of QEMU's machine protocol that is needed: reading memory.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// Has QEMU write `bytes` bytes of memory from real address `address` to `file`, with the machine stopped meanwhile.
pub(crate) fn save_memory(socket: &Path, address: u64, bytes: u64, file: &Path) -> Result<()> {
    let stream = UnixStream::connect(socket).context("QEMU's control socket cannot be reached")?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut control = Control {
        lines: BufReader::new(stream.try_clone()?),
        stream,
    };
    control.receive()?;
    control.command("qmp_capabilities", json!({}))?;
    control.command("stop", json!({}))?;
    let file = file
        .to_str()
        .context("the temporary folder's name is no text")?;
    control.command(
        "pmemsave",
        json!({ "val": address, "size": bytes, "filename": file }),
    )
}

struct Control {
    lines: BufReader<UnixStream>,
    stream: UnixStream,
}

impl Control {
    fn receive(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.lines
            .read_line(&mut line)
            .context("QEMU does not answer")?;
        serde_json::from_str(&line).with_context(|| format!("QEMU answered `{}`", line.trim_end()))
    }

    fn command(&mut self, name: &str, arguments: Value) -> Result<()> {
        writeln!(
            self.stream,
            "{}",
            json!({ "execute": name, "arguments": arguments })
        )?;
        loop {
            // Events come in between.
            let answer = self.receive()?;
            if answer.get("return").is_some() {
                return Ok(());
            }
            if let Some(error) = answer.get("error") {
                bail!("QEMU refused `{name}`: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// Answers each line with what `answer` makes of the command's name, and returns the commands.
    fn serve(
        socket: &Path,
        answer: fn(&str) -> &'static str,
    ) -> std::thread::JoinHandle<Vec<Value>> {
        let listener = UnixListener::bind(socket).expect("a socket");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            stream.write_all(b"{\"QMP\": {}}\n").expect("greets");
            let mut commands = Vec::new();
            for line in BufReader::new(stream.try_clone().expect("a copy")).lines() {
                let Ok(line) = line else { break };
                let command: Value = serde_json::from_str(&line).expect("JSON");
                writeln!(
                    stream,
                    "{}",
                    answer(command["execute"].as_str().unwrap_or(""))
                )
                .expect("answers");
                commands.push(command);
            }
            commands
        })
    }

    #[test]
    fn memory_is_asked_for_with_events_in_between() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("qmp");
        let server = serve(&socket, |name| {
            if name == "stop" {
                "{\"event\": \"STOP\"}\n{\"return\": {}}"
            } else {
                "{\"return\": {}}"
            }
        });
        save_memory(&socket, 0x1000, 64, Path::new("/out")).expect("answered");
        let commands = server.join().expect("a server");
        assert_eq!(commands.len(), 3);
        assert_eq!(
            commands[2]["arguments"],
            json!({ "val": 0x1000, "size": 64, "filename": "/out" })
        );
    }

    #[test]
    fn a_refusal_is_passed_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("qmp");
        let server = serve(&socket, |name| {
            if name == "stop" {
                "{\"error\": {\"desc\": \"no\"}}"
            } else {
                "{\"return\": {}}"
            }
        });
        let error = save_memory(&socket, 0, 1, Path::new("/out"))
            .expect_err("refused")
            .to_string();
        assert_eq!(error, "QEMU refused `stop`: {\"desc\":\"no\"}");
        server.join().expect("a server");
    }
}
