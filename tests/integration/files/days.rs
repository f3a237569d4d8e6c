//! `--at-end keep`: a file a day, each run of its own, and what is open stays open between them.

use super::Folder;

/// Trades of two symbols over three days, a file each: of the first two the last window of the day stays
/// open, and a trade of each day comes after one of the next.
fn days(folder: &Folder) {
    const DAY: u64 = 86_400_000;
    const FIRST: u64 = 1_582_848_000_000; // 2020-02-28: the month ends within the days.
    let trade = |id: u64, symbol: &str, ms: u64| {
        let price = 100 + id * 7 % 13;
        format!(
            "{{\"e\":\"trade\",\"s\":\"{symbol}\",\"t\":{id},\"p\":\"{price}.5\",\"q\":\"0.{}\",\"T\":{ms},\"m\":{}}}\n",
            1 + id % 9,
            id.is_multiple_of(2)
        )
    };
    let mut all = String::new();
    for day in 0..3 {
        let mut lines = String::new();
        for step in 0..200u64 {
            let ms = FIRST + day * DAY + step * (DAY / 200) + step * step * 17 % 2_000;
            let id = day * 200 + step + 1;
            lines += &trade(id, "BTCUSDT", ms);
            if step % 3 == 0 {
                lines += &trade(id, "XVGBTC", ms + 500);
            }
        }
        // Where the day ends: within the delay of its last moment.
        lines += &trade(10_000 + day, "ETHBTC", FIRST + (day + 1) * DAY - 1_000);
        folder.write(&format!("{day}.jsonl"), &lines);
        all += &lines;
    }
    folder.write("all.jsonl", all);
}

/// Rows without what closed them: between two files that is idleness.
fn without_cause(rows: &str) -> Vec<String> {
    rows.lines().map(|row| row.split(",\"closed_by\"").next().expect("a row").to_owned()).collect()
}

const WINDOWS: &str = "--symbols all --cross XVGUSDT=XVGBTC*BTCUSDT --missing-leg carry --window 10m --window 1h/20m \
                       --window 1d@Europe/Berlin --window 1mo --window anchored:1d/1h --window anchored:all/6h \
                       --fill previous --max-fill 40m";

#[test]
fn a_file_a_day_gives_the_rows_of_one_run_over_all_of_them() {
    for manner in ["-w 1", "-w 3", "-n 2", "--emit changes --grace 5m --tick 1m"] {
        let folder = Folder::new();
        days(&folder);
        let flags = format!("{WINDOWS} {manner}");
        folder
            .run(&format!("all.jsonl {flags} --to whole.jsonl --name whole"))
            .with(0, &["read 804 = 804 accepted"]);
        let run =
            |files: &str, end: &str| folder.run(&format!("{files} {flags} --at-end {end} --to rows.jsonl"));
        let said = run("0.jsonl", "keep");
        said.with(
            0,
            &["what is open stays in the checkpoint: rows are final until 2020-02-28T23:59:54.000Z"],
        );
        let first = folder.read("rows.jsonl");
        assert!(!first.contains("\"eof\"") && !first.contains("\"window\":\"1mo\""), "{first}");
        // Nothing came: nothing closes.
        run("0.jsonl", "keep").with(0, &[]);
        assert_eq!(folder.read("rows.jsonl"), first);
        run("0.jsonl 1.jsonl", "keep").with(0, &["2020-02-29T23:59:54.000Z"]);
        let second = folder.read("rows.jsonl");
        assert!(second.starts_with(&first) && second.contains("\"idle\"") && !second.contains("\"eof\""));
        run("0.jsonl 1.jsonl 2.jsonl", "keep").with(0, &["read 804 = 804 accepted"]);
        run("0.jsonl 1.jsonl 2.jsonl", "close").with(0, &["read 804 = 804 accepted"]);
        let (rows, whole) = (folder.read("rows.jsonl"), folder.read("whole.jsonl"));
        let (rows, whole) = (without_cause(&rows), without_cause(&whole));
        let differs = rows.iter().zip(&whole).find(|(row, of_whole)| row != of_whole);
        assert_eq!(differs, None, "{manner}");
        assert_eq!(rows.len(), whole.len(), "{manner}");
    }
}

/// The end of a file that an earlier run has read holds nobody up, also where a run over the next one is cut
/// short.
#[test]
fn a_run_over_the_next_file_that_is_stopped_and_taken_up_gives_the_same_rows() {
    let folder = Folder::new();
    days(&folder);
    let line = |end: &str, files: &str| {
        format!("{files} {WINDOWS} --at-end {end} --to rows.jsonl --commit-interval 0s")
    };
    folder.run(&line("keep", "0.jsonl")).with(0, &[]);
    for name in ["rows.jsonl", "rows.jsonl.recovery"] {
        std::fs::copy(folder.path(name), folder.path(&format!("kept.{name}"))).expect("copied");
    }
    folder.run(&line("keep", "0.jsonl 1.jsonl")).with(0, &[]);
    let undisturbed = folder.read("rows.jsonl");
    // A record of the next file that ends the run, and is mended.
    for name in ["rows.jsonl", "rows.jsonl.recovery"] {
        std::fs::copy(folder.path(&format!("kept.{name}")), folder.path(name)).expect("copied");
    }
    let good = folder.read("1.jsonl");
    let cut = good.match_indices('\n').nth(150).expect("a line").0 + 1;
    folder.write("1.jsonl", format!("{}{{}} no record\n", &good[..cut]));
    folder.run(&format!("{} --strict", line("keep", "0.jsonl 1.jsonl"))).with(4, &["record 151 is bad"]);
    folder.write("1.jsonl", &good);
    folder.run(&format!("{} --strict", line("keep", "0.jsonl 1.jsonl"))).with(0, &[]);
    assert_eq!(folder.read("rows.jsonl"), undisturbed);
}

/// Of files that one run reads the first is at its end long before the others are: nobody waits for it to go
/// on.
#[test]
fn days_that_one_run_reads_are_read_to_their_ends() {
    let folder = Folder::new();
    days(&folder);
    folder.run(&format!("all.jsonl {WINDOWS} --to whole.jsonl --name whole")).with(0, &[]);
    let run =
        |files: &str, end: &str| folder.run(&format!("{files} {WINDOWS} --at-end {end} --to rows.jsonl"));
    run("0.jsonl 1.jsonl", "keep").with(0, &["read 536 = 536 accepted"]);
    run("0.jsonl 1.jsonl 2.jsonl", "keep").with(0, &["read 804 = 804 accepted"]);
    run("0.jsonl 1.jsonl 2.jsonl", "close").with(0, &["read 804 = 804 accepted"]);
    assert_eq!(without_cause(&folder.read("rows.jsonl")), without_cause(&folder.read("whole.jsonl")));
}

/// Nothing was moved by it, so it holds nobody up.
#[test]
fn a_file_without_trades_holds_nobody_up() {
    let folder = Folder::new();
    days(&folder);
    folder.write("none.jsonl", "");
    folder.run(&format!("none.jsonl 0.jsonl {WINDOWS} --at-end keep --to rows.jsonl")).with(0, &[]);
    let rows = folder.read("rows.jsonl");
    assert!(rows.lines().count() > 100 && !rows.contains("\"eof\""), "{rows}");
}

#[test]
fn what_is_kept_needs_a_checkpoint() {
    let folder = Folder::new();
    days(&folder);
    let end = folder.run("0.jsonl --at-end keep");
    end.with(2, &["--at-end", "keep without a checkpoint", "write rows to a file"]);
}
