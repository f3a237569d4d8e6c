//! Names of types: a noun phrase that is understood without its path, and one idea behind each.

use super::{files, is_rust, is_test, without_tests};
use std::collections::BTreeMap;

/// Words that are no nouns and whose ends do not show it: participles, adjectives, pronouns, places.
const NO_NOUNS: &str = "\
    About After Ahead Anew Apart Aside Before Begun Behind Below Beside Broken Brought Built Came Cut \
    Done Drawn Fallen Found Given Gone Got Heard Held Impatient Inside Kept Known Latest Left Lent Lost \
    Made Met Near New Newer None Older Open Other Out Put Ran Raw Read Right Said Seen Sent Shown Slow \
    Sold Spare Spent Such Taken That There These They This Those Thrown Told Unknown Unread Wanted What \
    When Where Which Who Whole Whom Whose Why Wide Worn Written Wrong Wrote";

/// Nouns that end as a participle does.
const NOUNS: &str = "\
    Coding Encoding Ending Feed Framing Grouping Hashing Heading Listing Logging Mapping Meeting Need \
    Ordering Padding Rounding Seed Setting Speed Spelling String Timing Warning";

/// The type that a line of formatted code declares. An associated type is no name of its own: its line is
/// indented.
fn declared(line: &str) -> Option<&str> {
    let is_outermost = !line.starts_with(' ');
    let is_qualifier = |word: &&str| word.starts_with("pub") || word.ends_with(')') || *word == "unsafe";
    let mut words = line.split_whitespace().skip_while(is_qualifier);
    let keyword = words.next()?;
    let is_type =
        ["struct", "enum", "trait", "union"].contains(&keyword) || (keyword == "type" && is_outermost);
    let name = words.next()?.split(|c: char| !c.is_alphanumeric()).next()?;
    (is_type && name.starts_with(|c: char| c.is_ascii_uppercase())).then_some(name)
}

/// The types of both crates outside tests, each with the files that declare one of that name.
fn types() -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in files(&["src", "dataflows"]) {
        let is_program_of_its_own = file.starts_with("dataflows/examples/");
        if is_rust(&file) && !is_test(&file) && !is_program_of_its_own {
            for name in without_tests(&text).lines().filter_map(declared) {
                found.entry(name.to_owned()).or_default().push(file.clone());
            }
        }
    }
    assert!(found.len() > 500, "{} types", found.len());
    found
}

fn is_participle_or_pronoun(name: &str) -> bool {
    let is_one_word = name.chars().filter(char::is_ascii_uppercase).count() == 1;
    let has_its_end = name.ends_with("ed") || name.ends_with("ing");
    let is_in = |words: &str| words.split_whitespace().any(|word| word == name);
    is_one_word && (is_in(NO_NOUNS) || (has_its_end && !is_in(NOUNS)))
}

#[test]
fn no_type_name_is_declared_twice() {
    let mut found = types();
    found.retain(|_, files| files.len() > 1);
    assert!(found.is_empty(), "two ideas want two names: {found:#?}");
}

#[test]
fn no_type_name_is_a_participle_or_a_pronoun() {
    let mut found = types();
    found.retain(|name, _| is_participle_or_pronoun(name));
    assert!(found.is_empty(), "a noun is missing; one that ends so stands in `NOUNS`: {found:#?}");
}

#[test]
fn declarations_are_found_in_every_form() {
    let lines = [
        "pub struct Trade {",
        "    pub(in crate::sink) enum Told<'a> {",
        "pub(crate) unsafe trait Pack: Sized {",
        "type Answer = Result<Response, Problem>;",
    ];
    let found: Vec<&str> = lines.iter().filter_map(|line| declared(line)).collect();
    assert_eq!(found, ["Trade", "Told", "Pack", "Answer"]);
    let others =
        ["    type Error = anyhow::Error;", "    let type_name = 1;", "fn enum_of(x: u8) {", "// struct X"];
    assert!(others.iter().all(|line| declared(line).is_none()));
}
