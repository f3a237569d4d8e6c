//! The integration tests: one binary, one link.

mod arrows;
mod cli;
mod cluster;
mod demo;
mod exchange;
mod files;
mod formats;
mod golden;
mod interrupt;
mod kafka;
mod laws;
mod memory;
mod needs;
mod oracle;
mod people;
mod program;
mod proxy;
mod readme;
mod recordings;
pub(crate) mod recovery;
mod schema;
pub(crate) mod serve;
mod silence;
mod strict;
mod tapes;
mod tidy;
mod zones;
