//! One run of a machine whose serial line is a program's: [`Piped`].

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::interrupt::{self, SharedChild};
use crate::session::SessionError;

/// A running machine. QEMU is ended, by its process handle, when this is dropped.
pub struct Piped {
    child: SharedChild,
    streams: Option<(ChildStdout, ChildStdin)>,
}

impl Piped {
    /// Starts `command`, whose standard input and output must be pipes; QEMU's own messages go to the file `messages`.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub(crate) fn start(mut command: Command, messages: &Path) -> Result<Self, SessionError> {
        let log_error = |source| SessionError::Log {
            path: messages.to_owned(),
            source,
        };
        if let Some(folder) = messages.parent() {
            std::fs::create_dir_all(folder).map_err(log_error)?;
        }
        let file = File::create(messages).map_err(log_error)?;
        let program = command.get_program().to_string_lossy().into_owned();
        command.stderr(Stdio::from(file));
        let mut child = command.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => SessionError::Missing { program },
            _ => SessionError::Start { program, source },
        })?;
        let streams = child.stdout.take().zip(child.stdin.take());
        let child = Arc::new(Mutex::new(child));
        interrupt::register(&child);
        Ok(Self { child, streams })
    }

    /// Takes what the serial line gives, and what is typed to it; nothing the second time.
    pub const fn streams(&mut self) -> Option<(ChildStdout, ChildStdin)> {
        self.streams.take()
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        interrupt::kill(&self.child);
    }
}
