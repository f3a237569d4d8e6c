//! Ctrl-C while records come: the rows that are final are whole, and all that was read is accounted for.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

/// Trades a second of event time apart, by number.
fn trade(number: u64) -> String {
    let time = 1_525_022_020_000 + number * 1000;
    format!("{{\"e\":\"trade\",\"s\":\"BTCUSDT\",\"t\":{number},\"p\":\"2\",\"q\":\"1\",\"T\":{time}}}\n")
}

#[test]
fn an_interrupted_run_ends_with_whole_rows_and_with_its_accounting() {
    for workers in ["1", "2", "4"] {
        for attempt in 0..8 {
            // Without a checkpoint windows that are open are lost, whoever asks for the end.
            let signal = if attempt < 6 { "-INT" } else { "-TERM" };
            interrupted_once(workers, signal, &format!("-w {workers}, {signal}, attempt {attempt}"));
        }
    }
}

fn interrupted_once(workers: &str, signal: &str, which: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    command.args(["run", "--from", "-", "--symbols", "BTCUSDT", "--window", "10s", "-w", workers]);
    crate::program::without_settings(&mut command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut input = child.stdin.take().expect("a pipe");
    let mut rows = BufReader::new(child.stdout.take().expect("a pipe"));
    // It may have ended before all is written: what it has read is for it to say.
    let feed = std::thread::spawn(move || {
        (0..).try_for_each(|number| input.write_all(trade(number).as_bytes())).expect_err("it is to end")
    });
    let mut first = String::new();
    rows.read_line(&mut first).expect("a row");
    let process = child.id().to_string();
    let signalled = Command::new("kill").args([signal, &process]).status().expect("kill is there");
    assert!(signalled.success(), "{process} is gone");
    let (mut rest, mut said) = (String::new(), String::new());
    rows.read_to_string(&mut rest).expect("rows");
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("a text");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{which}: {said}");
    feed.join().expect("no panic");
    let torn = rest.lines().chain([first.as_str()]).find(|row| serde_json::from_str::<Value>(row).is_err());
    assert_eq!(torn, None, "{which}");
    assert!(said.contains("crossrate: read "), "{which}: {said}");
}

#[test]
fn a_server_of_rows_that_is_asked_to_terminate_ends_with_0_and_by_ctrl_c_with_130() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rows.jsonl"), "").expect("written");
    for (signal, code) in [("-TERM", 0), ("-INT", 130)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
        command.args(["serve", "rows.jsonl", "--listen", "127.0.0.1:0"]).current_dir(folder.path());
        crate::program::without_settings(&mut command);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        said.read_line(&mut line).expect("a text");
        assert!(line.starts_with("crossrate: serving "), "{line}");
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
        assert_eq!(child.wait().expect("it ends").code(), Some(code), "{signal}");
    }
}

#[test]
fn a_process_that_waits_for_the_others_and_is_asked_to_terminate_ends_with_0_and_by_ctrl_c_with_130() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("trades.jsonl", &trade(1));
    // Addresses that no other test has, and nobody stands behind the second one.
    write("hosts", "127.77.0.1:7701\n127.77.0.2:7701\n");
    let hosts = ["-n", "2", "-p", "0", "--hostfile", "hosts"];
    for (signal, code, is_told) in [("-TERM", 0, false), ("-INT", 130, true)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
        command.args(["run", "trades.jsonl", "--to", "rows.jsonl"]).args(hosts).current_dir(folder.path());
        crate::program::without_settings(&mut command);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        while !line.contains("waiting for process 1") {
            line.clear();
            assert!(said.read_line(&mut line).expect("a text") > 0, "it has ended");
        }
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
        let mut rest = String::new();
        said.read_to_string(&mut rest).expect("a text");
        assert_eq!(child.wait().expect("it ends").code(), Some(code), "{signal}: {rest}");
        assert_eq!(rest.contains("interrupted while waiting"), is_told, "{signal}: {rest}");
    }
}
