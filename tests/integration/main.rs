//! The integration tests: one binary, one link.

mod cluster;
mod demo;
