//! What happens to running machines when the user presses Ctrl-C or ends the process.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};
use std::time::Duration;

/// A child process that may be killed from another thread; killing it after it was reaped does nothing.
pub(crate) type SharedChild = Arc<Mutex<Child>>;

static RUNNING: Mutex<Vec<Weak<Mutex<Child>>>> = Mutex::new(Vec::new());
static HANDLER: Once = Once::new();

/// Remembers `child` so that [`stop_all_on_interrupt`] reaches it.
pub(crate) fn register(child: &SharedChild) {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.retain(|other| other.strong_count() > 0);
    running.push(Arc::downgrade(child));
}

/// Ends `child` and reaps it; does nothing when it has ended already.
pub(crate) fn kill(child: &SharedChild) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    // Both fail only when the child is gone, which is what is wanted.
    let _ = child.kill();
    let _ = child.wait();
}

/// Runs `command` on this process's terminal until it ends by itself, or is ended by [`stop_all_on_interrupt`].
///
/// # Errors
/// What starting it fails with.
pub fn run_in_terminal(command: &mut Command) -> io::Result<ExitStatus> {
    let child = Arc::new(Mutex::new(command.spawn()?));
    register(&child);
    loop {
        // Asked again and again, not waited for: waiting would hold the lock that ending it needs.
        if let Some(status) = child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .try_wait()?
        {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Makes SIGINT, SIGTERM and SIGHUP end every running machine, run `before_exit`, and leave with exit code 130.
///
/// The first call counts; later ones change nothing.
pub fn stop_all_on_interrupt(before_exit: impl Fn() + Send + 'static) {
    HANDLER.call_once(|| {
        let handler = move || {
            let running =
                std::mem::take(&mut *RUNNING.lock().unwrap_or_else(PoisonError::into_inner));
            running
                .iter()
                .filter_map(Weak::upgrade)
                .for_each(|child| kill(&child));
            before_exit();
            std::process::exit(130);
        };
        // It fails only if another handler is installed; then that one decides.
        let _ = ctrlc::set_handler(handler);
    });
}
