//! Files of rows by day.

/// The form of files by day.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum DayForm {
    /// Comma-separated values, with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl DayForm {
    /// The scheme that names it, and the end of its files' names.
    pub fn as_str(self) -> &'static str {
        match self {
            DayForm::Csv => "csv",
            DayForm::Parquet => "parquet",
        }
    }
}
