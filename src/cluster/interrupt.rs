//! Interrupts (Ctrl-C, SIGTERM): noticed in one flag that a run looks at, and made on another process's
//! behalf.

use super::failure_detector::quit;
use crate::signals::TIDY_UP;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

static FLAG: Mutex<Option<Arc<AtomicBool>>> = Mutex::new(None);

/// The flag that SIGINT and SIGTERM set from now on, instead of ending the process: the run has to look at
/// it, stop in good order and end with 130. A second one ends the process at once. May be called often; there
/// is one flag.
pub(super) fn notice() -> io::Result<Arc<AtomicBool>> {
    let mut known = FLAG.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(flag) = &*known {
        return Ok(Arc::clone(flag));
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order, or the first one would be a second one already.
        flag::register_conditional_shutdown(signal, 130, Arc::clone(&interrupted))?;
        flag::register(signal, Arc::clone(&interrupted))?;
    }
    *known = Some(Arc::clone(&interrupted));
    Ok(interrupted)
}

/// Whether this process itself was sent an interrupt since [`notice`].
pub(super) fn noticed() -> bool {
    let known = FLAG.lock().unwrap_or_else(PoisonError::into_inner);
    known.as_ref().is_some_and(|flag| flag.load(Ordering::SeqCst))
}

/// Interrupts this process as Ctrl-C would, unless Ctrl-C has: a terminal sends it to every process at once,
/// and a second one means "now". Whoever does not end within [`TIDY_UP`] is ended.
pub(super) fn myself() {
    let _ = thread::Builder::new().name("cluster:interrupt".into()).spawn(|| {
        // The terminal's may be under way.
        thread::sleep(Duration::from_millis(100));
        if !noticed() {
            let _ = low_level::raise(SIGINT);
        }
        thread::sleep(TIDY_UP);
        quit(130);
    });
}
