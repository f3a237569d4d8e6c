//! Rows as texts and values outside the program: columns, CSV, and the tables of SQLite. Knows no place that
//! they go to.

pub mod columns;
pub(crate) mod csv;
pub(crate) mod sqlite;
