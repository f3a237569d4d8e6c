//! The blocks of the pages that need Kafka or a server, as they are typed there: a broker that
//! `scripts/kafka start` starts, a server at a free port, and the output that the pages show.

use super::ledger::signal;
use super::rig::{Live, needed, until};
use crate::exchange::Exchange;
use crate::exchange::market::Faults;
use crate::readme::{README, START, blocks, without_blanks};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const COLLECTOR: &str = include_str!("../../../docs/collector.md");
const REPLAY: &str = include_str!("../../../docs/replay.md");
const RESTARTS: &str = include_str!("../../../docs/restarts.md");
const SERVING: &str = include_str!("../../../docs/serving.md");

#[test]
#[ignore = "needs Java, kcat and curl"]
fn the_blocks_that_need_kafka_or_a_server_print_what_the_pages_show() {
    needed();
    crate::needs::program("kcat");
    crate::needs::program("curl");
    let mut session = Session::begin();
    let printed = session.read(START, "vwap");
    let row = without_blanks(&blocks(START).last().expect("a last block").text);
    let times = without_blanks(&printed).matches(&row).count();
    assert_eq!(times, 3, "by one process, by two, and in the topic:\n{printed}");
    session.read(README, "vwap-readme");
    session.read(RESTARTS, "vwap-restarts");
    session.read(SERVING, "vwap");
    session.read(REPLAY, "vwap");
    session.collect();
}

/// A shell in a folder of its own, with a broker and one server at most.
struct Session {
    folder: TempDir,
    kafka: u16,
    serving: u16,
    server: Option<Live>,
}

impl Session {
    /// The folder has the trades of the first page, in one file and in two.
    fn begin() -> Session {
        let folder = tempfile::tempdir().expect("a folder");
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        std::os::unix::fs::symlink(scripts, folder.path().join("scripts")).expect("linked");
        let first = blocks(README).into_iter().find(|block| block.info == "sh tested").expect("one").text;
        let trades: Vec<&str> = first.lines().filter(|line| line.starts_with('{')).collect();
        for (name, lines) in [("trades", &trades[..]), ("a", &trades[..1]), ("b", &trades[1..])] {
            let file = folder.path().join(name).with_extension("jsonl");
            std::fs::write(file, lines.join("\n") + "\n").expect("written");
        }
        Session { folder, kafka: three_free_ports(), serving: three_free_ports(), server: None }
    }

    /// Types the blocks of a page that need Kafka or a server, with another topic for its `vwap`. What they
    /// printed.
    fn read(&mut self, page: &str, rows: &str) -> String {
        let blocks = blocks(page);
        let mut all = String::new();
        for (place, block) in blocks.iter().enumerate().filter(|(_, block)| block.info == "sh kafka") {
            let printed: String = commands(&block.text).iter().map(|line| self.enter(line, rows)).collect();
            if let Some(shown) = blocks.get(place + 1).filter(|next| next.info.ends_with(" output")) {
                let is_printed = without_blanks(&printed).contains(&without_blanks(&shown.text));
                assert!(is_printed, "{}\nshows\n{}\nand printed\n{printed}", block.text, shown.text);
            }
            all += &printed;
        }
        assert!(!all.is_empty(), "no block");
        all
    }

    /// Types a command; one that stays is left as soon as it has done what it is for.
    fn enter(&mut self, line: &str, rows: &str) -> String {
        // The exchange, which comes last; a database, to which other tests write; and the end of it all.
        let elsewhere =
            ["crossrate produce", "scripts/kafka stop"].iter().any(|start| line.starts_with(start));
        if elsewhere || line.contains("postgres://") {
            return String::new();
        }
        let here = line
            .replace(
                "scripts/kafka start",
                &format!("scripts/kafka start --data broker --port {}", self.kafka),
            )
            .replace("localhost:9092", &format!("localhost:{}", self.kafka))
            .replace("localhost:8080", &format!("localhost:{}", self.serving))
            .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", self.serving))
            .replace("kafka:vwap", &format!("kafka:{rows}"));
        if here.starts_with("crossrate serve ") {
            self.serve(&format!("{here} --listen 127.0.0.1:{}", self.serving))
        } else if here.contains(" --listen ") {
            self.serve(&here)
        } else if here.starts_with("crossrate run ") && here.contains("kafka:") {
            self.fill(&here, rows)
        } else if here.contains("/v1/stream") {
            // It never ends by itself; 28 is curl's word for the end of its time.
            self.print(&format!("{here} --max-time 2 || [ $? = 28 ]"))
        } else {
            self.print(&here)
        }
    }

    /// The commands that collect from the exchange, as the pages have them, from one that is here.
    fn collect(&self) {
        let exchange = Exchange::start(1, Faults::default());
        let pages = [README, COLLECTOR].map(blocks);
        let typed: Vec<String> = pages.iter().flatten().flat_map(|block| commands(&block.text)).collect();
        let typed: Vec<&String> = typed.iter().filter(|line| line.starts_with("crossrate produce")).collect();
        assert!(typed.len() >= 4, "{typed:?}");
        for line in typed {
            let is_pipe = line.contains('|');
            let mut shell = self.shell(&if is_pipe { line.clone() } else { format!("exec {line}") });
            shell.env("CROSSRATE_ENDPOINT", &exchange.websocket).env("CROSSRATE_REST", &exchange.rest);
            let mut topic = Live::start(
                self.shell(&format!("exec kcat -C -b localhost:{} -t trades -o end -u -q", self.kafka)),
            );
            let mut live = Live::start(shell);
            if is_pipe {
                assert_eq!(live.row()["kind"], "symbol", "{line}");
                self.print(&format!("pkill -INT -P {}", live.id()));
            } else {
                // Heartbeats come, too.
                until("a trade is in the topic", || (topic.row()["e"] == "trade").then_some(()));
                signal(&live, "INT");
            }
            let (code, _, said) = live.ends();
            assert_eq!(code, 130, "{line}: {said}");
        }
    }

    /// A run that stays and fills a topic, until the topic has its last row.
    fn fill(&self, line: &str, rows: &str) -> String {
        let live = Live::start(self.shell(&format!("exec {line}")));
        let read = format!(
            "kcat -C -b localhost:{} -t {rows} -e -q -X isolation.level=read_committed || true",
            self.kafka
        );
        let printed = until("rows are in the topic", || {
            Some(self.print(&read)).filter(|printed| printed.contains("\"kind\":\"stats\""))
        });
        signal(&live, "INT");
        let (code, _, said) = live.ends();
        assert!(code == 130 && said.contains(&format!("made topic {rows}")), "{line}: {code} {said}");
        printed
    }

    /// Starts a server in the place of the one before.
    fn serve(&mut self, line: &str) -> String {
        self.server = None;
        self.server = Some(Live::start(self.shell(&format!("exec {line}"))));
        let ready = format!("curl -sf http://127.0.0.1:{}/readyz", self.serving);
        until("the server is ready", || {
            self.shell(&ready).output().expect("bash starts").status.success().then_some(())
        });
        String::new()
    }

    /// Runs a command to its end, which must be good.
    fn print(&self, line: &str) -> String {
        let output = self.shell(line).output().expect("bash starts");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{line}\n{printed}{}", String::from_utf8_lossy(&output.stderr));
        printed
    }

    fn shell(&self, line: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_crossrate")).parent().expect("a folder");
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", line]).current_dir(self.folder.path());
        crate::program::without_settings(&mut command);
        command.env("PATH", path).env("CROSSRATE_BROKERS", format!("localhost:{}", self.kafka));
        let assembled = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/kafka");
        let home = std::env::var_os("CROSSRATE_KAFKA_HOME").unwrap_or(assembled.into_os_string());
        command.env("CROSSRATE_KAFKA_HOME", home);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.server = None;
        // Also where the test has failed; what came of it then does not matter.
        let _ = self.shell("scripts/kafka stop --data broker").output();
    }
}

/// The commands of a block: without the remarks behind them, in one line each.
fn commands(block: &str) -> Vec<String> {
    let lines = block.replace("\\\n", " ");
    let lines = lines.lines().map(|line| line.split(" # ").next().unwrap_or_default().trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

/// The first of three free ones in a row: the broker has a controller and another listener behind its own.
fn three_free_ports() -> u16 {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let random = || TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr()).expect("a port").port();
    std::iter::repeat_with(random)
        .find(|port| *port < u16::MAX - 2 && free(*port) && free(port + 1) && free(port + 2))
        .expect("there are some")
}
