//! What timely and differential lack for us, one operator a file.

mod timestamp;
