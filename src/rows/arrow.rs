//! Rows as an Arrow IPC stream: columns under the names and in the order of the schema that Parquet files
//! have too.
//!
//! Decimals are exact: `Decimal128` where all values of the column have 38 digits or fewer, else `Decimal256`
//! up to 76 digits, else texts. A whole number beyond 64 bits makes its column one of texts. Lists are lists
//! of structs.

use super::columns::is_required;
use arrow_array::types::{Decimal128Type, Decimal256Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Decimal256Array, Float64Array, Int64Array, ListArray,
    PrimitiveArray, RecordBatch, StringArray, StructArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer, i256};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field as ArrowField, Fields, Schema};
use crossrate_dataflows::market::schema::{Field, FieldType, RowKind};
use crossrate_dataflows::market::value::{Decimal, Value};
use num_bigint::BigInt;
use std::sync::Arc;

/// Fractional digits of a column of nulls: those of rates.
const PLACES: u8 = 18;
/// Integers up to this are doubles exactly.
const EXACT: i64 = 1 << 53;

/// A column.
#[derive(Debug, Clone)]
pub(crate) struct ArrowColumn {
    /// Its name.
    pub(crate) name: String,
    /// What it holds.
    pub(crate) ty: FieldType,
    /// Whether no row is without it.
    pub(crate) is_required: bool,
    /// The value of each row.
    pub(crate) values: Vec<Value>,
}

/// The columns of rows that have those fields.
pub(crate) fn columns(fields: &[Field], rows: Vec<Vec<Value>>) -> Vec<ArrowColumn> {
    let mut columns: Vec<ArrowColumn> = fields
        .iter()
        .map(|field| {
            let (name, is_required) = (field.name.to_owned(), is_required(field));
            ArrowColumn { name, ty: field.ty, is_required, values: Vec::with_capacity(rows.len()) }
        })
        .collect();
    for row in rows {
        columns.iter_mut().zip(row).for_each(|(column, value)| column.values.push(value));
    }
    columns
}

/// The columns of an answer in SQL: texts are decimals where the column is called as one of the rows is.
pub(crate) fn answer(names: &[String], rows: &[Vec<serde_json::Value>]) -> Vec<ArrowColumn> {
    let column = |(place, name): (usize, &String)| {
        let cells: Vec<&serde_json::Value> = rows.iter().filter_map(|row| row.get(place)).collect();
        let (ty, values) = typed(name, &cells);
        ArrowColumn { name: name.clone(), ty, is_required: false, values }
    };
    names.iter().enumerate().map(column).collect()
}

fn typed(name: &str, cells: &[&serde_json::Value]) -> (FieldType, Vec<Value>) {
    let field =
        RowKind::ALL.into_iter().flat_map(|kind| kind.schema().fields).find(|field| field.name == name);
    let is_decimal = field.is_some_and(|field| field.ty == FieldType::Decimal);
    let said = || cells.iter().filter(|cell| !cell.is_null());
    let all = |of: fn(&serde_json::Value) -> Option<Value>| -> Option<Vec<Value>> {
        cells.iter().map(|cell| if cell.is_null() { Some(Value::Null) } else { of(cell) }).collect()
    };
    if said().next().is_none() {
        // Lists are texts in a table.
        let ty = field.map_or(FieldType::Text, |field| field.ty);
        let ty = if matches!(ty, FieldType::List(_) | FieldType::Boolean) { FieldType::Text } else { ty };
        return (ty, vec![Value::Null; cells.len()]);
    }
    if let Some(values) = all(|cell| cell.as_i64().map(Value::Integer)) {
        return (FieldType::Integer, values);
    }
    let double = |cell: &serde_json::Value| {
        let is_exact = cell.as_i64().is_none_or(|number| number.abs() <= EXACT);
        cell.as_f64().filter(|_| is_exact).map(Value::Real)
    };
    if let Some(values) = all(double) {
        return (FieldType::Real, values);
    }
    let decimal = |cell: &serde_json::Value| cell.as_str().and_then(Decimal::parse).map(Value::Decimal);
    if let Some(values) = all(decimal).filter(|_| is_decimal) {
        return (FieldType::Decimal, values);
    }
    let text = |cell: &serde_json::Value| {
        Some(cell.as_str().map_or_else(|| cell.to_string().as_str().into(), Value::from))
    };
    (FieldType::Text, all(text).unwrap_or_default())
}

/// The stream: its schema, a batch of all rows, its end. Without columns there is no batch.
pub(crate) fn stream(columns: &[ArrowColumn]) -> Result<Vec<u8>, ArrowError> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for column in columns {
        let values: Vec<&Value> = column.values.iter().collect();
        let array = array(column.ty, &values)?;
        let is_nullable = !column.is_required || array.null_count() > 0;
        fields.push(ArrowField::new(&column.name, array.data_type().clone(), is_nullable));
        arrays.push(array);
    }
    let schema = Arc::new(Schema::new(fields));
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    if !arrays.is_empty() {
        writer.write(&RecordBatch::try_new(schema, arrays)?)?;
    }
    writer.finish()?;
    writer.into_inner()
}

fn array(ty: FieldType, values: &[&Value]) -> Result<ArrayRef, ArrowError> {
    Ok(match ty {
        FieldType::Integer if values.iter().any(|value| matches!(value, Value::Large(_))) => {
            texts(ty, values)
        }
        FieldType::Integer => Arc::new(values.iter().map(|value| value.as_integer()).collect::<Int64Array>()),
        FieldType::Real => Arc::new(values.iter().map(|value| real(value)).collect::<Float64Array>()),
        FieldType::Boolean => Arc::new(values.iter().map(|value| boolean(value)).collect::<BooleanArray>()),
        FieldType::Text => texts(ty, values),
        FieldType::Decimal => return decimals(values),
        FieldType::List(fields) => return list(fields, values),
    })
}

fn real(value: &Value) -> Option<f64> {
    if let Value::Real(x) = value { Some(*x) } else { None }
}

fn boolean(value: &Value) -> Option<bool> {
    if let Value::Boolean(is) = value { Some(*is) } else { None }
}

fn texts(ty: FieldType, values: &[&Value]) -> ArrayRef {
    Arc::new(values.iter().map(|value| value.text(ty)).collect::<StringArray>())
}

/// The narrowest type that holds all values as they are.
fn decimals(values: &[&Value]) -> Result<ArrayRef, ArrowError> {
    let ty = FieldType::Decimal;
    if values.iter().any(|value| !matches!(value, Value::Null | Value::Decimal(_))) {
        return Ok(texts(ty, values));
    }
    let said = || values.iter().filter_map(|value| value.as_decimal());
    let places = said().map(Decimal::places).max().unwrap_or(PLACES);
    let scaled = |value: &&Value| {
        let decimal = value.as_decimal()?;
        Some(decimal.scaled() * BigInt::from(10).pow(u32::from(places - decimal.places())))
    };
    let scaled: Vec<Option<BigInt>> = values.iter().map(scaled).collect();
    let digits = |number: &BigInt| number.magnitude().to_string().len();
    let widest = scaled.iter().flatten().map(digits).max().unwrap_or(0).max(usize::from(places));
    let Ok(scale) = i8::try_from(places) else { return Ok(texts(ty, values)) };
    Ok(match widest {
        0..=38 => {
            let narrow = |number: Option<BigInt>| number.and_then(|number| i128::try_from(number).ok());
            let array: PrimitiveArray<Decimal128Type> = scaled.into_iter().map(narrow).collect();
            let array: Decimal128Array = array.with_precision_and_scale(38, scale)?;
            Arc::new(array)
        }
        39..=76 => {
            let array: PrimitiveArray<Decimal256Type> =
                scaled.into_iter().map(|number| number.as_ref().and_then(wide)).collect();
            let array: Decimal256Array = array.with_precision_and_scale(76, scale)?;
            Arc::new(array)
        }
        _ => texts(ty, values),
    })
}

fn wide(number: &BigInt) -> Option<i256> {
    let bytes = number.to_signed_bytes_le();
    let sign = if number.sign() == num_bigint::Sign::Minus { 0xff } else { 0 };
    let mut all = [sign; 32];
    all.get_mut(..bytes.len())?.copy_from_slice(&bytes);
    Some(i256::from_le_bytes(all))
}

/// A list of structs, one field after the other.
fn list(fields: &[Field], values: &[&Value]) -> Result<ArrayRef, ArrowError> {
    let items = |value: &&Value| match value {
        Value::List(list) => list.len(),
        _ => 0,
    };
    let lists =
        || values.iter().filter_map(|value| if let Value::List(list) = value { Some(list) } else { None });
    let mut of_struct = Vec::with_capacity(fields.len());
    let mut arrays = Vec::with_capacity(fields.len());
    for (place, field) in fields.iter().enumerate() {
        let column: Vec<&Value> =
            lists().flat_map(|list| list.iter().filter_map(|item| item.get(place))).collect();
        let array = array(field.ty, &column)?;
        of_struct.push(ArrowField::new(field.name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let structs = StructArray::try_new(Fields::from(of_struct), arrays, None)?;
    let item = ArrowField::new("item", DataType::Struct(structs.fields().clone()), true);
    let offsets = OffsetBuffer::from_lengths(values.iter().map(items));
    let is_there: Vec<bool> = values.iter().map(|value| matches!(value, Value::List(_))).collect();
    let lists =
        ListArray::try_new(Arc::new(item), offsets, Arc::new(structs), Some(NullBuffer::from(is_there)))?;
    Ok(Arc::new(lists))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_ipc::reader::StreamReader;
    use proptest::prelude::*;

    fn read(columns: &[ArrowColumn]) -> RecordBatch {
        let bytes = stream(columns).unwrap();
        let mut batches = StreamReader::try_new(bytes.as_slice(), None).unwrap();
        let batch = batches.next().unwrap().unwrap();
        assert!(batches.next().is_none());
        batch
    }

    fn one(ty: FieldType, values: Vec<Value>) -> ArrayRef {
        let column = ArrowColumn { name: "x".into(), ty, is_required: false, values };
        Arc::clone(read(&[column]).column(0))
    }

    fn decimal(text: &str) -> Value {
        Value::Decimal(Decimal::parse(text).unwrap())
    }

    #[test]
    fn a_decimal_column_is_as_wide_as_its_values() {
        let (nines, more) = ("9".repeat(20), "9".repeat(60));
        for (texts, expected) in [
            (vec!["0.100", "-7.25"], DataType::Decimal128(38, 3)),
            (vec![&*format!("{nines}.{}", "0".repeat(18))], DataType::Decimal128(38, 18)),
            (vec![&*format!("1{nines}.{}", "0".repeat(18))], DataType::Decimal256(76, 18)),
            (vec![&*format!("{more}.{}", "0".repeat(16))], DataType::Decimal256(76, 16)),
            (vec![&*format!("{more}.{}", "0".repeat(17))], DataType::Utf8),
            (vec![], DataType::Decimal128(38, 18)),
        ] {
            let mut values: Vec<Value> = texts.iter().map(|text| decimal(text)).collect();
            values.push(Value::Null);
            let array = one(FieldType::Decimal, values);
            assert_eq!(*array.data_type(), expected);
            assert!(array.is_null(texts.len()));
        }
        assert_eq!(*one(FieldType::Decimal, vec!["1e5".into()]).data_type(), DataType::Utf8);
        let large = Value::whole(i128::from(i64::MAX) + 1);
        let array = one(FieldType::Integer, vec![large, Value::Integer(1)]);
        assert_eq!(
            array.as_string::<i32>().iter().flatten().collect::<Vec<_>>(),
            ["9223372036854775808", "1"]
        );
    }

    proptest! {
        #[test]
        fn decimals_are_read_as_they_are(
            numbers in prop::collection::vec((any::<i128>(), 0u32..128, 0u8..38, any::<bool>()), 1..6),
        ) {
            let value = |(scaled, shift, places, is_large): &(i128, u32, u8, bool)| {
                let scaled = BigInt::from(scaled >> shift);
                let scaled = if *is_large { &scaled * &scaled } else { scaled };
                Value::Decimal(Decimal::of(&scaled, *places))
            };
            let values: Vec<Value> = numbers.iter().map(value).collect();
            let array = one(FieldType::Decimal, values.clone());
            let scale = values.iter().filter_map(|v| v.as_decimal()).map(Decimal::places).max().unwrap();
            for (place, value) in values.iter().enumerate() {
                let read = match array.data_type() {
                    DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value_as_string(place),
                    DataType::Decimal256(..) => array.as_primitive::<Decimal256Type>().value_as_string(place),
                    _ => array.as_string::<i32>().value(place).to_owned(),
                };
                let written = value.text(FieldType::Decimal).unwrap();
                let is_text = *array.data_type() == DataType::Utf8;
                let more = if is_text { 0 } else { usize::from(scale - value.as_decimal().unwrap().places()) };
                let point = if more > 0 && !written.contains('.') { "." } else { "" };
                prop_assert_eq!(read, format!("{written}{point}{}", "0".repeat(more)));
            }
        }
    }

    #[test]
    fn rows_have_the_columns_of_their_schema() {
        let text = include_str!("../../tests/golden/spec-vector/rows.jsonl");
        let rows: Vec<_> = text.lines().map(|line| super::super::columns::read(line).unwrap()).collect();
        for kind in [RowKind::Symbol, RowKind::Cross, RowKind::Stats] {
            let fields = kind.schema().fields;
            let of: Vec<_> = rows.iter().filter(|row| row.kind == kind).map(|row| row.columns()).collect();
            let count = of.len();
            let batch = read(&columns(fields, of));
            assert_eq!(batch.num_rows(), count);
            let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
            assert_eq!(names, fields.iter().map(|field| field.name.to_owned()).collect::<Vec<_>>());
            let read = batch.schema();
            let name = read.field_with_name("name").unwrap();
            assert_eq!((name.data_type(), name.is_nullable()), (&DataType::Utf8, false));
            assert_eq!(*read.field_with_name("vwap").unwrap().data_type(), DataType::Decimal128(38, 18));
            // A page without rows has the columns too.
            assert_eq!(self::read(&columns(fields, Vec::new())).num_columns(), fields.len());
        }
    }

    #[test]
    fn columns_of_an_answer_are_what_their_values_are() {
        let names = ["vwap", "n", "x", "name", "digest", "wild", "none"].map(str::to_owned);
        let rows = [
            serde_json::json!(["0.100", 1, 1, "1.5", "0000000000000001", 9007199254740993_i64, null]),
            serde_json::json!([null, 2, 0.5, "1.5", "1111111111111111", 0.5, null]),
        ];
        let rows: Vec<Vec<serde_json::Value>> = rows.map(|row| row.as_array().unwrap().clone()).into();
        let batch = read(&answer(&names, &rows));
        let types: Vec<_> = batch.columns().iter().map(|column| column.data_type().clone()).collect();
        use DataType::{Decimal128, Float64, Int64, Utf8};
        assert_eq!(types, [Decimal128(38, 3), Int64, Float64, Utf8, Utf8, Utf8, Utf8]);
        assert_eq!(batch.column(5).as_string::<i32>().value(0), "9007199254740993");
    }
}
