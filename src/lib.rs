//! Crossrate: exact incremental cross rates on event time.

pub mod accounting;
pub mod ahead;
pub mod bench;
pub mod cli;
pub mod cluster;
pub mod collect;
pub mod config;
pub mod demo;
pub mod exit;
pub mod follow;
pub mod frontier;
pub mod kafka;
pub mod ledger;
pub mod query;
pub mod recovery;
pub mod replay;
pub mod run;
pub mod serve;
pub mod sink;
pub mod source;
pub mod start;
pub mod symbols;
pub mod top;
pub mod wire;
pub mod worker;
