//! What other programs read: [`report`].

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::client::{Client, ClientError, Event};

/// How often the hypervisor is asked.
const EVERY: Duration = Duration::from_secs(1);

/// Writes a line with a JSON object each second, or `once`, until the machine ends or nobody reads on.
///
/// An object has `partitions` and `endpoints`; docs/console.md names the fields.
///
/// # Errors
/// [`ClientError`]; the end of the machine is none.
pub fn report(client: &mut Client, once: bool, out: &mut dyn Write) -> Result<(), ClientError> {
    match lines(client, once, out) {
        Err(ClientError::Closed | ClientError::Write(_)) => Ok(()),
        result => result,
    }
}

fn lines(client: &mut Client, once: bool, out: &mut dyn Write) -> Result<(), ClientError> {
    let mut before = client.sample()?;
    let mut next = Instant::now() + EVERY;
    loop {
        // What consoles print meanwhile is not for this reader.
        while let Some(left) = next.checked_duration_since(Instant::now()) {
            if client.event(left) == Some(Event::Closed) {
                return Ok(());
            }
        }
        next += EVERY;
        let now = client.sample()?;
        if put(out, &now.to_json(&before).to_string()).is_err() || once {
            return Ok(());
        }
        before = now;
    }
}

fn put(out: &mut dyn Write, line: &str) -> io::Result<()> {
    writeln!(out, "{line}")?;
    out.flush()
}
