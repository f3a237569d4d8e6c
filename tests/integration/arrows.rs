//! Which module imports which. The modules of `src/` stand on floors, by a table; and in no folder of `src/`
//! and `dataflows/` do modules import each other in a circle. A module that may not know another one does not
//! name it, so that no circle comes back.

mod modules;
mod tokens;

use modules::{Arrow, Modules};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::Path;

/// The floors, the highest first. An import leads down, or stays on its floor.
const FLOORS: [(&str, &[&str]); 5] = [
    ("what was typed", &["cli"]),
    (
        "commands",
        &[
            "bench",
            "checkpoint",
            "collect",
            "define",
            "demo",
            "explain",
            "follow",
            "inspect",
            "query",
            "replay",
            "run",
            "top",
        ],
    ),
    ("engine", &["cluster", "output", "worker"]),
    ("edges", &["accounting", "kafka", "ledger", "serve", "sink", "source", "sql"]),
    (
        "ground",
        &[
            "changes",
            "checksum",
            "committed_files",
            "config",
            "duration",
            "exit",
            "file_lock",
            "flag_words",
            "frontier",
            "http",
            "job_identity",
            "logging",
            "nearest",
            "rows",
            "service_manager",
            "signals",
            "start",
            "symbols",
            "terminal",
            "version",
            "wire",
            "workers",
        ],
    ),
];

/// What each module imports, all of it.
const ARROWS: &[(&str, &str)] = &[
    ("accounting", "config exit file_lock"),
    ("bench", "cluster config exit source start wire"),
    ("changes", "config workers"),
    ("checkpoint", "checksum committed_files config exit flag_words job_identity ledger rows"),
    ("cli", "config duration nearest version wire"),
    ("cluster", "config job_identity logging signals start terminal"),
    ("config", "wire"),
    ("collect", "accounting config exit http kafka service_manager signals"),
    ("define", "config exit query"),
    ("demo", "changes config exit run serve sink source terminal"),
    ("exit", "start"),
    ("explain", "config exit run sink source symbols wire workers"),
    ("file_lock", "config exit start"),
    ("follow", "cluster config exit job_identity kafka ledger rows serve service_manager signals"),
    ("inspect", "config duration exit source wire workers"),
    ("job_identity", "config duration flag_words terminal wire"),
    ("kafka", "config exit"),
    ("ledger", "committed_files config exit job_identity kafka rows start wire"),
    ("logging", "config"),
    ("output", "committed_files config ledger sink start"),
    ("query", "config exit logging rows sql terminal"),
    ("replay", "accounting config exit run sink"),
    ("rows", "config"),
    (
        "run",
        "accounting changes cluster config exit job_identity output serve service_manager signals sink source symbols worker \
         workers",
    ),
    ("serve", "changes config exit flag_words job_identity nearest rows sink sql start wire"),
    ("signals", "exit service_manager workers"),
    ("sink", "checksum committed_files config exit file_lock kafka rows"),
    ("source", "checksum config exit http kafka start symbols wire workers"),
    ("sql", "config exit nearest rows"),
    ("start", "config"),
    ("top", "config exit query terminal"),
    ("wire", "symbols"),
    (
        "worker",
        "accounting changes cluster config duration exit frontier job_identity ledger logging output source symbols \
         terminal wire",
    ),
    ("workers", "config"),
];

/// Arrows that never come: what both modules need stands on the ground, and who needs both stands above them.
const NEVER: &[(&str, &str)] =
    &[("ledger", "sink source"), ("sink", "ledger source"), ("source", "ledger sink")];

/// Files of the collector that join what is the exchange's and what holds of any; the others know no
/// exchange.
const JOINTS: [&str; 2] = ["drive.rs", "link.rs"];
/// What the exchange's folder does not know of the collector: what is done with what it says.
const BEYOND_THE_EXCHANGE: [&str; 8] =
    ["clock", "drive", "ids", "link", "publish", "reorder_buffer", "session", "shard"];

/// The crates, by the folder of their root.
const CRATES: [&str; 2] = ["src", "dataflows"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn modules_of(folder: &str) -> Modules {
    Modules::of(&root().join(folder).join("lib.rs"))
}

#[test]
fn modules_import_what_the_table_says() {
    let modules = modules_of("src");
    let arrows = modules.arrows();
    let of_top = arrows.into_iter().filter(|(arrow, _)| arrow.within.is_empty());
    let found: BTreeMap<_, _> = of_top.map(|(arrow, file)| ((arrow.from, arrow.to), file)).collect();
    let allowed = table(ARROWS);
    let more: Vec<_> = found.iter().filter(|(arrow, _)| !allowed.contains(*arrow)).collect();
    assert!(more.is_empty(), "imports that the table of {} does not have: {more:#?}", file!());
    let fewer: Vec<_> = allowed.iter().filter(|arrow| !found.contains_key(arrow)).collect();
    assert!(fewer.is_empty(), "the table of {} has imports that nothing needs any more: {fewer:?}", file!());
    let known: BTreeSet<&str> = FLOORS.iter().flat_map(|(_, modules)| modules.iter().copied()).collect();
    assert_eq!(modules.top(), known, "what stands on the floors of {}", file!());
}

#[test]
fn the_crate_documents_have_the_floors_of_the_table() {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let text = text.replace("\n//! ", "\n").replace("\n//!\n", "\n\n");
    let floors = text.split("# Floors\n").nth(1).and_then(|rest| rest.split("\n# ").next()).unwrap();
    for (number, (_, modules)) in (1..).zip(FLOORS) {
        let of_floor = floors.split(&format!("\n{number}. ")).nth(1).unwrap().split("\n\n").next().unwrap();
        let of_floor = of_floor.split(&format!("\n{}. ", number + 1)).next().unwrap();
        let named = of_floor.split("[`").skip(1).filter_map(|rest| rest.split("`]").next());
        let named: BTreeSet<&str> = named.map(|name| name.trim_start_matches("mod@")).collect();
        let expected: BTreeSet<&str> = modules.iter().copied().collect();
        let is_the_rest = named.is_empty() && of_floor.ends_with("all others.") && number == FLOORS.len();
        assert!(
            named == expected || is_the_rest,
            "floor {number} of src/lib.rs: {named:?}, not {expected:?}"
        );
    }
}

#[test]
fn the_table_has_no_circle_and_no_arrow_that_leads_up() {
    let arrows = table(ARROWS);
    assert_eq!(circle(&arrows), None);
    assert_eq!(upward(&arrows), []);
    let forbidden: Vec<_> = arrows.intersection(&table(NEVER)).cloned().collect();
    assert!(forbidden.is_empty(), "{forbidden:?}");
}

#[test]
fn siblings_of_no_folder_import_each_other_in_a_circle() {
    for folder in CRATES {
        let modules = modules_of(folder);
        let mut by_folder: BTreeMap<String, BTreeMap<(String, String), &Path>> = BTreeMap::new();
        for (Arrow { within, from, to }, file) in modules.arrows() {
            let within = [&[folder.to_owned()], within.as_slice()].concat().join("/");
            by_folder.entry(within).or_default().insert((from, to), file);
        }
        for (within, files) in by_folder {
            let around = circle(&files.keys().cloned().collect()).map(|names| told(&names, &files));
            assert!(around.is_none(), "in {within}: {}", around.unwrap_or_default());
        }
    }
}

/// A circle with the files that have its imports.
fn told(names: &[String], files: &BTreeMap<(String, String), impl Debug>) -> String {
    let arrow = |pair: &[String]| {
        let file = &files[&(pair[0].clone(), pair[1].clone())];
        format!("{} imports {} ({file:?})", pair[0], pair[1])
    };
    names.windows(2).map(arrow).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_collector_knows_its_exchange_at_its_joints_alone() {
    let modules = modules_of("src");
    let folder = root().join("src/collect");
    let mut joints = BTreeSet::new();
    for (file, imports) in modules.imports_within("collect") {
        let file = file.strip_prefix(&folder).unwrap();
        if file.starts_with("binance") {
            let beyond: Vec<_> = BEYOND_THE_EXCHANGE.iter().filter(|name| imports.contains(**name)).collect();
            assert!(beyond.is_empty(), "{} knows {beyond:?}", file.display());
        } else if imports.contains("binance") {
            joints.insert(file.to_str().unwrap().to_owned());
        }
    }
    assert_eq!(joints, JOINTS.map(str::to_owned).into());
}

#[test]
fn arrows_are_found_in_a_made_up_crate_and_nothing_else_is() {
    let text = r##"
        //! Knows nothing of crate::cli.
        pub mod cli {}
        pub mod config { pub struct Config; pub mod log {} }
        pub mod ledger {
            use self::kafka::Entry;
            pub struct Ledger;
            pub mod kafka {
                use super::{super::{sink::{Lines, News as Told}, rows}, Ledger, sqlite};
                pub struct Entry;
            }
            pub mod sqlite { fn f() -> super::Entry { crate::ledger::postgres::of::<crate::query::Place>() } }
            pub mod postgres { macro_rules! m { () => { $crate::wire::Record } } }
        }
        pub mod query {} pub mod rows {} pub mod wire {}
        pub mod sink {
            use crate::config::{self, Config};
            /* crate::cli /* */ crate::demo */
            fn f<'a>(quote: char) { (quote == '"') || "// \" crate::cli" == r#"" crate::cli"# }
            fn h() { super::exit::end() }
            #[cfg(test)]
            use crate::{cli, query};
            #[cfg(all(test, unix))]
            #[rustfmt::skip]
            fn g(a: u8, b: u8) { crate::cli::f() }
            struct S { #[cfg(test)] placed: crate::cli::F, kept: crate::rows::Rows }
            #[cfg(test)]
            mod tests { use crate::cli; }
        }
        pub mod exit { fn f() { super::config::log::tell('\'', "\\"); crate::Ledger } }
        pub use ledger::Ledger;
        "##;
    let found = Modules::of_text(text);
    let found = found.arrows().into_keys().map(|Arrow { within, from, to }| (within.join("::"), from, to));
    let of_top = "exit>config exit>ledger ledger>query ledger>rows ledger>sink ledger>wire sink>config \
                  sink>exit sink>rows";
    let of_ledger = "kafka>sqlite sqlite>kafka sqlite>postgres";
    let expected = [("", of_top), ("ledger", of_ledger)].map(|(within, arrows)| {
        let arrows = arrows.split(' ').filter_map(|arrow| arrow.split_once('>'));
        arrows.map(|(from, to)| (within.to_owned(), from.to_owned(), to.to_owned())).collect::<Vec<_>>()
    });
    assert_eq!(found.collect::<Vec<_>>(), expected.concat());
}

#[test]
fn circles_and_ways_up_are_found_among_arrows() {
    let arrows = |pairs: &[(&str, &str)]| table(pairs);
    assert_eq!(circle(&arrows(&[("sink", "config exit"), ("ledger", "kafka sink")])), None);
    let around = circle(&arrows(&[("sink", "ledger"), ("ledger", "kafka"), ("kafka", "sink")]));
    assert_eq!(around.map(|modules| modules.len()), Some(4));
    assert_eq!(upward(&arrows(&[("sink", "config worker")])), [("sink".into(), "worker".into())]);
}

fn table(pairs: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    let arrows = |(from, all): &(&str, &str)| {
        let from = (*from).to_owned();
        all.split(' ').map(move |to| (from.clone(), to.to_owned())).collect::<Vec<_>>()
    };
    pairs.iter().flat_map(arrows).collect()
}

/// A way from a module back to itself.
fn circle(arrows: &BTreeSet<(String, String)>) -> Option<Vec<String>> {
    let modules: BTreeSet<&String> = arrows.iter().map(|(from, _)| from).collect();
    modules.into_iter().find_map(|module| {
        let mut ways = vec![vec![module.clone()]];
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop() {
            for (_, to) in arrows.iter().filter(|(from, _)| Some(from) == way.last()) {
                let longer = [way.clone(), vec![to.clone()]].concat();
                if to == module {
                    return Some(longer);
                }
                if seen.insert(to.clone()) {
                    ways.push(longer);
                }
            }
        }
        None
    })
}

fn upward(arrows: &BTreeSet<(String, String)>) -> Vec<(String, String)> {
    let floor = |module: &str| FLOORS.iter().position(|(_, modules)| modules.contains(&module));
    arrows.iter().filter(|(from, to)| floor(to) < floor(from)).cloned().collect()
}
