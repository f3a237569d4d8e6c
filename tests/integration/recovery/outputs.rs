//! What a run leaves behind, in a form that can be compared.

use std::collections::BTreeMap;
use std::path::Path;

/// Everything that two runs must agree on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outputs {
    /// The file of rows.
    pub(crate) rows: Option<String>,
    /// The file of refused records, by partition and offset: partitions may take turns differently.
    pub(crate) dead_letters: Option<Vec<String>>,
    /// The tables of a database, each in order of its key.
    pub(crate) tables: Option<BTreeMap<String, Vec<String>>>,
    /// The accounting.
    pub(crate) summary: Option<String>,
}

pub(crate) fn text(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

pub(crate) fn dead_letters(path: &Path) -> Option<Vec<String>> {
    let text = text(path)?;
    let place = |line: &str| {
        let letter: serde_json::Value = serde_json::from_str(line).expect("a whole line of JSON");
        (letter["partition"].as_u64(), letter["offset"].as_i64())
    };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort_by_key(|line| place(line));
    Some(lines)
}

/// The tables of rows and of refused records.
pub(crate) const TABLES: [(&str, &str); 5] = [
    ("symbols", "name, start_ms, end_ms"),
    ("crosses", "name, start_ms, end_ms"),
    ("stats", "name, start_ms, end_ms"),
    ("basis", "name, start_ms, end_ms"),
    ("dead_letters", "job, topic, partition, \"offset\", part"),
];

pub(crate) fn sqlite(path: &Path) -> Option<BTreeMap<String, Vec<String>>> {
    if !path.exists() {
        return None;
    }
    let connection = rusqlite::Connection::open(path).expect("opened");
    let whole: String = connection.query_row("PRAGMA integrity_check", [], |r| r.get(0)).expect("checked");
    assert_eq!(whole, "ok");
    let mut tables = BTreeMap::new();
    for (table, key) in TABLES {
        let mut select = connection.prepare(&format!("SELECT * FROM {table} ORDER BY {key}")).expect("there");
        let columns = select.column_count();
        let rows = select.query_map([], |row| {
            let values = (0..columns).map(|c| row.get_ref(c).map(|value| format!("{value:?}")));
            Ok(values.collect::<rusqlite::Result<Vec<_>>>()?.join(" "))
        });
        tables.insert(table.to_owned(), rows.expect("read").collect::<Result<_, _>>().expect("read"));
    }
    Some(tables)
}

/// Says where two texts part, and not all of both.
pub(crate) fn assert_same_lines(what: &str, expected: &[String], found: &[String]) {
    if expected == found {
        return;
    }
    let at = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    panic!(
        "{what}: {} lines expected, {} found; they part at line {at}:\nexpected {:?}\nfound    {:?}",
        expected.len(),
        found.len(),
        expected.get(at),
        found.get(at),
    );
}

impl Outputs {
    /// Compares what the killed job left, as far as it left such things.
    pub(crate) fn assert_same(&self, found: &Outputs, context: &str) {
        let lines = |text: &Option<String>| -> Vec<String> {
            text.as_deref().unwrap_or_default().split_inclusive('\n').map(str::to_owned).collect()
        };
        if found.rows.is_some() {
            assert_same_lines(&format!("rows, {context}"), &lines(&self.rows), &lines(&found.rows));
        }
        if let (Some(expected), Some(found)) = (&self.dead_letters, &found.dead_letters) {
            assert_same_lines(&format!("dead letters, {context}"), expected, found);
        }
        if let (Some(expected), Some(found)) = (&self.tables, &found.tables) {
            for (table, expected) in expected {
                assert_same_lines(&format!("table {table}, {context}"), expected, &found[table]);
            }
        }
        assert_eq!(self.summary, found.summary, "summary, {context}");
    }
}
