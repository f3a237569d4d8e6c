//! The house is kept: no reference that leads nowhere, no file or function that has grown too large, a head
//! to every module.

mod names;

use crate::readme::anchors;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What is larger than the rule allows, with the reason and its size. A size here may fall, and a line goes
/// when the rule holds; neither grows.
const EXCEPTIONS: &str = include_str!("tidy/exceptions.txt");

const LINES_OF_A_FILE: usize = 400;
const LINES_OF_A_FUNCTION: usize = 70;
/// As `max_width` of `rustfmt.toml`, which leaves comments and texts as they are.
const COLUMNS: usize = 110;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below these folders, and these files, by their path within the project.
fn files(roots: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open: Vec<PathBuf> = roots.iter().map(|root| project().join(root)).collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()),
            );
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let name = path.strip_prefix(project()).expect("within the project");
            found.insert(name.to_string_lossy().into_owned(), text);
        }
    }
    assert!(!found.is_empty(), "no files in {roots:?}");
    found
}

fn is_rust(name: &str) -> bool {
    name.ends_with(".rs")
}

/// Whether a file of the sources holds nothing but tests.
fn is_test(name: &str) -> bool {
    name.ends_with("tests.rs") || name.contains("/tests/") || name.ends_with("/simulation.rs")
}

/// A file without the unit tests at its end.
fn without_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod tests {").next().expect("a first part")
}

/// The functions of a formatted file, with their lines: from `fn` to the brace in the same column.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (first, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(place) = words.iter().position(|word| *word == "fn") else { continue };
        let qualifiers = &words[..place];
        let is_definition = qualifiers.iter().all(|word| {
            word.starts_with("pub") || ["const", "async", "unsafe", "super)", "crate)"].contains(word)
        });
        if !is_definition || line.ends_with(';') || line.ends_with('}') {
            continue;
        }
        let closing = format!("{}}}", " ".repeat(indent));
        let last = lines[first..].iter().position(|line| *line == closing);
        let name = words[place + 1].split(['(', '<']).next().expect("a name");
        if let Some(last) = last {
            found.push((name.to_owned(), last + 1));
        }
    }
    found
}

/// A size that is above the rule must be listed, and not above what is listed; what is listed must be above
/// the rule.
fn hold(rule: &str, limit: usize, sizes: &BTreeMap<String, usize>) {
    let mut listed = BTreeMap::new();
    for line in EXCEPTIONS.lines().filter(|line| line.starts_with(rule)) {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        assert!(words.len() == 4 && words[3].len() > 10, "no reason: {line}");
        listed.insert(words[1].to_owned(), words[2].parse::<usize>().expect("a size"));
    }
    for (name, size) in sizes {
        match listed.get(name) {
            None => assert!(
                *size <= limit,
                "{rule} {name} has {size} lines, {limit} are allowed: what two things live there?"
            ),
            Some(_) if *size <= limit => panic!("{rule} {name} keeps the rule now: take it off the list"),
            Some(allowed) => {
                assert!(size <= allowed, "{rule} {name} has grown from {allowed} lines to {size}")
            }
        }
    }
    for name in listed.keys() {
        assert!(sizes.contains_key(name), "{rule} {name} is not there any more: take it off the list");
    }
}

#[test]
fn no_file_is_longer_than_400_lines_but_those_on_the_list() {
    let sources = files(&["src", "dataflows", "benches", "build.rs"]);
    let sizes = sources.into_iter().filter(|(name, _)| is_rust(name) && !is_test(name));
    hold(
        "file",
        LINES_OF_A_FILE,
        &sizes.map(|(name, text)| (name, without_tests(&text).lines().count())).collect(),
    );
}

#[test]
fn no_function_is_longer_than_70_lines_but_those_on_the_list() {
    let mut sizes = BTreeMap::new();
    for (name, text) in files(&["src", "dataflows", "benches", "build.rs"]) {
        if is_rust(&name) && !is_test(&name) {
            for (function, lines) in functions(without_tests(&text)) {
                let largest = sizes.entry(format!("{name}:{function}")).or_insert(0);
                *largest = lines.max(*largest);
            }
        }
    }
    assert!(sizes.len() > 1_000, "{} functions", sizes.len());
    hold("function", LINES_OF_A_FUNCTION, &sizes);
}

#[test]
fn no_more_lines_than_listed_are_wider_than_110_columns() {
    let sources = files(&["src", "dataflows", "benches", "tests", "build.rs"]);
    let rust = sources.iter().filter(|(name, _)| is_rust(name));
    let wide = rust.flat_map(|(_, text)| text.lines()).filter(|line| line.chars().count() > COLUMNS).count();
    hold("width", 0, &BTreeMap::from([("all".to_owned(), wide)]));
}

#[test]
fn every_module_has_a_head() {
    for (name, text) in files(&["src", "dataflows", "benches", "tests"]) {
        if is_rust(&name) {
            assert!(text.starts_with("//! "), "{name} does not say what it is");
        }
    }
}

/// Paths that a text names: words that begin with a folder of the project, without the marks around them.
fn paths_in(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-./#{}*".contains(c);
    let words = text.split(move |c: char| !is_part(c)).map(|word| word.trim_end_matches(['.', '/', '-']));
    words.filter(|word| {
        let folders = ["src/", "dataflows/", "docs/", "tests/", "benches/", "scripts/", "deploy/"];
        folders.iter().any(|folder| word.starts_with(folder)) && !word.contains(['{', '*'])
    })
}

#[test]
fn comments_and_documents_refer_to_nothing_that_is_not_here() {
    let roots = [
        "src",
        "dataflows",
        "benches",
        "tests",
        "docs",
        "scripts",
        "deploy",
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "Cargo.toml",
        "deny.toml",
    ];
    let mut wrong = BTreeSet::new();
    let mut count = 0;
    for (name, text) in files(&roots) {
        let extension = name.rsplit('.').next().expect("a last part");
        let is_data = name.starts_with("tests/golden/") || name.starts_with("benches/runs/");
        if is_data || name.ends_with("tidy.rs") || ["jsonl", "json", "svg"].contains(&extension) {
            continue;
        }
        // Only what has an extension: a folder's name stands in many addresses and flags.
        for path in paths_in(&text) {
            let (path, heading) =
                path.split_once('#').map_or((path, None), |(path, heading)| (path, Some(heading)));
            let is_named =
                [".rs", ".md", ".sh", ".toml", ".yml", ".txt"].iter().any(|end| path.ends_with(end));
            if !is_named {
                continue;
            }
            // A page refers to its own folder, the manifest of a crate to its own.
            let places = [
                project().join(path),
                project().join("src").join(path),
                project().join("dataflows").join(path),
            ];
            let Some(place) = places.iter().find(|place| place.exists()) else {
                wrong.insert(format!("{name}: {path}"));
                continue;
            };
            if let Some(heading) = heading.filter(|heading| !heading.is_empty()) {
                let page = std::fs::read_to_string(place).expect("UTF-8");
                if !anchors(&page).contains(heading) {
                    wrong.insert(format!("{name}: {path}#{heading}"));
                }
            }
            count += 1;
        }
        for word in ["SPEC section", "SPEC.md", "HOUSE.md", "redesign.md"] {
            if text.contains(word) {
                wrong.insert(format!("{name}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "these lead nowhere: {wrong:#?}");
    assert!(count > 60, "{count} references");
}
