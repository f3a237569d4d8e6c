//! A day's rows as a Parquet file: the columns of the tables, decimals as exact texts and beside each a
//! double, `vwap` and `vwap_real`, as in the databases. No decimal type of Parquet holds every sum and
//! product exactly.
//!
//! Where the folder's name tells the window definition the file has no such column: pandas refuses a folder
//! whose files have a column that their paths have too.

use super::append_file::{remove_if_there, write_failed};
use super::pack::Pack;
use crate::checksum::HashingWriter;
use crate::exit::{Exit, Failure};
use crate::rows::columns;
use crate::rows::days::{GATHERED, PARQUET_SUM, ROWS_PARQUET};
use anyhow::Result;
use crossrate_dataflows::market::schema::{Field, FieldType};
use crossrate_dataflows::market::value::Value;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::Path;
use std::sync::Arc;

/// Rows of a group, which are in memory at once.
const GROUP: usize = 50_000;

/// Makes the file of a day of what has gathered, and its checksum; removes what has gathered where the day is
/// over.
pub(super) fn pack(day: &Pack) -> Result<()> {
    let (gathered, aside) = (day.folder.join(GATHERED), day.folder.join("_rows.parquet.part"));
    let failed = |error| write_failed(&day.folder.display().to_string(), error);
    let sum = write(&gathered, &aside, day).map_err(|error| match error {
        ParquetError::External(error) => match error.downcast::<std::io::Error>() {
            Ok(error) => failed(*error),
            Err(error) => Failure::new(Exit::Failed, format!("cannot write {}", aside.display()))
                .because(std::io::Error::other(error)),
        },
        error => Failure::new(Exit::Failed, format!("cannot write {}", aside.display())).because(error),
    })?;
    name(day, &aside, &sum).map_err(failed)?;
    if day.over {
        std::fs::remove_file(&gathered).map_err(failed)?;
    }
    Ok(())
}

/// Gives a file that is whole its name, and writes its checksum. At no time is the checksum of another file
/// beside it.
fn name(day: &Pack, aside: &Path, sum: &str) -> io::Result<()> {
    let beside = day.folder.join(PARQUET_SUM);
    remove_if_there(&beside)?;
    std::fs::rename(aside, day.folder.join(ROWS_PARQUET))?;
    let mut file = File::create(aside)?;
    writeln!(file, "{sum}  {ROWS_PARQUET}")?;
    file.sync_all()?;
    std::fs::rename(aside, beside)?;
    File::open(&day.folder)?.sync_all()
}

/// The columns of a day's file, and their places among the fields of its rows.
fn fields(day: &Pack) -> impl Iterator<Item = (usize, &'static Field)> {
    let is_told = |field: &Field| day.of_window && field.name == "window";
    day.kind.schema().fields.iter().enumerate().filter(move |(_, field)| !is_told(field))
}

/// Writes a file of what has gathered, and gives its SHA-256.
fn write(gathered: &Path, aside: &Path, day: &Pack) -> Result<String, ParquetError> {
    let kind = day.kind;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let file = HashingWriter::new(File::create(aside)?);
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema(day)?), Arc::new(properties))?;
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for line in BufReader::new(File::open(gathered)?).lines() {
        let row = columns::read(&line?).filter(|row| row.kind == kind);
        let foreign = || ParquetError::General(format!("{} holds a line that is no row", gathered.display()));
        rows.push(row.ok_or_else(foreign)?.columns());
        if rows.len() == GROUP {
            group(writer.next_row_group()?, day, &rows)?;
            rows.clear();
        }
    }
    if !rows.is_empty() {
        group(writer.next_row_group()?, day, &rows)?;
    }
    let (file, sum) = writer.into_inner()?.finish();
    file.sync_all()?;
    Ok(sum)
}

fn schema(day: &Pack) -> Result<Type, ParquetError> {
    let mut columns = Vec::new();
    for (_, column) in fields(day) {
        let (physical, logical) = match column.ty {
            FieldType::Integer => (Physical::INT64, None),
            FieldType::Real => (Physical::DOUBLE, None),
            FieldType::Boolean => (Physical::BOOLEAN, None),
            FieldType::Text | FieldType::Decimal | FieldType::List(_) => {
                (Physical::BYTE_ARRAY, Some(LogicalType::String))
            }
        };
        let repetition =
            if columns::is_required(column) { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        let field = Type::primitive_type_builder(column.name, physical).with_repetition(repetition);
        columns.push(Arc::new(field.with_logical_type(logical).build()?));
        if column.ty == FieldType::Decimal {
            let name = format!("{}_real", column.name);
            let field = Type::primitive_type_builder(&name, Physical::DOUBLE);
            columns.push(Arc::new(field.with_repetition(Repetition::OPTIONAL).build()?));
        }
    }
    Type::group_type_builder(day.kind.schema().table).with_fields(columns).build()
}

fn group(
    mut group: SerializedRowGroupWriter<'_, HashingWriter<File>>,
    day: &Pack,
    rows: &[Vec<Value>],
) -> Result<(), ParquetError> {
    for (place, column) in fields(day) {
        let of = rows.iter().map(|row| &row[place]);
        let required = ColumnRequirement(columns::is_required(column));
        match column.ty {
            FieldType::Integer => next::<Int64Type>(&mut group, required, of, |value| match value {
                Value::Integer(n) => Some(*n),
                _ => None,
            })?,
            FieldType::Real => next::<DoubleType>(&mut group, required, of, |value| match value {
                Value::Real(x) => Some(*x),
                _ => None,
            })?,
            FieldType::Boolean => next::<BoolType>(&mut group, required, of, |value| match value {
                Value::Boolean(b) => Some(*b),
                _ => None,
            })?,
            FieldType::Text | FieldType::Decimal | FieldType::List(_) => {
                next::<ByteArrayType>(&mut group, required, of, |value| {
                    value.text(column.ty).map(|text| ByteArray::from(text.as_ref()))
                })?;
            }
        }
        if column.ty == FieldType::Decimal {
            next::<DoubleType>(&mut group, NULLABLE, rows.iter().map(|row| &row[place]), |value| {
                value.text(column.ty).and_then(|text| text.parse().ok())
            })?;
        }
    }
    group.close().map(drop)
}

/// Whether no row is without a column.
#[derive(Copy, Clone)]
struct ColumnRequirement(bool);

/// What stands beside a decimal may be null where that is.
const NULLABLE: ColumnRequirement = ColumnRequirement(false);

fn next<'a, T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, HashingWriter<File>>,
    required: ColumnRequirement,
    values: impl Iterator<Item = &'a Value>,
    of: impl Fn(&Value) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("a column is missing".into());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    let values: Vec<Option<T::T>> = values.map(of).collect();
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let levels = (!required.0).then_some(levels.as_slice());
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    column.typed::<T>().write_batch(&values, levels, None)?;
    column.close()
}
