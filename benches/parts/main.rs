//! What does each part of the work on a trade cost by itself, away from files, brokers, threads and dataflow?
//!
//!     cargo bench --bench parts -- [PART]
//!
//! The whole program is measured by the other benches; these say which part a difference there came from.

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;

mod decode;
mod fold;
mod rows;
mod trades;
mod windows;

/// What takes microseconds to milliseconds need not be measured for as long as criterion would by itself.
fn settings() -> Criterion {
    Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
}

criterion_group! {
    name = parts;
    config = settings();
    targets = decode::bench, fold::bench, windows::bench, rows::bench
}
criterion_main!(parts);
