//! The documents are held against the program: their commands print what they say, their tables have every
//! flag, and their links lead somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) const README: &str = include_str!("../../README.md");

/// The page that has the first minutes with Kafka.
pub(crate) const START: &str = include_str!("../../docs/start.md");

const FLAGS: &str = include_str!("../../docs/flags.md");
const COLLECTOR: &str = include_str!("../../docs/collector.md");

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

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages of the book, by their names.
fn pages() -> BTreeMap<String, String> {
    let files = std::fs::read_dir(project().join("docs")).expect("docs");
    let files = files.map(|file| file.expect("an entry").path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("UTF-8"))
        })
        .collect()
}

/// What stands below a heading, until the next one of its level.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let part = page.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no part {heading}"));
    part.split("\n## ").next().expect("its text")
}

fn bash(folder: &Path, script: &str) -> (String, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_crossrate"));
    let mut path = program.parent().expect("a folder").as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(folder);
    crate::program::without_settings(&mut command);
    let output = command.env("PATH", path).stdin(Stdio::null()).output().expect("bash starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{script}{printed}{complaint}");
    (printed, complaint)
}

/// Rows are wrapped in the documents, so white space is not compared.
pub(crate) fn without_blanks(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Runs the tested blocks of a document in one folder, so that the later ones use what the earlier ones
/// wrote. Every folder has the file of trades that the README begins with. How many blocks there were.
fn run_blocks(document: &str) -> usize {
    let folder = tempfile::tempdir().expect("a folder");
    let first = &blocks(README).into_iter().find(|block| block.info == "sh tested").expect("one").text;
    let trades = first.split("\nEND\n").next().expect("a file of trades");
    bash(folder.path(), &format!("{trades}\nEND\n"));
    let blocks = blocks(document);
    let mut tested = 0;
    for (place, block) in blocks.iter().enumerate().filter(|(_, block)| block.info == "sh tested") {
        let (printed, complaint) = bash(folder.path(), &block.text);
        let said = blocks.get(place + 1).filter(|next| next.info.ends_with(" output"));
        let said = said.unwrap_or_else(|| panic!("no output follows\n{}", block.text));
        let (expected, found) = (without_blanks(&said.text), without_blanks(&printed));
        assert_eq!(found, expected, "{}\n{printed}{complaint}", block.text);
        tested += 1;
    }
    tested
}

#[test]
fn the_commands_print_what_the_documents_say() {
    assert_eq!(run_blocks(README), 1, "the README has one run and its row");
    let tested: usize = pages().values().map(|page| run_blocks(page)).sum();
    assert!(tested >= 6, "{tested} blocks are tested");
}

/// What the blocks begin with that no test types: they install, ask the exchange, need its archives, show a
/// display, or measure. Tests of their own run each of these commands.
const NOT_TYPED: [&str; 15] = [
    "cargo run --release -- demo ",
    "cargo install --path . --features parquet,top\n",
    "cargo install --path . --features parquet,top ",
    "crossrate demo\n",
    "rustup target add ",
    "deploy/container/build\n",
    "head -c 24 ",
    "crossrate produce ",
    "gzip -dc capture.gz ",
    "crossrate bench ",
    "crossrate run 1.jsonl ",
    "crossrate run -t trades -t coinbase=coinbase ",
    "crossrate run -t trades --quote USDT ",
    "crossrate run --log-format json ",
    "cat > kafka.properties ",
];

#[test]
fn every_block_of_commands_is_typed_by_a_test_or_on_the_list() {
    let pages: String = pages().into_values().chain([README.to_owned()]).collect();
    let left: Vec<String> =
        blocks(&pages).into_iter().filter(|block| block.info == "sh").map(|b| b.text).collect();
    for block in &left {
        assert!(NOT_TYPED.iter().any(|start| block.starts_with(start)), "no test types\n{block}");
    }
    for start in NOT_TYPED {
        assert!(left.iter().any(|block| block.starts_with(start)), "{start:?} is typed now, or gone");
    }
}

#[test]
fn the_readme_is_read_in_five_minutes() {
    let lines = README.lines().count();
    assert!(lines <= 150, "{lines} lines: what is more belongs into docs/");
}

/// What a heading is called in a link, as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    let letters = heading.trim().to_lowercase();
    let kept = letters.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The anchors of a document: of its headings, not of comments in its blocks.
pub(crate) fn anchors(document: &str) -> BTreeSet<String> {
    let mut in_block = false;
    let mut anchors = BTreeSet::new();
    for line in document.lines() {
        in_block ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if !in_block && heading.len() < line.len() && heading.starts_with(' ') {
            anchors.insert(anchor(heading));
        }
    }
    anchors
}

/// The targets of a document's links and pictures that are not addresses of the web.
fn links(document: &str) -> Vec<String> {
    let without_blocks: String = document.split("```").step_by(2).flat_map(|text| [text, "\n"]).collect();
    let inline = without_blocks.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let pictures = ["src=\"", "srcset=\""].into_iter().flat_map(|word| {
        without_blocks.split(word).skip(1).filter_map(|rest| rest.split('"').next()).collect::<Vec<_>>()
    });
    inline.chain(pictures).filter(|link| !link.contains("://")).map(str::to_owned).collect()
}

#[test]
fn links_between_documents_lead_to_files_and_headings() {
    let mut documents: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "benches/README.md"]
        .map(|name| project().join(name))
        .into();
    documents.extend(pages().keys().map(|name| project().join("docs").join(name)));
    let mut count = 0;
    for document in documents {
        let text = std::fs::read_to_string(&document).expect("UTF-8");
        for link in links(&text) {
            let (file, heading) = link.split_once('#').map_or((link.as_str(), None), |(f, h)| (f, Some(h)));
            let target = if file.is_empty() {
                document.clone()
            } else {
                document.parent().expect("a folder").join(file)
            };
            assert!(target.exists(), "{}: {link} is not there", document.display());
            if let Some(heading) = heading {
                let target = std::fs::read_to_string(&target).expect("UTF-8");
                assert!(
                    anchors(&target).contains(heading),
                    "{}: {link} has no such heading",
                    document.display()
                );
            }
            count += 1;
        }
    }
    assert!(count > 60, "{count} links");
}

#[test]
fn the_summary_of_the_book_has_every_page() {
    let pages = pages();
    let listed: BTreeSet<String> = links(&pages["SUMMARY.md"]).into_iter().collect();
    let there: BTreeSet<String> = pages.into_keys().filter(|name| name != "SUMMARY.md").collect();
    assert_eq!(listed, there);
}

#[test]
fn the_table_has_every_flag_with_its_default_and_no_other() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    crate::program::without_settings(&mut command);
    let output = command.args(["config", "--json"]).output().expect("the program starts");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a JSON object");
    let table = section(FLAGS, "Flags of run");
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
    let part = section(COLLECTOR, "Flags");
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
