//! What timely and differential lack for us, one operator a file.

#[cfg(any(test, feature = "abomonation"))]
pub mod abomonated;
pub mod at_looks;
pub mod closings;
pub mod emission;
pub(crate) mod given_once;
pub(crate) mod moves;
pub(crate) mod pane_trace;
pub mod revisions;
pub mod sorted_runs;
mod timestamp;
pub(crate) mod window_looks;
