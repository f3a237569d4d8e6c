//! Boards and alerts name nothing that is not exported, and everything that is.

use crate::needs;
use crate::serve::Served;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const BOARD: &str = include_str!("../../../deploy/grafana/dashboards/job.json");
const RULES: &str = include_str!("../../../deploy/prometheus/crossrate.rules.yml");

/// Names of metrics in a text, as ours and a process's begin.
fn named(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !word(c));
    let ours = |word: &&str| word.starts_with("crossrate_") || word.starts_with("process_");
    words.filter(ours).map(str::to_owned).collect()
}

/// The metrics of a demonstration in its middle: afterwards there is no frontier any more.
fn exported() -> BTreeSet<String> {
    let served = Served::demo(&["--speed", "20", "--duration", "1h"]);
    served.get("/v1/frontier");
    let mut found = BTreeSet::new();
    crate::serve::http::eventually(
        || {
            served.get("/v1/sql?query=select+1");
            let text = served.get("/metrics").body;
            found.extend(
                text.lines()
                    .filter_map(|line| line.strip_prefix("# TYPE "))
                    .filter_map(|line| line.split_once(' '))
                    .map(|(name, kind)| name.to_owned() + if kind == "histogram" { "_bucket" } else { "" }),
            );
            found.contains("crossrate_frontier_seconds") && found.contains("crossrate_watermark_seconds")
        },
        "the first windows",
    );
    found
}

#[test]
fn every_metric_of_the_board_and_of_the_alerts_is_exported() {
    let exported = exported();
    let board: serde_json::Value = serde_json::from_str(BOARD).expect("JSON");
    let mut on_the_board = BTreeSet::new();
    for panel in board["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().expect("targets") {
            on_the_board.extend(named(target["expr"].as_str().expect("a query")));
        }
    }
    let unknown: Vec<&String> = on_the_board.difference(&exported).collect();
    assert!(unknown.is_empty(), "the board names {unknown:?}");
    let ours = exported.iter().filter(|name| name.starts_with("crossrate_"));
    let absent: Vec<&String> = ours.filter(|name| !on_the_board.contains(*name)).collect();
    assert!(absent.iter().all(|name| *name == "crossrate_uptime_seconds"), "not on the board: {absent:?}");
    let expressions: String = RULES.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let in_rules: BTreeSet<String> =
        named(&expressions).into_iter().filter(|name| name != "crossrate_").collect();
    let unknown: Vec<&String> = in_rules.difference(&exported).collect();
    assert!(in_rules.len() >= 5 && unknown.is_empty(), "the alerts name {unknown:?}");
}

#[test]
#[ignore = "needs promtool"]
fn promtool_confirms_when_each_alert_fires() {
    needs::program("promtool");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus");
    for arguments in [
        ["check", "rules", "crossrate.rules.yml"].as_slice(),
        &["check", "config", "prometheus.yml"],
        &["test", "rules", "crossrate.rules.test.yml"],
    ] {
        super::succeed(Command::new("promtool").args(arguments).current_dir(&folder));
    }
}
