//! What timely and differential lack for us, one operator a file.

#[cfg(feature = "abomonation")]
pub mod abomonated;
pub mod at_looks;
pub mod closings;
pub mod revisions;
mod timestamp;
