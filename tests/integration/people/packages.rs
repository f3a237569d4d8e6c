//! What packages, images and manifests start: a unit hears that its job is ready, and the command lines are
//! understood.

use super::{crossrate, folder, succeed};
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

const COMPOSE: &str = include_str!("../../../deploy/container/compose.yaml");
pub(crate) const KUBERNETES: &str = include_str!("../../../deploy/kubernetes/crossrate.yaml");
const UNIT: &str = include_str!("../../../deploy/systemd/crossrate@.service");
const EXAMPLE: &str = include_str!("../../../deploy/systemd/example.toml");

#[test]
fn a_unit_hears_that_its_server_is_ready_and_that_it_stops() {
    assert!(UNIT.contains("\nType=notify\n") && UNIT.contains("\nNotifyAccess=all\n"));
    let folder = folder();
    succeed(&mut crossrate(folder.path(), &["run", "trades.jsonl", "-q", "--to", "rows.jsonl"]));
    let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let hears = |word: &str| {
        let mut text = [0; 256];
        let count = socket.recv(&mut text).expect("word of the server");
        let text = String::from_utf8_lossy(&text[..count]).into_owned();
        assert!(text.lines().any(|line| line == word), "{text}");
    };
    let mut serve = crossrate(folder.path(), &["serve", "rows.jsonl", "--listen", "127.0.0.1:0"]);
    serve.env("NOTIFY_SOCKET", folder.path().join("notify")).stderr(Stdio::null());
    let mut serve = serve.spawn().expect("it starts");
    hears("READY=1");
    succeed(std::process::Command::new("kill").args(["-TERM", &serve.id().to_string()]));
    hears("STOPPING=1");
    assert_eq!(serve.wait().expect("its end").code(), Some(0));
}

/// The command line of a command in a file of YAML, that one included.
pub(crate) fn command_line(text: &str, command: &str) -> Vec<String> {
    let lists = text.lines().filter_map(|line| {
        let line = line.trim();
        line.strip_prefix("command: ").or_else(|| line.strip_prefix("args: "))
    });
    let mut lines = lists.filter_map(|list| serde_json::from_str::<Vec<String>>(list).ok());
    let found = lines.find(|words| words.first().is_some_and(|word| word == command));
    found.unwrap_or_else(|| panic!("no `{command}` in {text}"))
}

#[test]
fn command_lines_of_manifests_are_understood() {
    let folder = folder();
    std::fs::write(folder.path().join("token"), "long-enough-to-be-a-token\n").expect("written");
    std::fs::write(folder.path().join("example.toml"), EXAMPLE).expect("written");
    let of_files = [COMPOSE, KUBERNETES].map(|text| command_line(text, "run"));
    let example: Vec<String> = ["run", "--config", "example.toml"].map(str::to_owned).into();
    for line in of_files.into_iter().chain([example]) {
        let words: Vec<String> = line[1..].iter().map(|word| word.replace("/run/secrets/", "")).collect();
        let words: Vec<&str> = std::iter::once("config").chain(words.iter().map(String::as_str)).collect();
        let mut config = crossrate(folder.path(), &words);
        if line.iter().any(|word| word == "--hostfile") {
            config.env("CROSSRATE_PROCESS", "1");
        }
        let printed = succeed(&mut config);
        assert!(printed.contains("XVGUSDT"), "{words:?}: {printed}");
    }
    // The processes of the set are those of the command line and of the hosts.
    let hosts = KUBERNETES.lines().filter(|line| line.trim().ends_with(".crossrate:2101")).count();
    assert!(hosts == 3 && KUBERNETES.contains("\"-n\", \"3\"") && KUBERNETES.contains("\n  replicas: 3\n"));
}
