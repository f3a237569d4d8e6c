//! The pure core of Crossrate: what a trade is, which trades count, and the dataflow that turns
//! them into rows. Nothing in this crate opens a file or a socket, or reads a clock.
//!
//! A file beside this one is a dataflow; a folder is vocabulary. Each dataflow answers a question:
//!
//! | dataflow | question | from | to |
//! | --- | --- | --- | --- |
//! | [`symbol_windows`] | What did each symbol do in each window? | panes | rows of symbols, legs of crosses |
//! | [`cross_rates`] | What is a pair worth that is not traded directly? | legs | rows of crosses, final rates |
//! | [`series_stats`] | How has a cross rate behaved so far? | final rates | rows of statistics |
//! | [`basis`](mod@basis) | What is a cross worth beside the pair that is traded directly? | final rows | rows of bases |
//! | [`held_windows`](mod@held_windows) | What can a later cross reach back to? | legs | the same, for longer |
//! | [`fills`](mod@fills) | What is there of a symbol where it did not trade? | final rows of symbols | rows without trades |
//! | [`asset_paths`](mod@asset_paths) | Through which pairs is an asset priced? | panes | changed crosses |
//! | [`job`](mod@job) | all of them, as one run has them | panes and notes | rows in their one order |
//!
//! Read [`market`] first (values and sums, no timely): `trade`, `acceptance`, `folding` and `sums` are what
//! happens before the dataflow, `moments` is what flows in it, `looks` says when anything is given, `row` is
//! what leaves. Then [`operators`], of which `at_looks` is the one that turns a frontier into results.
//!
//! What all of this takes for granted: items are dated at or after the capability that they are sent with; a
//! look at `x` sees what is dated before `x`, and happens once the frontier is at `x`; the same input gives
//! the same output whatever the batches, the workers and their pace. [`market::resume`] adds: also when it is
//! cut in two by a restart.

pub mod asset_paths;
pub mod basis;
pub mod cross_rates;
pub mod fills;
pub mod held_windows;
pub mod job;
pub mod market;
pub mod operators;
pub mod series_stats;
pub mod symbol_windows;
