//! Runs that are killed and taken up: what they leave is byte for byte what one undisturbed run leaves.
//!
//! `CROSSRATE_TEST_KILLS=N` sets how often each loop kills (20 without), `CROSSRATE_TEST_SEED=N` makes other inputs
//! and other moments.

mod input;
mod kill_loop;
mod outputs;
mod sqlite_and_files;
