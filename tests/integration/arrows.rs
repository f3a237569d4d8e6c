//! The floors of `src/`: which module imports which. A module that may not know another one does not name it,
//! so that no circle comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

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
    ("cli", "config duration version wire"),
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
    ("serve", "changes config duration exit rows sink sql start wire"),
    ("signals", "exit service_manager workers"),
    ("sink", "checksum committed_files config exit file_lock kafka rows"),
    ("source", "checksum config exit http kafka start symbols wire workers"),
    ("sql", "config exit rows"),
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

/// Arrows of the table that are to go: they make a circle, or lead up. None is added here.
const TO_GO: &[(&str, &str)] = &[];

/// Files that belong to a module although they stand elsewhere.
const ELSEWHERE: [(&str, &str); 1] = [("bench", "benches/hand_loop.rs")];

/// Files of the collector that join what is the exchange's and what holds of any; the others know no
/// exchange.
const JOINTS: [&str; 2] = ["drive.rs", "link.rs"];
/// What the exchange's folder does not know of the collector: what is done with what it says.
const BEYOND_THE_EXCHANGE: [&str; 8] =
    ["clock", "drive", "ids", "link", "publish", "reorder_buffer", "session", "shard"];

/// A place that imports a module.
type Arrows = BTreeMap<(String, String), String>;

#[test]
fn modules_import_what_the_table_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = arrows_of(root);
    let allowed = table(ARROWS);
    let more: Vec<_> = found.iter().filter(|(arrow, _)| !allowed.contains(*arrow)).collect();
    assert!(more.is_empty(), "imports that the table of {} does not have: {more:#?}", file!());
    let fewer: Vec<_> = allowed.iter().filter(|arrow| !found.contains_key(arrow)).collect();
    assert!(fewer.is_empty(), "the table of {} has imports that nothing needs any more: {fewer:?}", file!());
    let text = fs::read_to_string(root.join("src/lib.rs")).unwrap();
    let modules = text
        .lines()
        .filter_map(|line| line.split_once("mod "))
        .filter(|(before, _)| ["", "pub ", "pub(crate) "].contains(before));
    let known: BTreeSet<&str> = FLOORS.iter().flat_map(|(_, modules)| modules.iter().copied()).collect();
    for module in modules.filter_map(|(_, name)| name.strip_suffix(';')) {
        assert!(known.contains(module), "{module} stands on no floor of {}", file!());
    }
}

#[test]
fn the_table_has_no_circle_and_no_arrow_that_leads_up() {
    let to_go = table(TO_GO);
    let arrows: BTreeSet<_> = table(ARROWS).difference(&to_go).cloned().collect();
    assert_eq!(circle(&arrows), None);
    assert_eq!(upward(&arrows), []);
    let forbidden: Vec<_> = arrows.intersection(&table(NEVER)).cloned().collect();
    assert!(forbidden.is_empty(), "{forbidden:?}");
    for arrow in &to_go {
        let with_it: BTreeSet<_> = arrows.iter().chain([arrow]).cloned().collect();
        let is_needed = circle(&with_it).is_some() || !upward(&with_it).is_empty();
        assert!(is_needed && table(ARROWS).contains(arrow), "{arrow:?} is allowed now, or gone");
    }
}

#[test]
fn the_collector_knows_its_exchange_at_its_joints_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/collect");
    let mut files = Vec::new();
    collect("collect", &root, 0, &mut files);
    let mut joints = BTreeSet::new();
    for (_, path, depth) in files {
        let source = fs::read_to_string(&path).unwrap();
        let imports = imports(&source.replace("crate::collect::", &"super::".repeat(depth)), depth);
        let file = path.strip_prefix(&root).unwrap();
        if file.starts_with("binance") {
            let beyond: Vec<_> = BEYOND_THE_EXCHANGE.iter().filter(|name| imports.contains(**name)).collect();
            assert!(beyond.is_empty(), "{} knows {beyond:?}", path.display());
        } else if imports.contains("binance") {
            joints.insert(file.to_str().unwrap().to_owned());
        }
    }
    assert_eq!(joints, JOINTS.map(str::to_owned).into());
}

#[test]
fn forbidden_arrows_are_found_in_a_made_up_source() {
    let source = "\
        //! Knows nothing of crate::cli.\n\
        use crate::sink::{Sink, News};\n\
        use crate::{\n    config::{self, Config},\n    exit,\n};\n\
        use super::worker;\n\
        fn f() { crate::ledger::open(); super::g(); $crate::kafka; } // crate::demo\n\
        #[cfg(test)]\nmod tests {\n    use crate::cli;\n}\n";
    let imports = |depth| imports(source, depth).into_iter().collect::<Vec<_>>();
    assert_eq!(imports(1), ["config", "exit", "g", "ledger", "sink", "worker"]);
    assert_eq!(imports(2), ["config", "exit", "ledger", "sink"]);
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

/// The imports of all of `src/`, each with a file that has it.
fn arrows_of(root: &Path) -> Arrows {
    let mut files: Vec<(String, PathBuf, usize)> = Vec::new();
    for entry in fs::read_dir(root.join("src")).unwrap().map(|entry| entry.unwrap().path()) {
        let module = entry.file_stem().unwrap().to_str().unwrap().to_owned();
        if module != "main" && module != "lib" {
            collect(&module, &entry, 1, &mut files);
        }
    }
    files.extend(ELSEWHERE.map(|(module, path)| (module.to_owned(), root.join(path), usize::MAX)));
    let mut arrows = Arrows::new();
    for (module, path, depth) in files {
        let source = fs::read_to_string(&path).unwrap();
        for import in imports(&source, depth).into_iter().filter(|import| *import != module) {
            arrows.insert((module.clone(), import), path.display().to_string());
        }
    }
    arrows
}

/// The sources of a module, with how many modules each of them lies below the crate. Tests are none.
fn collect(module: &str, path: &Path, depth: usize, files: &mut Vec<(String, PathBuf, usize)>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(module, &entry.unwrap().path(), depth + 1, files);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs")
        && !["tests", "simulation"].iter().any(|name| path.file_stem().is_some_and(|stem| stem == *name))
    {
        files.push((module.to_owned(), path.to_owned(), depth));
    }
}

/// The modules of the crate that a source names, which lies so many modules below it: by `crate::`, or by as
/// many `super::`. Unit tests stand last in a file, and may name anything.
fn imports(source: &str, depth: usize) -> BTreeSet<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: String =
        source.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect();
    let code = code.replace("$crate::", "");
    let mut found = BTreeSet::new();
    for (_, path) in code.match_indices("crate::").map(|(at, word)| code[at..].split_at(word.len())) {
        found.extend(first_names(path));
    }
    let mut rest = code.as_str();
    while let Some(at) = rest.find("super::") {
        rest = &rest[at..];
        let path = rest.trim_start_matches("super::");
        if (rest.len() - path.len()) / "super::".len() >= depth {
            found.extend(first_names(path));
        }
        rest = path;
    }
    // An item of `lib.rs` itself, such as a macro, is no module.
    found.retain(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
    found
}

/// The first name of a path, or of each path in its braces.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let (mut depth, mut names, mut start) = (0, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    names.into_iter().map(|text| name(text.trim())).filter(|name| !name.is_empty()).collect()
}
