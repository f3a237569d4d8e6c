//! The engine: what it answers and what it refuses.

use super::*;
use crate::sql::worker::SqlRows;
use serde_json::Value;

const ROWS: &str = r#"{"kind":"symbol","name":"A","start_ms":0,"end_ms":10,"trades":3,"open":"1.00000000","high":"1.00000000","low":"1.00000000","close":"1.00000000","volume":"2.50000000","quote_volume":"2.5000000000000000","vwap":"1.000000000000000000","vw_variance":0.5,"vw_std":0.7,"missing_ids":0,"digest":"0000000000000001","revision":0,"closed":true,"final":false,"closed_by":"event"}
{"kind":"symbol","name":"A","start_ms":0,"end_ms":10,"trades":4,"open":"1.00000000","high":"1.00000000","low":"1.00000000","close":"1.00000000","volume":"2.50000000","quote_volume":"2.5000000000000000","vwap":"1.250000000000000000","vw_variance":0.5,"vw_std":0.7,"missing_ids":0,"digest":"0000000000000002","revision":1,"closed":true,"final":true,"closed_by":"event"}

{"kind":"stats","name":"C","start_ms":0,"end_ms":10,"n":1,"vwap":"0.100000000000000000","sum":"0.100000000000000000","mean":"0.100000000000000000","variance":null,"std":null}
"#;

fn engine() -> Engine {
    let mut engine = Engine::in_memory().unwrap();
    engine.load(ROWS.as_bytes()).unwrap();
    engine
}

fn ask(sql: &str) -> Result<Vec<Vec<Value>>, String> {
    let limits = QueryLimits { time: Some(Duration::from_millis(500)), rows: Some(100), bytes: Some(10_000) };
    let mut rows = SqlRows::default();
    match engine().ask(sql, &limits, &mut rows) {
        Ok(truncated) => {
            assert_eq!(truncated, rows.rows.len() == 100 || sql.contains("group_concat"), "{sql}");
            Ok(rows.rows)
        }
        Err(refused) => Err(refused.to_string()),
    }
}

#[test]
fn the_last_row_of_a_window_is_there_exact_and_as_a_double() {
    let rows = ask("select trades, vwap, vwap_real, final, typeof(volume) from symbols").unwrap();
    assert_eq!(rows, [[Value::from(4), "1.250000000000000000".into(), 1.25.into(), 1.into(), "text".into()]]);
    assert_eq!(
        ask("select n, std, mean_real * 2 from stats").unwrap(),
        [[1.into(), Value::Null, 0.2.into()]]
    );
    assert_eq!(
        ask("with recursive t(x) as (values(1) union all select x + 1 from t limit 3) select sum(x) from t")
            .unwrap()[0],
        [6]
    );
}

#[test]
fn nothing_but_reading_rows_is_allowed() {
    for sql in [
        "insert into symbols (name, start_ms, end_ms) values ('B', 0, 1)",
        "update symbols set trades = 0",
        "delete from symbols",
        "drop table symbols",
        "create table t (x)",
        "create temp table t (x)",
        "create view v as select 1",
        "create virtual table t using fts5(x)",
        "alter table symbols rename to other",
        "attach 'x.db' as x",
        "attach ':memory:' as x",
        "detach main",
        "vacuum",
        "vacuum into 'x.db'",
        "pragma journal_mode",
        "pragma hard_heap_limit = 0",
        "pragma temp_store_directory = '/'",
        "select * from pragma_table_info('symbols')",
        "select * from pragma_database_list",
        "select load_extension('x')",
        "select * from dbstat",
        "select * from sqlite_stmt",
        "select * from crossrate_recovery",
        "select count(*) from dbstat",
        "select count(*) from pragma_database_list",
        "begin",
        "savepoint s",
        "reindex",
        "analyze",
        "explain delete from symbols",
        "with x as (select 1) delete from symbols",
        "select 1; delete from symbols",
        "select 1; select 2",
        "",
        "-- nothing",
    ] {
        assert!(ask(sql).is_err(), "{sql}");
    }
}

#[test]
fn errors_are_the_engines_with_their_place() {
    let refused = engine()
        .ask("select nmae from symbols", &QueryLimits::default(), &mut SqlRows::default())
        .unwrap_err();
    let QueryError::Engine { message, offset } = refused else { panic!("{refused:?}") };
    assert_eq!((message.as_str(), offset), ("no such column: nmae", Some(7)));
    assert_eq!(ask("selct 1").unwrap_err(), "near \"selct\": syntax error");
}

#[test]
fn what_would_run_for_ever_is_stopped() {
    for sql in [
        "with recursive t(x) as (values(1) union all select x + 1 from t) select count(*) from t",
        "with recursive t(x) as (values(1) union all select x + 1 from t) select x from t order by -x limit 1",
    ] {
        assert_eq!(ask(sql).unwrap_err(), "the query was stopped after 0.5 s", "{sql}");
    }
}

#[test]
fn answers_are_cut_and_strings_are_short() {
    let endless = "with recursive t(x) as (values(1) union all select x + 1 from t) select x from t";
    assert_eq!(ask(endless).unwrap().len(), 100);
    let wide = "with recursive t(x) as (values(1) union all select x + 1 from t limit 5000) select group_concat(x) from t";
    assert_eq!(ask(wide).unwrap().len(), 0, "one text is longer than the whole answer may be");
    for sql in [
        "select zeroblob(1000000000)",
        "select printf('%.*c', 1000000000, 'x')",
        "select hex(randomblob(900000))",
    ] {
        assert!(ask(sql).unwrap_err().contains("too big"), "{sql}");
    }
}

#[test]
fn only_tables_that_are_read_are_needed() {
    let needs = |sql: &str| -> Vec<&str> {
        Engine::in_memory().unwrap().tables_of(sql, &QueryLimits::default()).unwrap()
    };
    assert_eq!(needs("select 1"), <[&str; 0]>::default());
    assert_eq!(needs("select count(*) from Crosses"), ["crosses"]);
    assert_eq!(
        needs("with x as (select * from stats) select * from x join symbols using (name)"),
        ["symbols", "stats"]
    );
}

#[test]
fn what_is_no_row_is_told_with_its_line() {
    for (text, word) in [("{\"kind\":\"symbol\"}", "line 1"), ("\n\nnonsense", "line 3"), ("[]", "line 1")] {
        let error = Engine::in_memory().unwrap().load(text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(word), "{text}: {error}");
    }
}
