//! `crossrate top` in a real terminal, that of tmux.

use super::{succeed, without_settings};
use crate::needs;
use crate::serve::{Served, http};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A terminal. Its tmux is its own, and ends with it.
struct Terminal {
    folder: tempfile::TempDir,
}

impl Terminal {
    fn start(arguments: &str) -> Terminal {
        Terminal::start_in(tempfile::tempdir().expect("a folder"), arguments)
    }

    fn start_in(folder: tempfile::TempDir, arguments: &str) -> Terminal {
        let terminal = Terminal { folder };
        let program = PathBuf::from(env!("CARGO_BIN_EXE_crossrate"));
        let line = format!("{} {arguments}; echo ended with $?; cat", program.display());
        let mut tmux = terminal.tmux(&["new-session", "-d", "-x", "130", "-y", "30", &line]);
        succeed(&mut tmux);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        without_settings(&mut command);
        command.arg("-S").arg(self.folder.path().join("socket")).args(["-f", "/dev/null"]).args(arguments);
        command.env("TERM", "xterm-256color").stdin(Stdio::null());
        command
    }

    fn keys(&self, keys: &[&str]) {
        let arguments: Vec<&str> = ["send-keys"].into_iter().chain(keys.iter().copied()).collect();
        succeed(&mut self.tmux(&arguments));
    }

    fn screen(&self) -> String {
        succeed(&mut self.tmux(&["capture-pane", "-p"]))
    }

    /// Waits until the screen is so.
    fn shows(&self, is_so: impl Fn(&str) -> bool, what: &str) -> String {
        let mut screen = String::new();
        http::eventually(
            || {
                screen = self.screen();
                is_so(&screen)
            },
            what,
        );
        screen
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]).status();
    }
}

#[test]
#[ignore = "needs tmux"]
fn a_server_on_a_terminal() {
    needs::program("tmux");
    let served = Served::demo(&["--speed", "max", "--duration", "2m"]);
    served.wait_for_the_end();
    let terminal = Terminal::start(&format!("top --server http://{}", served.address));
    let screen = terminal.shows(|s| s.contains("XVGUSDT") && s.contains("quit"), "the crosses");
    // The numbers are those of the rows, in short.
    let answer = served.get("/v1/latest?name=XVGUSDT").json();
    let rows = answer["rows"].as_array().expect("rows");
    let of = |kind: &str| rows.iter().find(|row| row["kind"] == kind).expect("a row");
    let line = screen.lines().find(|line| line.contains("XVGUSDT")).expect("its line");
    let rate = of("cross")["vwap"].as_str().expect("a rate");
    let (n, mean) = (of("stats")["n"].to_string(), of("stats")["mean"].as_str().expect("a mean"));
    assert!(line.contains(&rate[..8]) && line.contains(&mean[..8]), "{rate} {mean} in {line}");
    assert!(line.split_whitespace().any(|word| word == n), "{n} in {line}");
    assert!(screen.contains("PARTITION") && screen.contains("records read"), "{screen}");

    terminal.keys(&["s"]);
    terminal.shows(|s| s.contains("crosses by rate"), "another order");
    terminal.keys(&["/"]);
    terminal.keys(&["-l", "xrp"]);
    terminal.keys(&["Enter"]);
    terminal.shows(|s| s.contains("XRPETH") && !s.contains("XVGUSDT"), "what was searched for");
    terminal.keys(&["*"]);
    terminal.keys(&["Escape"]);
    let starred =
        |s: &str| s.lines().any(|l| l.contains("XRPETH") && l.contains('*')) && s.contains("XVGUSDT");
    terminal.shows(starred, "a star");
    terminal.keys(&["Tab"]);
    terminal.shows(|s| s.contains("BTCUSDT") && s.contains("VOLUME"), "symbols");
    terminal.keys(&["?"]);
    terminal.shows(|s| s.contains("volume-weighted deviation"), "help");
    terminal.keys(&["?"]);
    served.interrupt();
    terminal.shows(|s| s.contains("s old: cannot ask"), "that the server is gone");
    terminal.keys(&["q"]);
    terminal.shows(|s| s.contains("ended with 0"), "the end");
}

#[test]
#[ignore = "needs tmux"]
fn what_it_cannot_do_it_says_in_a_line() {
    needs::program("tmux");
    let terminal = Terminal::start("top --server http://127.0.0.1:1");
    let screen = terminal.shows(|s| s.contains("ended with 3"), "the end");
    assert!(screen.contains("is a crossrate run --listen, demo or serve there?"), "{screen}");
    let served = Served::demo(&["--speed", "max", "--duration", "10s"]);
    let mut piped = super::crossrate(std::path::Path::new("."), &["top", "--server"]);
    let refused = piped.arg(format!("http://{}", served.address)).output().expect("it starts");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("needs a terminal"));
}

#[test]
#[ignore = "needs tmux"]
fn top_ends_when_its_terminal_has_gone() {
    needs::program("tmux");
    let served = Served::demo(&["--speed", "max", "--duration", "10s"]);
    served.wait_for_the_end();
    let terminal = Terminal::start(&format!("top --server http://{}", served.address));
    terminal.shows(|screen| screen.contains("RATE"), "the table");
    let told = |what: &str| succeed(&mut terminal.tmux(&["display-message", "-p", what])).trim().to_owned();
    let (shell, tmux) = (told("#{pane_pid}"), told("#{pid}"));
    let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).expect("a shell");
    let top = children.trim().to_owned();
    assert!(top.parse::<u32>().is_ok(), "{children:?}");
    // Nothing says goodbye: the other end of the terminal is gone.
    succeed(Command::new("kill").args(["-KILL", &tmux]));
    let is_gone = || {
        let stat = std::fs::read_to_string(format!("/proc/{top}/stat")).unwrap_or_default();
        // Who has ended may still wait for somebody to take note of it.
        stat.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.trim_start().starts_with('Z'))
    };
    http::eventually(is_gone, "the end of top");
}

#[test]
#[ignore = "needs tmux"]
fn a_question_over_a_large_input_tells_how_far_it_is() {
    needs::program("tmux");
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("rows");
    succeed(Command::new("mkfifo").arg(&pipe));
    let terminal = Terminal::start_in(
        folder,
        &format!("query 'select count(*) as found from stats' {}", pipe.display()),
    );
    let mut rows = std::fs::File::options().write(true).open(&pipe).expect("it is read");
    let mut written = 0;
    let mut more = || {
        let rows_text: String = (written..written + 2_000)
            .map(|n| {
                format!("{{\"kind\":\"stats\",\"name\":\"A\",\"start_ms\":{n},\"end_ms\":{}}}\n", n + 10)
            })
            .collect();
        rows.write_all(rows_text.as_bytes()).expect("it is read");
        written += 2_000;
    };
    http::eventually(
        || {
            more();
            terminal.screen().contains("crossrate: reading: ")
        },
        "word of what was read",
    );
    drop(rows);
    let screen = terminal.shows(|screen| screen.contains("ended with 0"), "the answer");
    assert!(screen.contains("found") && screen.contains(&written.to_string()), "{screen}");
    assert!(!screen.contains("reading"), "the line is gone in the end: {screen}");
}
