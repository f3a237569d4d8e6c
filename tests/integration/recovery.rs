//! Runs that are killed and taken up: what they leave is byte for byte what one undisturbed run leaves.
//!
//! `CROSSRATE_TEST_KILLS=N` sets how often each loop kills (16 without), `CROSSRATE_TEST_SEED=N` makes other
//! inputs and other moments.

mod any_point;
pub(crate) mod command;
pub(crate) mod days;
mod days_by_window;
mod earlier_release;
mod ended;
mod first_moments;
pub(crate) mod fixtures;
pub(crate) mod full_disk;
mod grown;
mod held;
pub(crate) mod input;
pub(crate) mod kill_loop;
mod links;
mod newer_zones;
mod others_files;
pub(crate) mod outputs;
pub(crate) mod postgres;
mod read_only;
mod restarts;
mod sqlite_and_files;

/// A folder in memory where there is one: to kill a process costs the disk's cache nothing, so nothing is
/// proven by waiting for the disk.
pub(crate) fn folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder")
}
