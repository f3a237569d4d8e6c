//! The first minutes with Kafka of `docs/start.md`, as they are typed there, with a broker that `scripts/kafka start` starts.

use crate::readme::{START, blocks};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

const TRADES: &str = r#"{"e":"trade","s":"XVGBTC","t":1,"p":"0.00000873","q":"3134","T":1525022020990}
{"e":"trade","s":"BTCUSDT","t":2,"p":"8888.1512","q":"0.01937446","T":1525022020361}
{"e":"heartbeat","T":1525022036000}
"#;

#[test]
#[ignore = "needs Java and kcat"]
fn five_minutes_with_kafka() {
    super::rig::needed();
    crate::needs::program("kcat");
    let folder = tempfile::tempdir().expect("a folder");
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::os::unix::fs::symlink(project.join("scripts"), folder.path().join("scripts")).expect("linked");
    std::fs::write(folder.path().join("trades.jsonl"), TRADES).expect("written");
    // The port of the page may be somebody's, and its last command would stay for ever.
    let port = free_port();
    let typed = blocks(START).into_iter().find(|block| block.text.contains("scripts/kafka start"));
    let mut script = typed.expect("the page starts a broker").text;
    for (said, meant) in [
        ("scripts/kafka start", format!("scripts/kafka start --data broker --port {port}")),
        ("kcat -P", "kcat -P".to_owned()),
        ("localhost:9092", format!("localhost:{port}")),
        ("run --window 10s --to kafka:vwap", "run -e --window 10s --to kafka:vwap".to_owned()),
        ("scripts/kafka stop", "scripts/kafka stop --data broker".to_owned()),
    ] {
        assert!(script.contains(said), "the page does not say {said}");
        script = script.replace(said, &meant);
    }
    let script = format!("trap 'scripts/kafka stop --data broker' EXIT\n{script}");
    let program = Path::new(env!("CARGO_BIN_EXE_crossrate")).parent().expect("a folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &script]).current_dir(folder.path());
    crate::program::without_settings(&mut command);
    command.env("PATH", path).env("CROSSRATE_BROKERS", format!("localhost:{port}"));
    command.env("CROSSRATE_KAFKA_HOME", project.join("target/kafka"));
    let output = command.stdin(Stdio::null()).output().expect("bash starts");
    let (printed, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}\n{printed}{complaint}");
    let mut from_file = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    from_file.args(["run", "trades.jsonl", "--window", "10s", "-q"]).current_dir(folder.path());
    let rows = String::from_utf8(from_file.output().expect("it runs").stdout).expect("rows");
    // Once by one process and once by two, behind the address of the broker.
    assert!(
        rows.lines().count() == 4 && printed.ends_with(&rows.repeat(2)),
        "{printed}{complaint}\nof\n{rows}"
    );
    assert!(complaint.contains("made topic vwap"), "{complaint}");
}

/// Of three free ones in a row: the broker has a controller and another listener behind its own.
fn free_port() -> u16 {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let random = || TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr()).expect("a port").port();
    std::iter::repeat_with(random)
        .find(|port| *port < u16::MAX - 2 && free(*port) && free(port + 1) && free(port + 2))
        .expect("there are some")
}
