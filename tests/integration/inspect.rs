//! `crossrate inspect`: what it says of an input, and that its last line is a command that works.

use crate::program::without_settings;
use crate::recordings;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn inspect(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    command.arg("inspect").args(arguments).current_dir(folder).stdin(Stdio::null());
    without_settings(&mut command);
    command.output().expect("the program starts")
}

fn told(folder: &Path, arguments: &[&str]) -> String {
    let output = inspect(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {} {said}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a command line as a shell would, and gives its accounting.
pub(crate) fn by_shell(folder: &Path, line: &str) -> (String, Value) {
    let program = Path::new(env!("CARGO_BIN_EXE_crossrate"));
    let mut path = program.parent().expect("a folder").as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let summary = folder.join("inspected-summary.json");
    let is_run = line.starts_with("crossrate run ");
    let line = if is_run { format!("{line} -q --summary {}", summary.display()) } else { line.to_owned() };
    let mut command = Command::new("sh");
    command.args(["-c", &line]).current_dir(folder).env("PATH", path).stdin(Stdio::null());
    without_settings(&mut command);
    let output = command.output().expect("a shell starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {} {said}", output.status);
    let counts = std::fs::read_to_string(&summary).unwrap_or_else(|_| "null".into());
    (String::from_utf8(output.stdout).expect("text"), serde_json::from_str(&counts).expect("JSON"))
}

/// The last line is a command that takes all trades that were found.
fn last_line_works(folder: &Path, arguments: &[&str]) -> String {
    let text = told(folder, arguments);
    let line = text.lines().last().expect("a last line");
    let (rows, counts) = by_shell(folder, line);
    if line.starts_with("crossrate run ") {
        assert!(rows.lines().count() > 0, "{line}: no rows; {text}");
        assert_eq!(counts["late"], 0, "{line}: {text}");
        let found: Value =
            serde_json::from_str(&told(folder, &[arguments, &["--json"]].concat())).expect("JSON");
        let input = &found["inputs"][0]["records"];
        assert_eq!(input["read"], counts["read"], "{line}: {text}");
        let taken = |counts: &Value| {
            ["accepted", "duplicate", "late"]
                .iter()
                .map(|class| counts[*class].as_u64().expect("a count"))
                .sum::<u64>()
        };
        assert_eq!(taken(input), taken(&counts), "{line}: {text}");
        assert_eq!(found["command"], line, "{text}");
    } else {
        assert!(!rows.is_empty(), "{line}");
    }
    text
}

const TRADES: &str = r#"{"e":"trade","s":"BTCUSDT","t":39982779,"p":"8888.1512","q":"0.01937446","T":1525022020361}
{"e":"depthUpdate","s":"BTCUSDT"}
{"e":"trade","s":"BTCUSDT","t":39982780,"p":"8880","q":"1","T":1525022021000}
{"e":"trade","s":"BTCUSDT","t":39982780,"p":"8880","q":"1","T":1525022021000}
{"e":"trade","s":"BTCUSDT","t":39982783,"p":"8881","q":"x","T":1525022022000}
{"e":"trade","s":"XVGBTC","t":7,"p":"0.00000874","q":"5","T":1525022031000}
{"e":"trade","s":"BTCUSDT","t":39982785,"p":"8881","q":"1","T":1525022001000}
"#;

#[test]
fn numbers_of_more_decimals_are_recognised_and_read_by_the_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let trade = |id: u64| {
        let ms = 1_525_022_020_000 + id * 20_000;
        format!(
            "{{\"e\":\"trade\",\"s\":\"PEPEBTC\",\"t\":{id},\"p\":\"0.000000000{id}\",\"q\":\"1000\",\"T\":{ms}}}\n"
        )
    };
    std::fs::write(folder.path().join("pepe.jsonl"), (1..6).map(trade).collect::<String>()).expect("written");
    let text = last_line_works(folder.path(), &["pepe.jsonl", "--price-decimals", "10"]);
    assert!(text.contains("format    binance") && text.contains("--price-decimals 10"), "{text}");
}

#[test]
fn says_what_is_in_a_file_and_which_command_reads_it() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("it's trades.jsonl"), TRADES).expect("written");
    let text = last_line_works(folder.path(), &["it's trades.jsonl"]);
    let expected = "\
it's trades.jsonl
  format    binance
  records   7 read = 3 accepted + 1 duplicate + 1 late + 1 bad + 1 ignored
  times     2018-04-29T17:13:21.000Z to 2018-04-29T17:13:51.000Z (30.000 s)
  order     1 of 5 behind an earlier one, by 30.000 s at most
  ids       a sequence, 4 missing, 1 repeated
  symbols   2: BTCUSDT 3, XVGBTC 1
  ignored   record 1: event depthUpdate is none of trade, aggTrade and heartbeat
  bad       record 4: q: not a plain decimal number (at byte 56)

crossrate run 'it'\\''s trades.jsonl' --symbols all --delay 30s
";
    assert_eq!(text, expected);
}

#[test]
fn an_input_that_no_format_reads_comes_with_the_reason_of_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("ticks.jsonl", "{\"type\":\"ticker\",\"price\":\"1\"}\n{\"type\":\"ticker\",\"price\":\"2\"}\n");
    write(
        "match.jsonl",
        "{\"type\":\"match\",\"price\":\"1\",\"time\":\"2026-07-07T22:58:16Z\",\"size\":\"-1\"}\n",
    );
    write("none.jsonl", "");
    write("1.csv", "7,8888.1,0.5,4444.05,1525022020361,True,True\n");
    let text = last_line_works(folder.path(), &["match.jsonl"]);
    assert!(text.contains("coinbase: quantity: not a plain decimal number"), "{text}");
    assert!(text.ends_with("\ncrossrate formats coinbase\n"), "{text}");
    let text = last_line_works(folder.path(), &["ticks.jsonl"]);
    assert!(text.contains("binance: it has no event type e"), "{text}");
    let text = told(folder.path(), &["ticks.jsonl", "--format", "coinbase"]);
    let why = "no `where` holds: /type is \"ticker\" and not \"match\" or \"last_match\"; /channel is absent";
    assert!(text.contains(why), "{text}");
    assert!(told(folder.path(), &["none.jsonl"]).contains("records   none"));
    let text = last_line_works(folder.path(), &["1.csv"]);
    assert!(text.ends_with("crossrate run 1.csv --symbol SYMBOL --symbols all\n"), "{text}");
    let text = last_line_works(folder.path(), &["1.csv", "--symbol", "BTCUSDT"]);
    assert!(text.ends_with("crossrate run 1.csv --symbol BTCUSDT --symbols all\n"), "{text}");
    let output = inspect(folder.path(), &["nowhere.jsonl"]);
    assert_eq!(output.status.code(), Some(3));
}

/// Trades of one second after another, as Binance and as Coinbase write them.
fn trade(id: u64) -> String {
    let ms = 1_525_022_020_000 + id * 1_000;
    format!("{{\"e\":\"trade\",\"s\":\"BTCUSDT\",\"t\":{id},\"p\":\"2\",\"q\":\"1\",\"T\":{ms}}}\n")
}

fn matched(id: u64) -> String {
    format!(
        "{{\"type\":\"match\",\"trade_id\":{id},\"side\":\"sell\",\"size\":\"1\",\"price\":\"2\",\
         \"product_id\":\"BTC-USD\",\"time\":\"2026-07-07T22:58:{:02}Z\"}}\n",
        id % 60
    )
}

#[test]
fn trades_that_come_late_in_an_input_are_recognised_and_read_by_the_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("written");
    let trades: String = (1..60).map(trade).collect();
    let matches: String = (1..40).map(matched).collect();
    let depth = "{\"e\":\"depthUpdate\",\"s\":\"BTCUSDT\"}\n".repeat(20_000);
    write("depth.jsonl", (depth + &trades).as_bytes());
    write("foreign.jsonl", ("{\"channel\":\"book\"}\n".repeat(20_000) + &matches).as_bytes());
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in [("README.txt", "trades of a day\n"), ("trades.jsonl", &trades)] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("in memory");
        std::io::Write::write_all(&mut zip, content.as_bytes()).expect("in memory");
    }
    write("readme.zip", &zip.finish().expect("in memory").into_inner());
    write("answers.jsonl", ("{\"type\":\"subscriptions\"}\n".repeat(1_100) + &matches).as_bytes());
    for (arguments, format, accepted) in [
        (&["depth.jsonl"][..], "binance", "59 accepted + 20000 ignored"),
        (&["foreign.jsonl"], "coinbase", "39 accepted + 20000 ignored"),
        (&["readme.zip"], "binance", "59 accepted + 1 bad"),
        (&["answers.jsonl", "--format", "coinbase"], "coinbase", "39 accepted + 1100 ignored"),
    ] {
        let text = last_line_works(folder.path(), arguments);
        assert!(text.contains(&format!("  format    {format}\n")) && text.contains(accepted), "{text}");
        assert!(text.lines().last().expect("a line").starts_with("crossrate run "), "{text}");
    }
}

#[test]
fn the_trades_of_a_pipe_are_recognised_in_whichever_piece_they_come() {
    let program = env!("CARGO_BIN_EXE_crossrate");
    for (later, format) in [((1..9).map(trade).collect::<String>(), "binance"), (matched(1), "coinbase")] {
        let mut command = Command::new(program);
        command.args(["inspect", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        without_settings(&mut command);
        let mut child = command.spawn().expect("the program starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        for piece in ["{\"result\":null,\"id\":1}\n", "{\"e\":\"x\"}\n", &later] {
            std::io::Write::write_all(&mut pipe, piece.as_bytes()).expect("it reads");
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
        drop(pipe);
        let text = String::from_utf8(child.wait_with_output().expect("it ends").stdout).expect("text");
        assert!(text.contains(&format!("  format    {format}\n")) && text.contains("+ 2 ignored"), "{text}");
        assert!(text.lines().last().expect("a line").starts_with("crossrate run - "), "{text}");
    }
}

#[test]
fn the_command_refuses_a_wild_clock_and_takes_all_other_trades() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, ahead) in [("years.jsonl", 2_500_000_000), ("hour.jsonl", 3_570)] {
        let trades = (0..20).chain([ahead]).chain(20..100).map(trade).collect::<String>();
        std::fs::write(folder.path().join(name), trades).expect("written");
        let text = told(folder.path(), &[name]);
        let line = text.lines().last().expect("a last line");
        assert!(line.contains(" --max-jump ") && !line.contains(" --delay "), "{text}");
        assert!(text.contains("one record runs far ahead of the others"), "{text}");
        let (_, counts) = by_shell(folder.path(), line);
        assert_eq!((&counts["accepted"], &counts["future"]), (&100.into(), &1.into()), "{line}");
    }
}

#[test]
fn of_a_damaged_file_what_comes_before_the_damage_is_told_and_then_the_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let trades: String = (1..60).map(trade).collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, trades.as_bytes()).expect("in memory");
    let whole = encoder.finish().expect("in memory");
    let mut wrong_crc = whole.clone();
    let place = whole.len() - 6;
    wrong_crc[place] ^= 1;
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("written");
    write("cut.gz", &whole[..whole.len() - 30]);
    write("crc.gz", &wrong_crc);
    for (name, words) in [("cut.gz", "it is cut off behind byte"), ("crc.gz", "matching checksum")] {
        let output = inspect(folder.path(), &[name]);
        let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(words) && said.contains("what comes before was read"), "{said}");
        assert!(text.contains("  format    binance\n") && text.contains(" accepted"), "{text}");
        assert!(text.contains("  error     cannot read") && text.contains(words), "{text}");
        assert!(text.ends_with(&format!("\ncrossrate run {name} --symbols all\n")), "{text}");
    }
    // Others are told as well.
    write("good.jsonl", trades.as_bytes());
    write("page.html", b"<!DOCTYPE html><html>");
    let output = inspect(folder.path(), &["page.html", "good.jsonl"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("this is HTML") && text.contains("no format reads it: page.html\n"), "{text}");
    assert!(text.ends_with("\ncrossrate run good.jsonl --symbols all\n"), "{text}");
}

#[test]
fn what_a_run_refuses_is_refused_with_the_same_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("written");
    let line = "1,2,3,6,1525022020361,True,True\n";
    write("BTCUSDT-trades-1.csv", line.replace(',', ";").as_bytes());
    write("BTCUSDT-trades-2.csv", line.replace(',', "\t").as_bytes());
    write("wide.jsonl", b"\xff\xfe{\0}\0\n\0");
    write("BTCUSDT-1m-2018-04-29.csv", b"1525022020000,1,2,0.5,1.5,100,1525022079999,150,10,50,75,0\n");
    write("page.html", b"<html><body>404</body></html>");
    let packed = zstd::encode_all(trade(1).as_bytes(), 1).expect("in memory");
    write("a.jsonl.zst", &packed);
    write("a.jsonl.zst.CHECKSUM", "0".repeat(64).as_bytes());
    for name in [
        "BTCUSDT-trades-1.csv",
        "BTCUSDT-trades-2.csv",
        "wide.jsonl",
        "BTCUSDT-1m-2018-04-29.csv",
        "page.html",
        "a.jsonl.zst",
    ] {
        let inspected = inspect(folder.path(), &[name]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
        command.args(["run", name, "--symbols", "all"]).current_dir(folder.path()).stdin(Stdio::null());
        without_settings(&mut command);
        let run = command.output().expect("the program starts");
        let said = String::from_utf8_lossy(&inspected.stderr);
        assert_eq!((inspected.status.code(), run.status.code()), (Some(3), Some(3)), "{name}: {said}");
        assert_eq!(said, String::from_utf8_lossy(&run.stderr), "{name}");
        assert!(said.contains("hint: "), "{name}: {said}");
    }
    let text = last_line_works(folder.path(), &["a.jsonl.zst", "--no-verify"]);
    assert!(text.contains(" --no-verify"), "{text}");
}

#[test]
fn the_last_line_names_the_mapping_that_is_nearest_by_the_kind_of_text_and_its_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("columns.csv", "when,market,cost,size\n2018-04-29,BTC,1,2\n");
    write("no-header.csv", "BTC,1.5,2,2018-04-29\nBTC,1.5,2,2018-04-29\n");
    write("numbers.jsonl", &trade(1).replace("\"2\"", "2"));
    write("okx.jsonl", "{\"arg\":{\"channel\":\"trades-all\"},\"data\":[{\"instId\":\"A\",\"px\":\"1\"}]}\n");
    write("text.txt", "this is a text\n");
    for (name, last) in [
        ("columns.csv", "crossrate formats tardis"),
        ("no-header.csv", "crossrate formats tardis"),
        ("numbers.jsonl", "crossrate formats binance-futures"),
        ("okx.jsonl", "crossrate formats okx"),
        ("text.txt", "crossrate formats"),
    ] {
        let text = last_line_works(folder.path(), &[name]);
        assert_eq!(text.lines().last(), Some(last), "{text}");
        let how = format!("{last} > mine.toml, mend what it says, then --format mine.toml");
        assert!(name == "text.txt" || text.contains(&how), "{text}");
        // What an archive would be is told wherever it stands.
        assert!(text.contains("  binance: "), "{text}");
    }
    let text = last_line_works(folder.path(), &["okx.jsonl", "--format", "coinbase"]);
    assert_eq!(text.lines().last(), Some("crossrate inspect okx.jsonl"), "{text}");
}

#[test]
fn a_limit_ends_the_look_at_each_file() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.jsonl"), TRADES).expect("written");
    let text = told(folder.path(), &["a.jsonl", "--limit", "3"]);
    assert!(text.contains("3 read = 2 accepted + 1 ignored, and there is more"), "{text}");
}

#[test]
#[ignore = "needs recordings"]
fn the_last_line_works_for_every_recording_of_a_venue() {
    let folder = recordings::folder().join("venues");
    let room = tempfile::tempdir().expect("a folder");
    let expected = [
        ("bybit-v5-linear-2026-08-09.jsonl", "bybit"),
        ("coinbase-advanced-2026-08-09.jsonl", "coinbase"),
        ("coinbase-exchange-2026-07-07.jsonl", "coinbase"),
        ("cryptofeed-kafka-2021-07-22.jsonl", "cryptofeed"),
        ("ccxt-xrpeth-2019-10-11.jsonl.gz", "ccxt"),
        ("bitstamp-2022-01-05.jsonl", "bitstamp"),
        ("kraken-v1-2021-04-17.jsonl", "kraken"),
        ("kraken-v2-2026-07-07.jsonl", "kraken"),
        ("tardis-bitmex-xbtusd-2020-03-01.csv", "tardis"),
        ("binance-usdm-aggtrade-2021-07-22.jsonl", "binance"),
        ("binance-usdm-trade-2024-08-08.jsonl.gz", "binance"),
    ];
    for entry in std::fs::read_dir(&folder).expect("recordings") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.contains(".expected.") || name == "README.md" {
            continue;
        }
        let text = last_line_works(room.path(), &[path.to_str().expect("UTF-8")]);
        if let Some((_, format)) = expected.iter().find(|(file, _)| *file == name) {
            assert!(text.contains(&format!("  format    {format}\n")), "{name}: {text}");
        }
    }
}
