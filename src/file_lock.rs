//! A file has one writer: locked by whoever writes it, so that a run whose job was taken over, frozen in the
//! middle of a write perhaps, has ended before another one writes.

use crate::config::Verbosity;
use crate::exit::{Exit, Failure};
use crate::start;
use anyhow::Result;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// How long a run waits for an earlier one, whose job it has taken over, to notice and let go of its files.
const PATIENCE: Duration = if cfg!(test) { Duration::from_millis(300) } else { Duration::from_secs(10) };
/// After how long it says what it waits for: who runs lets go sooner than that.
const SILENT: Duration = Duration::from_secs(3);

/// Locks a file or a folder for as long as it is open, waiting for an earlier run to let go. `before` is the
/// owner of the previous run, for the message.
pub(crate) fn lock(file: &File, name: &str, before: Option<&str>, verbosity: Verbosity) -> Result<()> {
    let begun = Instant::now();
    let mut told = verbosity < Verbosity::Normal;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {
                if begun.elapsed() >= SILENT && !std::mem::replace(&mut told, true) {
                    let who = holder(file).map_or("another process".into(), start::owner_of);
                    let most = PATIENCE.as_secs();
                    tracing::warn!(
                        file = name,
                        holder = who,
                        wait_s = most,
                        "{name} is being written by {who}, waiting up to {most} s for its end"
                    );
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => return Err(held(file, name, before).into()),
            // Some network file systems have no locks; nothing worse follows than without them.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => return Ok(()),
            Err(TryLockError::Error(error)) => {
                return Err(Failure::new(Exit::Failed, format!("cannot lock {name}")).because(error).into());
            }
        }
    }
}

fn held(file: &File, name: &str, before: Option<&str>) -> Failure {
    let by = |who: &str| Failure::new(Exit::Failed, format!("{name} is being written by {who}"));
    match (holder(file), before) {
        (Some(process), _) => by(&start::owner_of(process)).hint(format!(
            "end it (kill {process}; if it is stopped, kill -9 {process}), or name another file"
        )),
        // On another machine, or hidden from this one.
        (None, Some(before)) => by("another process").hint(format!(
            "end that one (it may be stopped), or name another file; this job was last held by {before}"
        )),
        (None, None) => by("another process").hint("end that one (it may be stopped), or name another file"),
    }
}

/// The process of this machine that has a file locked, where the system tells.
fn holder(file: &File) -> Option<u32> {
    let found = file.metadata().ok()?;
    holder_in(&std::fs::read_to_string("/proc/locks").ok()?, found.dev(), found.ino())
}

/// Lines such as `1: FLOCK  ADVISORY  WRITE 4711 fe:00:1313 0 EOF`.
fn holder_in(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let major = (device >> 8 & 0xfff) | (device >> 32 & !0xfff);
    let minor = (device & 0xff) | (device >> 12 & !0xff);
    let place = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let is_held = words.next() == Some("FLOCK") && words.nth(1) == Some("WRITE");
        let process = words.next()?;
        (is_held && words.next() == Some(place.as_str()))
            .then(|| process.parse().ok().filter(|id| *id > 0))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_who_has_the_lock_and_nobody_who_waits_for_it() {
        let locks = "1: POSIX  ADVISORY  WRITE 9 fe:00:1313 0 EOF\n2: FLOCK  ADVISORY  WRITE 11 fe:01:1313 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 12 fe:00:1313 0 EOF\n3: FLOCK  ADVISORY  WRITE 13 fe:00:1313 0 EOF\n";
        assert_eq!(holder_in(locks, 0xfe00, 1313), Some(13));
        assert_eq!(holder_in(locks, 0xfe00, 1314), None);
        assert_eq!(holder_in("1: FLOCK ADVISORY WRITE 0 fe:00:1313 0 EOF\n2: FLOCK\n", 0xfe00, 1313), None);
        let file = tempfile::tempfile().expect("a file");
        file.try_lock().expect("locked");
        assert_eq!(holder(&file), Some(std::process::id()));
    }
}
