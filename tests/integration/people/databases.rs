//! `docs/sql.md` and the board of rates, against the databases that they speak of.

use super::{crossrate, folder, succeed};
use crate::readme::{Block, blocks};
use crate::recovery::postgres;
use std::collections::BTreeSet;
use std::path::Path;
use tokio_postgres::{NoTls, SimpleQueryMessage};

const DOCUMENT: &str = include_str!("../../../docs/sql.md");
const BOARD: &str = include_str!("../../../deploy/grafana/dashboards/rates.json");

fn queries(database: &str) -> Vec<Block> {
    let all = blocks(DOCUMENT).into_iter().filter(|block| block.info == format!("sql {database}"));
    let all: Vec<Block> = all.collect();
    assert!(all.len() >= 5, "{} queries for {database}", all.len());
    all
}

/// With a basis, for which alone Postgres gets a table of them.
fn run(folder: &Path, to: &str) {
    let job = ["--window", "10s", "--basis", "XVGUSDT=BTCUSDT", "--to", to];
    succeed(crossrate(folder, &["run", "trades.jsonl", "-q"]).args(job));
}

/// Tables and columns that the document names: in the first two columns of its table.
fn documented() -> BTreeSet<String> {
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let mut found = BTreeSet::new();
    let mut tables: Vec<String> = Vec::new();
    let lines = DOCUMENT.lines().filter(|line| line.starts_with("| ")).skip(2);
    for line in lines {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        match cells[0] {
            "" => {}
            "all of rows" => tables = ["symbols", "crosses", "stats"].map(str::to_owned).to_vec(),
            named => tables = names(named),
        }
        for table in &tables {
            found.extend(names(cells[1]).into_iter().map(|column| format!("{table}.{column}")));
        }
    }
    found
}

#[test]
fn the_document_names_every_column_of_sqlite_and_its_queries_run() {
    let folder = folder();
    run(folder.path(), "sqlite:rows.db");
    let database = rusqlite::Connection::open(folder.path().join("rows.db")).expect("opened");
    let sql = "SELECT t.name || '.' || c.name FROM sqlite_master t, pragma_table_info(t.name) c \
               WHERE t.type = 'table' AND t.name NOT LIKE 'crossrate%'";
    let mut select = database.prepare(sql).expect("prepared");
    let columns = select.query_map([], |row| row.get::<_, String>(0)).expect("read");
    let columns: BTreeSet<String> = columns.collect::<Result<_, _>>().expect("read");
    assert_eq!(columns, documented());
    for block in queries("sqlite") {
        let mut select = database.prepare(&block.text).unwrap_or_else(|e| panic!("{}\n{e}", block.text));
        let mut rows = select.query([]).expect("asked");
        let mut found = 0;
        while rows.next().unwrap_or_else(|e| panic!("{}\n{e}", block.text)).is_some() {
            found += 1;
        }
        assert!(found > 0, "no rows: {}", block.text);
    }
}

#[test]
#[ignore = "needs PostgreSQL"]
fn the_queries_for_postgres_run_and_so_do_those_of_the_board() {
    let server = postgres::shared();
    let folder = folder();
    let url = server.database();
    run(folder.path(), &format!("postgres:{url}"));
    let sql = "SELECT table_name || '.' || column_name FROM information_schema.columns \
               WHERE table_schema = 'public' AND table_name NOT LIKE 'crossrate%'";
    let columns: BTreeSet<String> = ask(&url, sql).into_iter().collect();
    assert_eq!(columns, documented());
    for block in queries("postgres") {
        assert!(!ask(&url, &block.text).is_empty(), "no rows: {}", block.text);
    }
    let board: serde_json::Value = serde_json::from_str(BOARD).expect("JSON");
    let mut asked = 0;
    for panel in board["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().expect("targets") {
            let sql = filled_in(target["rawSql"].as_str().expect("a query"));
            assert!(!ask(&url, &sql).is_empty(), "no rows for {}: {sql}", panel["title"]);
            asked += 1;
        }
    }
    for variable in board["templating"]["list"].as_array().expect("variables") {
        if variable["type"] == "query" {
            assert!(!ask(&url, &filled_in(variable["query"].as_str().expect("a query"))).is_empty());
            asked += 1;
        }
    }
    assert!(asked >= 10, "{asked} queries");
}

/// A query as Grafana sends it.
fn filled_in(sql: &str) -> String {
    let sql = sql.replace("$__from", "1525130000000").replace("$__to", "1525140000000");
    let sql =
        sql.replace("$crossrate", "crossrate").replace("$cross", "XVGUSDT").replace("$symbol", "BTCUSDT");
    let sql = sql.replace("$window", "10s");
    assert!(!sql.contains('$'), "{sql}");
    sql
}

/// The first column of what it answers.
fn ask(url: &str, sql: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connected");
        tokio::spawn(connection);
        let answer = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
        let first = |message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        };
        answer.into_iter().filter_map(first).collect()
    })
}
