//! A process of this very program that answers one request and ends with it: whatever goes wrong there, or
//! takes too long, costs the job nothing.

use std::process::ExitStatus;
use tokio::process::Child;
use tokio::runtime::Handle;

/// The process, killed when this goes, where it has not ended by itself.
#[derive(Debug)]
pub(super) struct Helper(Option<Child>);

impl Helper {
    pub(super) fn new(child: Child) -> Helper {
        Helper(Some(child))
    }

    /// How it has ended, once it has.
    pub(super) async fn ended(&mut self) -> Option<ExitStatus> {
        self.0.as_mut()?.wait().await.ok()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        // It may have ended by itself.
        let _ = child.start_kill();
        if let Ok(runtime) = Handle::try_current() {
            // Whoever ended a process takes note of its end, or the system keeps it in mind.
            runtime.spawn(async move { child.wait().await });
        }
    }
}
