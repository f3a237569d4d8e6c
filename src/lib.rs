//! Crossrate: exact incremental cross rates on event time.

pub mod cluster;
pub mod config;
pub mod source;
pub mod wire;
