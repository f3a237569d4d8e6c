//! The integration tests: one binary, one link.

mod cli;
mod cluster;
mod demo;
mod readme;
mod recovery;
