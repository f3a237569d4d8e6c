//! Packed files that are verified before they are read, and inputs that are refused before anything is
//! written.

use super::{FLAGS, Folder, gzip, trades, zipped, zstd};
use sha2::{Digest, Sha256};
use std::process::Command;

fn checksum(bytes: &[u8], name: &str) -> String {
    let sum: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{sum}  {name}\n")
}

#[test]
fn a_file_that_is_not_what_its_checksum_says_is_refused() {
    let folder = Folder::new();
    let content = trades(0..40);
    for (name, packed) in [
        ("a.jsonl.gz", gzip(content.as_bytes())),
        ("b.zip", zipped(&[("b.jsonl", content.as_bytes())])),
        ("c.jsonl.zst", zstd(content.as_bytes())),
    ] {
        folder.write(name, &packed);
        let beside = format!("{name}.CHECKSUM");
        folder.write(&beside, checksum(&packed, name).to_uppercase());
        let rows = folder.run(&format!("{name} {FLAGS}"));
        rows.with(0, &[]);
        assert_eq!(rows.rows.lines().count(), 4);
        folder.write(&beside, checksum(b"other", name));
        folder.run(&format!("{name} {FLAGS}")).with(3, &["its SHA-256 is", &beside, "--no-verify"]);
        assert_eq!(folder.run(&format!("{name} {FLAGS} --no-verify")), rows);
        folder.write(&beside, "not found\n");
        folder.run(&format!("{name} {FLAGS}")).with(3, &["holds no SHA-256"]);
        // What is not packed may grow.
        folder.write("d.jsonl", &content);
        folder.write("d.jsonl.CHECKSUM", checksum(b"other", name));
        folder.run(&format!("d.jsonl {FLAGS}")).with(0, &[]);
    }
}

#[test]
fn a_checksum_that_is_a_pipe_is_not_waited_for() {
    let folder = Folder::new();
    folder.write("a.jsonl.gz", gzip(trades(0..40).as_bytes()));
    let made = Command::new("mkfifo").arg(folder.path("a.jsonl.gz.CHECKSUM")).status().expect("mkfifo");
    assert!(made.success());
    let flags = format!("a.jsonl.gz {FLAGS}");
    folder.run(&flags).with(3, &["a.jsonl.gz.CHECKSUM is no regular file", "--no-verify"]);
    assert_eq!(folder.run(&format!("{flags} --no-verify")).rows.lines().count(), 4);
}

#[test]
fn of_a_damaged_file_nothing_is_committed() {
    let folder = Folder::new();
    let content = trades(0..4_000);
    for (name, packed) in [
        ("a.jsonl.gz", gzip(content.as_bytes())),
        ("b.zip", zipped(&[("b.jsonl", content.as_bytes())])),
        ("c.jsonl.zst", zstd(content.as_bytes())),
    ] {
        let mut damaged = packed.clone();
        match name {
            // Its directory is at its end.
            "b.zip" => damaged[packed.len() / 2] ^= 1,
            _ => damaged.truncate(packed.len() - 4),
        }
        folder.write(name, &damaged);
        let to = format!("{name} {FLAGS} --to {name}.rows.jsonl");
        folder.run(&to).with(3, &[name, "damaged or cut off", "nothing of it was read"]);
        assert!(!folder.path(&format!("{name}.rows.jsonl")).exists());
        // Where nothing is committed rows are given as far as it goes.
        folder.run(&format!("{name} {FLAGS}")).with(3, &["what comes before was read"]);
        folder.write(name, &packed);
        folder.run(&to).with(0, &[]);
        assert_eq!(folder.read(&format!("{name}.rows.jsonl")).lines().count(), 400);
    }
}

#[test]
fn the_same_file_twice_is_a_usage_error() {
    let folder = Folder::new();
    folder.write("a.jsonl", trades(0..3));
    std::os::unix::fs::symlink("a.jsonl", folder.path("b.jsonl")).expect("a link");
    std::fs::hard_link(folder.path("a.jsonl"), folder.path("c.jsonl")).expect("a link");
    for twice in ["a.jsonl a.jsonl", "a.jsonl b.jsonl", "c.jsonl ./a.jsonl"] {
        folder.run(&format!("{twice} {FLAGS}")).with(2, &["twice", "each file once"]);
    }
}

#[test]
fn files_that_are_no_trades_are_refused_by_name() {
    let folder = Folder::new();
    let mut tar = vec![0; 512];
    tar[..6].copy_from_slice(b"a.json");
    tar[257..262].copy_from_slice(b"ustar");
    let xlsx = zipped(&[("xl/a.xml", b"<?xml?>"), ("[Content_Types].xml", b"<?xml?>")]);
    for (bytes, name) in [
        (tar.as_slice(), "tar"),
        (&gzip(&tar), "tar"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"\xef\xbb\xbf<?xml version=\"1.0\"?>", "XML"),
        (b"7z\xbc\xaf\x27\x1c..", "7-Zip"),
        (b"Rar!\x1a\x07\x01\x00", "RAR"),
        (b"\xfd7zXZ\0..", "xz"),
        (b"BZh9", "bzip2"),
        (b"\x04\x22\x4d\x18", "LZ4"),
        (b"PAR1..", "Parquet"),
        (b"ARROW1\0\0", "Arrow"),
        (b"Obj\x01..", "Avro"),
        (b"\x93NUMPY\x01", "NumPy"),
        (&xlsx, "xlsx"),
        (b"SQLite format 3\0", "SQLite"),
        (b"%PDF-1.7\n1 0 obj\n", "PDF"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "PNG"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "JPEG"),
        (b"\x7fELF\x02\x01\x01\0", "ELF"),
        (b"<Error><Code>NoSuchKey</Code></Error>", "XML"),
        (&gzip(&gzip(b"{}\n")), "gzip within"),
        (b"1525022020000,1,2,0.5,1.5,100,1525022079999,150,10,50,75,0\n", "klines"),
        (b"id,price,qty,base_qty,time,is_buyer_maker\n1,1,1,1,1525022020361,true\n", "contracts"),
    ] {
        folder.write("input", bytes);
        folder.run(&format!("input {FLAGS} --to rows.jsonl")).with(3, &["cannot read input", name, "hint: "]);
        assert!(!folder.path("rows.jsonl").exists(), "{name}");
    }
}
