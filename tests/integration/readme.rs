//! The README is held against the program: its commands print what it says, and its table has every flag.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

pub(crate) const README: &str = include_str!("../../README.md");

/// A fenced block of a document: what stands after the three backticks, and the lines.
pub(crate) struct Block {
    pub(crate) info: String,
    pub(crate) text: String,
}

pub(crate) fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in document.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some(Block { info: info.to_owned(), text: String::new() }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    blocks
}

#[test]
fn the_commands_print_what_the_readme_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Path::new(env!("CARGO_BIN_EXE_crossrate"));
    let mut path = program.parent().expect("a folder").as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let blocks = blocks(README);
    let mut tested = 0;
    for (place, block) in blocks.iter().enumerate().filter(|(_, block)| block.info == "sh tested") {
        // All blocks share a folder: the later ones use what the earlier ones wrote.
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &block.text]).current_dir(folder.path()).env("PATH", &path);
        crate::program::without_settings(&mut command);
        let output = command.stdin(Stdio::null()).output().expect("bash starts");
        let printed = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}{printed}{complaint}", block.text);
        let said = blocks.get(place + 1).filter(|next| next.info.ends_with(" output"));
        let said = said.unwrap_or_else(|| panic!("no output follows\n{}", block.text));
        // Rows are wrapped in the README, so white space is not compared.
        let without_blanks = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(
            without_blanks(&printed),
            without_blanks(&said.text),
            "{}\n{printed}{complaint}",
            block.text
        );
        tested += 1;
    }
    assert!(tested >= 4, "{tested} blocks are tested");
}

#[test]
fn the_table_has_every_flag_with_its_default_and_no_other() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    crate::program::without_settings(&mut command);
    let output = command.args(["config", "--json"]).output().expect("the program starts");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a JSON object");
    let table = README.split("\n## Flags\n").nth(1).expect("a part on flags");
    let table = table.split("\n## ").next().expect("its text");
    let mut rows: BTreeMap<&str, &str> = BTreeMap::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{row}");
        let name = cells[0].split("--").nth(1).expect("a flag").split([' ', '`']).next().expect("its name");
        rows.insert(name, cells[1]);
    }
    let mut names = BTreeSet::new();
    for setting in report["settings"].as_array().expect("a list") {
        let name = setting["name"].as_str().expect("a name");
        if name == "batch-records" {
            continue;
        }
        names.insert(name);
        let default = rows.get(name).unwrap_or_else(|| panic!("--{name} is not in the table"));
        let held = match &setting["value"] {
            serde_json::Value::Array(texts) => texts[0].as_str(),
            value => value.as_str(),
        };
        match held {
            Some(held) => assert_eq!(*default, format!("`{held}`"), "--{name}"),
            None => assert!(!default.contains("`false`"), "--{name}"),
        }
    }
    assert_eq!(rows.keys().copied().collect::<BTreeSet<_>>(), names);
}

#[test]
fn the_table_of_the_collector_has_every_flag_of_its_own_with_its_default() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    let output = command.args(["produce", "--help"]).output().expect("the program starts");
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    let own = help.split("\nCollecting:\n").nth(1).expect("flags of its own");
    let own = own.split("\n\n").next().expect("their text");
    let own: String = own.split_whitespace().map(|word| format!("{word} ")).collect();
    let flags: BTreeMap<String, String> = own
        .split("--")
        .skip(1)
        .map(|flag| {
            let name = flag.split(' ').next().expect("its name").to_owned();
            let default = flag.split("[default: ").nth(1).and_then(|rest| rest.split(']').next());
            (name, default.unwrap_or("false").to_owned())
        })
        .collect();
    let part = README.split("\n## Trades from the exchange\n").nth(1).expect("a part on the collector");
    let part = part.split("\n## ").next().expect("its text");
    let rows: BTreeMap<String, String> = part
        .lines()
        .filter_map(|line| line.strip_prefix("| `--"))
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let name = cells[0].split([' ', '`']).next().expect("its name").to_owned();
            (name, cells[1].trim_matches('`').to_owned())
        })
        .collect();
    assert!(flags.len() >= 7, "{help}");
    assert_eq!(rows, flags);
}

#[test]
fn the_map_in_the_crate_docs_has_every_module() {
    let text = include_str!("../../src/lib.rs");
    let modules = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let mut count = 0;
    for module in modules {
        let row = text.lines().find(|line| line.starts_with(&format!("//! | [`{module}`]")));
        let row = row.unwrap_or_else(|| panic!("{module} has no row in the map of src/lib.rs"));
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert!(cells.len() == 5 && cells[1..4].iter().all(|cell| !cell.is_empty()), "{row}");
        count += 1;
    }
    assert!(count > 15, "{count}");
}
