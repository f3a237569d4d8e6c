//! Crossrate: exact incremental cross rates on event time.

pub mod cli;
pub mod config;
pub mod exit;
pub mod source;
pub mod wire;
