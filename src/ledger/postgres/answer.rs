//! Waiting for the server: not for ever, and not without a word.

use super::PostgresFault;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

/// How long a wait may last before the user is told what for.
const TELL_AFTER: Duration = Duration::from_secs(3);

/// Gives up after so long.
pub(super) async fn within<T>(
    most: Duration,
    work: impl Future<Output = Result<T, PostgresFault>>,
) -> Result<T, PostgresFault> {
    match timeout(most, work).await {
        Ok(done) => done,
        Err(_) => Err(PostgresFault::Away(format!("no answer for {} s", most.as_secs()))),
    }
}

/// The same, and says so where it takes long.
pub(super) async fn patiently<T>(
    shown: &str,
    quiet: bool,
    most: Duration,
    work: impl Future<Output = Result<T, PostgresFault>>,
) -> Result<T, PostgresFault> {
    let mut work = pin!(within(most, work));
    match timeout(TELL_AFTER, &mut work).await {
        Ok(done) => done,
        Err(_) => {
            if !quiet {
                let wait_s = most.as_secs();
                tracing::warn!(
                    place = %shown,
                    wait_s,
                    "{shown} does not answer, waiting for {wait_s} s at most"
                );
            }
            work.await
        }
    }
}
