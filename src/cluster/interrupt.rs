//! Interrupts (Ctrl-C, SIGTERM): noticed in one flag that a run looks at, and made on another process's
//! behalf.

use crate::signals::{self, TIDY_UP};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

static FLAGS: Mutex<Option<InterruptFlags>> = Mutex::new(None);

struct InterruptFlags {
    /// The process is to stop.
    interrupted: Arc<AtomicBool>,
    /// Somebody has asked for it here: a second request ends the process at once.
    asked: Arc<AtomicBool>,
    /// It was asked by SIGTERM.
    terminated: Arc<AtomicBool>,
}

/// The flag that SIGINT and SIGTERM set from now on, instead of ending the process: the run has to look at
/// it, stop in good order and end with 130. A second one ends the process at once. May be called often; there
/// is one flag.
pub(super) fn notice() -> io::Result<Arc<AtomicBool>> {
    let mut known = FLAGS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(flags) = &*known {
        return Ok(Arc::clone(&flags.interrupted));
    }
    let flags =
        InterruptFlags { interrupted: Arc::default(), asked: Arc::default(), terminated: Arc::default() };
    flag::register(SIGTERM, Arc::clone(&flags.terminated))?;
    for signal in [SIGINT, SIGTERM] {
        // In this order, or the first one would be a second one already.
        flag::register_conditional_shutdown(signal, 130, Arc::clone(&flags.asked))?;
        flag::register(signal, Arc::clone(&flags.asked))?;
        flag::register(signal, Arc::clone(&flags.interrupted))?;
    }
    Ok(Arc::clone(&known.insert(flags).interrupted))
}

/// Whether this process itself was sent an interrupt since [`notice`].
pub(super) fn noticed() -> bool {
    let known = FLAGS.lock().unwrap_or_else(PoisonError::into_inner);
    known.as_ref().is_some_and(|flags| flags.interrupted.load(Ordering::SeqCst))
}

/// Notes which signal it was that has ended the joining, before a run looks at signals itself.
pub(super) fn note_signal() {
    let known = FLAGS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(flags) = &*known {
        let terminated = flags.terminated.load(Ordering::SeqCst);
        signals::note(if terminated { SIGTERM } else { SIGINT });
    }
}

/// Interrupts this process as Ctrl-C would, unless Ctrl-C has: a terminal sends it to every process at once,
/// and a second one means "now". Whoever does not end within [`TIDY_UP`] is ended.
pub(super) fn myself() {
    let _ = thread::Builder::new().name("cluster:interrupt".into()).spawn(|| {
        // The terminal's may be under way.
        thread::sleep(Duration::from_millis(100));
        if !noticed() {
            signals::interrupt_myself();
            if let Some(flags) = &*FLAGS.lock().unwrap_or_else(PoisonError::into_inner) {
                flags.asked.store(false, Ordering::SeqCst);
            }
        }
        thread::sleep(TIDY_UP);
        quit(130);
    });
}

/// Exits, and sees to it that this is not held up: an exit handler of a C library may wait for a thread that
/// waits for us.
pub(super) fn quit(code: u8) -> ! {
    let _ = thread::Builder::new().name("cluster:exit".into()).spawn(move || {
        thread::sleep(Duration::from_secs(2));
        signal_hook::low_level::exit(code.into());
    });
    process::exit(code.into())
}
