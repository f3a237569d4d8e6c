//! Crossrate: exact incremental cross rates on event time.

pub mod config;
pub mod demo;
pub mod source;
pub mod wire;
