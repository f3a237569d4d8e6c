//! Why rows cannot be read from a file, whatever its form.

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// The file does not open, or breaks off.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A line is none of the table's.
    #[error("line {0} is no row of this table")]
    Line(u64),
    /// The columns are not those of the table.
    #[error("its columns are not those of this table")]
    Columns,
    /// This program reads no Parquet.
    #[cfg(not(feature = "parquet"))]
    #[error("this program was built without the feature parquet")]
    NoParquet,
    /// The file is no Parquet file, or damaged.
    #[cfg(feature = "parquet")]
    #[error(transparent)]
    Parquet(#[from] parquet::errors::ParquetError),
}
