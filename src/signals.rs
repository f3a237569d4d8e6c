//! Interrupts of a command: Ctrl-C and requests to terminate.

use crate::exit::Exit;
use crate::service_manager;
use crate::workers::WorkerWaker;
use anyhow::Result;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The signal that began the shutdown, if a signal did.
static FIRST: OnceLock<i32> = OnceLock::new();

/// The next SIGINT is one that this process sends to itself.
static OWN: AtomicBool = AtomicBool::new(false);

/// Interrupts this process as Ctrl-C would, on behalf of another one. The user of this process has not asked
/// for it, so the next request counts as the first one.
pub fn interrupt_myself() {
    OWN.store(true, Ordering::SeqCst);
    let _ = low_level::raise(SIGINT);
}

/// Records the first signal that ends the command. Returns the given signal.
pub fn note(signal: i32) -> i32 {
    if [SIGINT, SIGTERM].contains(&signal) {
        FIRST.get_or_init(|| signal);
    }
    signal
}

/// Whether a request to terminate ends the command, and not Ctrl-C.
pub fn is_terminated() -> bool {
    FIRST.get() == Some(&SIGTERM)
}

/// How long after an interrupt, or after the first error, a process may still tidy up and commit.
pub const TIDY_UP: Duration = Duration::from_secs(10);

/// The first Ctrl-C or request to terminate stops the run in order, the second one at once. `announce` passes
/// the first one on to the other processes of the run.
pub fn on_signal(interrupted: &Arc<AtomicBool>, wakers: &[WorkerWaker], announce: fn()) -> Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let (interrupted, wakers) = (Arc::clone(interrupted), wakers.to_vec());
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        // The flag does not tell: an error sets it too, and the writing after an error must not be cut off.
        let (mut before, mut stopping) = (false, false);
        for signal in signals.forever() {
            if signal != SIGINT || !OWN.swap(false, Ordering::SeqCst) {
                note(signal);
                if std::mem::replace(&mut before, true) {
                    std::process::exit(Exit::Interrupted.code().into());
                }
            }
            if std::mem::replace(&mut stopping, true) {
                continue;
            }
            interrupted.store(true, Ordering::Relaxed);
            service_manager::stopping();
            announce();
            wakers.iter().for_each(WorkerWaker::wake);
            std::thread::spawn(give_up);
        }
    })?;
    Ok(())
}

/// Ends a process that was interrupted but still waits for a broker or a database that is away. The sender of
/// the signal would otherwise wait, and kill the process.
fn give_up() {
    std::thread::sleep(TIDY_UP);
    let seconds = TIDY_UP.as_secs();
    tracing::warn!(
        "interrupted {seconds} s ago, and what is not committed still cannot be: ending without it; \
         the last commit is whole"
    );
    std::process::exit(Exit::Interrupted.code().into());
}
