//! A job that gets more files: those of its checkpoint, then new ones.

use super::{FLAGS, Folder, gzip, trades};

fn trades_of(rows: &str) -> Vec<u64> {
    let number = |row: &str| {
        let row: serde_json::Value = serde_json::from_str(row).expect("JSON");
        assert_eq!(row["missing_ids"], 0, "{row}");
        row["trades"].as_u64().expect("a number")
    };
    rows.lines().map(number).collect()
}

#[test]
fn a_run_restarted_with_one_file_more_gives_the_same_rows() {
    let folder = Folder::new();
    folder.write("1.jsonl.gz", gzip(trades(0..40).as_bytes()));
    folder.write("2.jsonl", trades(40..80));
    folder.write("3.jsonl", trades(80..95));
    let run = |files: &str| folder.run(&format!("{files} {FLAGS} --to rows.jsonl"));
    run("1.jsonl.gz").with(0, &[]);
    assert_eq!(trades_of(&folder.read("rows.jsonl")), [10; 4]);
    for _ in 0..2 {
        run("1.jsonl.gz 2.jsonl").with(0, &[]);
        assert_eq!(trades_of(&folder.read("rows.jsonl")), [10; 8]);
    }
    run("1.jsonl.gz 2.jsonl 3.jsonl -w 2").with(0, &["read 95 = 95 accepted"]);
    let rows = folder.read("rows.jsonl");
    assert_eq!(trades_of(&rows), [&[10; 9][..], &[5]].concat());
    // The days of one run are those of three.
    folder.run(&format!("1.jsonl.gz 2.jsonl 3.jsonl {FLAGS} --to whole.jsonl")).with(0, &[]);
    let digests = |rows: &str| -> Vec<String> {
        rows.lines().map(|row| row.split("\"digest\":").nth(1).expect("one")[..18].to_owned()).collect()
    };
    assert_eq!(digests(&rows), digests(&folder.read("whole.jsonl")));
}

#[test]
fn a_job_keeps_its_files_in_their_order() {
    let folder = Folder::new();
    folder.write("1.jsonl", trades(40..80));
    folder.write("2.jsonl", trades(80..90));
    folder.write("0.jsonl", trades(0..40));
    let run = |files: &str| folder.run(&format!("{files} {FLAGS} --to rows.jsonl"));
    run("1.jsonl 2.jsonl").with(0, &[]);
    run("2.jsonl 1.jsonl").with(2, &["from is 1.jsonl 2.jsonl in the checkpoint, 2.jsonl 1.jsonl now"]);
    run("1.jsonl").with(2, &["another one"]);
    run("0.jsonl 1.jsonl 2.jsonl").with(2, &["another one"]);
    // New ones serve for days that follow.
    run("1.jsonl 2.jsonl 0.jsonl")
        .with(0, &["0.jsonl: of 40 records none was accepted: 40 late", "adopted entry"]);
}
