//! Rows out of a Parquet file by day, a group at a time. A column that the schema does not have is passed
//! over, such as the doubles beside decimals; a field that the file does not have is null.

use super::columns;
use super::unreadable::Unreadable;
use crossrate_dataflows::market::schema::{FieldType, RowKind};
use crossrate_dataflows::market::value::Value;
use parquet::basic::Type as Physical;
use parquet::column::reader::{ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{BoolType, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use std::fs::File;
use std::path::Path;

/// A file that is open.
pub(crate) struct Groups {
    reader: SerializedFileReader<File>,
    kind: RowKind,
    /// The columns of the file that are fields, each with its field's place.
    columns: Vec<(usize, usize)>,
}

impl Groups {
    /// Opens a file of rows of that kind.
    pub(crate) fn open(path: &Path, kind: RowKind) -> Result<Groups, Unreadable> {
        let reader = SerializedFileReader::new(File::open(path)?)?;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let mut columns = Vec::new();
        for (column, described) in schema.columns().iter().enumerate() {
            let Some(place) = kind.schema().position(described.name()) else { continue };
            let physical = match kind.schema().fields[place].ty {
                FieldType::Integer => Physical::INT64,
                FieldType::Real => Physical::DOUBLE,
                FieldType::Boolean => Physical::BOOLEAN,
                FieldType::Text | FieldType::Decimal | FieldType::List(_) => Physical::BYTE_ARRAY,
            };
            if described.physical_type() != physical || described.max_rep_level() > 0 {
                return Err(Unreadable::Columns);
            }
            columns.push((column, place));
        }
        let is_there =
            |name: &str| columns.iter().any(|(_, place)| kind.schema().fields[*place].name == name);
        match ["name", "start_ms", "end_ms"].into_iter().all(is_there) {
            true => Ok(Groups { reader, kind, columns }),
            false => Err(Unreadable::Columns),
        }
    }

    /// How many groups it has.
    pub(crate) fn count(&self) -> usize {
        self.reader.num_row_groups()
    }

    /// How many rows it has.
    pub(crate) fn row_count(&self) -> u64 {
        u64::try_from(self.reader.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Bytes of a group in the file.
    pub(crate) fn bytes(&self, group: usize) -> u64 {
        u64::try_from(self.reader.metadata().row_group(group).compressed_size()).unwrap_or(0)
    }

    /// The rows of a group: the values of all fields.
    pub(crate) fn rows(&self, group: usize) -> Result<Vec<Vec<Value>>, Unreadable> {
        let group = self.reader.get_row_group(group)?;
        let count = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let fields = self.kind.schema().fields;
        let mut rows = vec![vec![Value::Null; fields.len()]; count];
        for (column, place) in &self.columns {
            let group = &*group;
            let values = match fields[*place].ty {
                FieldType::Integer => values::<Int64Type>(group, *column, count, |n| Value::Integer(*n))?,
                FieldType::Real => values::<DoubleType>(group, *column, count, |x| Value::Real(*x))?,
                FieldType::Boolean => values::<BoolType>(group, *column, count, |b| Value::Boolean(*b))?,
                ty => values::<ByteArrayType>(group, *column, count, |text| {
                    text.as_utf8().map_or(Value::Null, |text| columns::of_text(ty, text))
                })?,
            };
            for (row, value) in rows.iter_mut().zip(values) {
                row[*place] = value;
            }
        }
        Ok(rows)
    }
}

fn values<T: DataType>(
    group: &dyn RowGroupReader,
    column: usize,
    count: usize,
    of: impl Fn(&T::T) -> Value,
) -> Result<Vec<Value>, ParquetError> {
    let is_nullable = group.metadata().column(column).column_descr().max_def_level() > 0;
    let mut reader: ColumnReaderImpl<T> = get_typed_column_reader(group.get_column_reader(column)?);
    let (mut found, mut levels) = (Vec::with_capacity(count), Vec::new());
    let mut read = 0;
    while read < count {
        let (records, _, _) =
            reader.read_records(count - read, is_nullable.then_some(&mut levels), None, &mut found)?;
        if records == 0 {
            return Err(ParquetError::EOF("a column has fewer values than its group has rows".into()));
        }
        read += records;
    }
    let mut found = found.iter();
    if !is_nullable {
        return Ok(found.map(of).collect());
    }
    let value = |level: &i16| if *level > 0 { found.next().map_or(Value::Null, &of) } else { Value::Null };
    Ok(levels.iter().map(value).collect())
}
