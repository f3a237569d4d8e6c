//! The integration tests: one binary, one link.

mod cli;
mod demo;
mod readme;
