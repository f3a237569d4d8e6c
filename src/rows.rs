//! Rows as texts and values outside the program: columns, CSV, the tables of SQLite, Arrow streams, folders
//! of files by day and Parquet files as they are read. Knows no place that rows go to.

#[cfg(feature = "arrow")]
pub(crate) mod arrow;
pub mod columns;
pub(crate) mod csv;
pub(crate) mod days;
#[cfg(feature = "parquet")]
pub(crate) mod parquet;
pub(crate) mod sqlite;
pub(crate) mod unreadable;
