//! The read side: what is served equals what is computed, whoever asks and however slowly they read.

mod bounds;
mod browser;
pub(crate) mod changing;
mod description;
mod end_to_end;
pub(crate) mod follow;
pub(crate) mod http;
mod overview;
mod page;
mod postgres;
pub(crate) mod replay;
mod rest;
mod scripts;
mod sql;
mod streams;
mod telling;
mod thinned;
mod upgraded;
mod working;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A program that serves. Ended when dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// The program, without the environment's settings.
fn crossrate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    crate::program::without_settings(&mut command);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Served {
    /// `run` with these flags, at a free port, until it is ended.
    pub(crate) fn run(flags: &[&str]) -> Served {
        Served::by(crossrate(&["run", "--listen", "127.0.0.1:0", "--stay", "always"]).args(flags))
    }

    /// A run of this command, which says where it serves.
    fn by(command: &mut Command) -> Served {
        // Nobody reads the rows: a pipe would fill up, and the run wait for ever.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let address = address_in(BufReader::new(stderr), "crossrate: serving http://");
        Served { child, address }
    }

    /// The same where no more than so many files may be open.
    fn run_with_files(files: usize, flags: &[&str]) -> Served {
        let mut command = Command::new("sh");
        crate::program::without_settings(&mut command);
        let line = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
        command.args(["-c", &line, env!("CARGO_BIN_EXE_crossrate"), "run", "--listen", "127.0.0.1:0"]);
        Served::by(command.args(["--stay", "always"]).args(flags))
    }

    /// The demonstration with these flags, at a free port.
    pub(crate) fn demo(flags: &[&str]) -> Served {
        Served::demo_at("127.0.0.1:0", flags)
    }

    /// The demonstration at that address.
    fn demo_at(address: &str, flags: &[&str]) -> Served {
        let mut child = crossrate(&["demo", "--listen", address, "--stay", "always"]);
        let mut child = child.args(flags).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let address = address_in(BufReader::new(stdout), "Live page: http://");
        Served { child, address }
    }

    /// Asks it to end, and how it did.
    pub(crate) fn interrupt(mut self) -> ExitStatus {
        assert!(
            Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success()
        );
        self.child.wait().unwrap()
    }

    /// Its processes that answer, those included that have ended and of which nobody has taken note.
    fn helpers(&self) -> usize {
        let tasks = format!("/proc/{}/task", self.child.id());
        let of = |task: std::fs::DirEntry| {
            std::fs::read_to_string(task.path().join("children")).unwrap_or_default()
        };
        let ids: Vec<String> = std::fs::read_dir(tasks).unwrap().flatten().map(of).collect();
        ids.concat().split_whitespace().count()
    }

    pub(crate) fn get(&self, path: &str) -> http::Answer {
        http::ask(self.address, "GET", path, &[], "")
    }

    /// A request with a body of JSON.
    fn send(&self, method: &str, path: &str, body: &str) -> http::Answer {
        http::ask(self.address, method, path, &[("Content-Type", "application/json")], body)
    }

    fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> http::Answer {
        http::ask(self.address, "GET", path, headers, "")
    }

    /// Waits until the job has ended: what there is then does not change any more.
    pub(crate) fn wait_for_the_end(&self) {
        http::eventually(
            || self.get("/v1/frontier").body.contains("\"state\":\"ended\""),
            "the end of the input",
        );
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the line that begins so; what follows is read and forgotten, so that nobody waits for us.
fn address_in(mut lines: impl BufRead + Send + 'static, begins: &str) -> SocketAddr {
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "no line begins {begins:?} in:\n{seen}");
        if let Some(address) = line.strip_prefix(begins) {
            std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
            return address.trim().trim_end_matches('/').parse().unwrap();
        }
        seen += &line;
    }
}
