//! The job and the server of the Kubernetes manifest, by the command lines that stand there. Each process is
//! in a network of its own, as a pod is, and knows the brokers and the other processes by name. As root only,
//! who may make networks.

use super::heartbeat;
use super::ledger::signal;
use super::rig::{self, Broker, Live, crossrate, rows, until};
use super::trade;
use crate::needs;
use crate::people::packages::{KUBERNETES, command_line};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// What makes the networks: a bridge, where the broker is, and two ends of a wire for each pod. Mounts and
/// networks are this shell's own, so they go with it, and it goes with its standard input.
const NETWORKS: &str = r#"
mount --bind names /etc/hosts
mount -t tmpfs tmpfs /run
ip link set lo up
ip link add pods type bridge
ip address add 10.77.0.1/24 dev pods
ip link set pods up
number=10
for pod in crossrate-0 crossrate-1 crossrate-2 crossrate-server; do
  ip netns add "$pod"
  ip link add "pod$number" type veth peer name eth0 netns "$pod"
  ip link set "pod$number" master pods up
  ip -n "$pod" link set lo up
  ip -n "$pod" address add "10.77.0.$number/24" dev eth0
  ip -n "$pod" link set eth0 up
  number=$((number + 1))
done
echo there
exec cat
"#;

/// As services and the headless service tell them.
const NAMES: &str = "127.0.0.1 localhost
10.77.0.1 kafka
10.77.0.10 crossrate-0.crossrate
10.77.0.11 crossrate-1.crossrate
10.77.0.12 crossrate-2.crossrate
10.77.0.13 crossrate-server
";

struct Networks {
    shell: Child,
    /// What is mounted into pods is here.
    folder: PathBuf,
}

impl Networks {
    fn make(folder: &Path) -> Networks {
        std::fs::write(folder.join("names"), NAMES).expect("written");
        let mut shell = Command::new("unshare");
        shell.args(["--mount", "--net", "bash", "-ec", NETWORKS]).current_dir(folder);
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare starts");
        let mut said = String::new();
        BufReader::new(shell.stdout.take().expect("piped")).read_line(&mut said).expect("a line");
        needs::need("root", || said == "there\n");
        Networks { shell, folder: folder.to_owned() }
    }

    /// A program at the bridge.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--net", "--target", &self.shell.id().to_string()]).args(words);
        crate::program::without_settings(&mut command);
        command
    }

    /// A command line of the manifest, in a pod.
    fn pod(&self, name: &str, line: &[String]) -> Command {
        let mut pod = self.command(&["ip", "netns", "exec", name, env!("CARGO_BIN_EXE_crossrate")]);
        let folder = self.folder.to_str().expect("UTF-8");
        let mounted = |word: &String| {
            word.replace("/etc/crossrate/", "/run/crossrate/")
                .replace("/run/crossrate/", &format!("{folder}/"))
        };
        pod.args(line.iter().map(mounted)).stdin(Stdio::null());
        pod.stdout(Stdio::piped()).stderr(Stdio::piped());
        pod
    }

    /// The three pods of the job.
    fn job(&self, line: &[String]) -> [Live; 3] {
        [0, 1, 2].map(|index| {
            let mut pod = self.pod(&format!("crossrate-{index}"), line);
            pod.env("CROSSRATE_PROCESS", index.to_string());
            Live::start(pod)
        })
    }

    /// Gives records to a partition, and to the file that stands for it.
    fn produce(&self, partition: usize, records: &[String]) {
        let lines = records.join("\n") + "\n";
        let file = self.folder.join(format!("{partition}.jsonl"));
        let mut file = OpenOptions::new().create(true).append(true).open(file).expect("opened");
        file.write_all(lines.as_bytes()).expect("written");
        let mut kcat = self.command(&["kcat", "-P", "-b", "kafka:9092", "-t", "trades", "-p"]);
        kcat.arg(partition.to_string());
        let mut kcat = kcat.stdin(Stdio::piped()).spawn().expect("kcat starts");
        kcat.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("written");
        assert!(kcat.wait().expect("kcat ends").success());
    }

    /// What the server answers, if it is well.
    fn ask(&self, path: &str) -> Option<String> {
        let token = std::fs::read_to_string(self.folder.join("token")).expect("a token");
        let mut curl = self.command(&["curl", "-sf", "-m", "20", "-H"]);
        curl.arg(format!("Authorization: Bearer {}", token.trim()));
        curl.arg(format!("http://crossrate-server:8080{path}"));
        let Output { status, stdout, .. } = curl.output().expect("curl starts");
        status.success().then(|| String::from_utf8(stdout).expect("UTF-8"))
    }

    /// The start of a window whose cross rate the server tells, in seconds of the vector's minute.
    fn waits_for_a_rate_of(&self, second: u64) {
        let start = format!("\"start_ms\":{}", 1_525_022_000_000 + second * 1_000);
        let path = "/v1/windows?name=XVGUSDT";
        until(&start, || self.ask(path).filter(|answer| answer.contains(&start)));
    }

    /// All that is committed in the topic of rows.
    fn committed(&self) -> String {
        let words = [
            "kcat",
            "-C",
            "-e",
            "-q",
            "-b",
            "kafka:9092",
            "-t",
            "vwap",
            "-X",
            "isolation.level=read_committed",
        ];
        let output = self.command(&words).output().expect("kcat starts");
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// What the config map and the secret hold.
fn put_what_is_mounted(folder: &Path) {
    let hosts =
        KUBERNETES.split_once("  hosts: |\n").expect("the hosts").1.split_once("---").expect("an end").0;
    let hosts: String = hosts.lines().map(|line| line.trim().to_owned() + "\n").collect();
    for (name, text) in [
        ("hosts", hosts.as_str()),
        ("cluster", "the secret of the three"),
        ("token", "the-token-of-them-all"),
    ] {
        std::fs::write(folder.join(name), text).expect("written");
    }
}

#[test]
#[ignore = "needs Java, kcat, curl and root"]
fn pods_of_the_manifest_meet_by_name_end_together_and_go_on_where_they_were() {
    rig::needed();
    ["ip", "kcat", "curl"].into_iter().for_each(needs::program);
    let folder = tempfile::tempdir().expect("a folder");
    put_what_is_mounted(folder.path());
    let networks = Networks::make(folder.path());
    let broker = Broker::of(networks.command(&[
        concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka"),
        "serve",
        "--port",
        "9092",
        "--set",
        "listeners=PLAINTEXT://:9092,CONTROLLER://127.0.0.1:9093",
        "--set",
        "advertised.listeners=PLAINTEXT://kafka:9092",
        "--set",
        "num.partitions=3",
    ]));
    let (job, server) = (command_line(KUBERNETES, "run"), command_line(KUBERNETES, "serve"));

    networks.produce(0, &[trade("BTCUSDT", 1, 1.0), trade("BTCUSDT", 2, 12.0), heartbeat(16.0)]);
    networks.produce(1, &[trade("XVGBTC", 1, 2.0), heartbeat(16.0)]);
    networks.produce(2, &[heartbeat(16.0)]);
    let pods = networks.job(&job);
    // Kubernetes starts it again until the job has made the topic of the rows.
    until("rows", || networks.committed().contains("1525022010000").then_some(()));
    let server = Live::start(networks.pod("crossrate-server", &server));
    networks.waits_for_a_rate_of(0);
    for probe in KUBERNETES.split("httpGet: { path: ").skip(1).filter_map(|rest| rest.split(',').next()) {
        until(probe, || networks.ask(probe));
    }

    // One is asked to end, as when its machine is drained.
    signal(&pods[1], "TERM");
    for (index, (code, _, said)) in pods.map(Live::ends).into_iter().enumerate() {
        let knows_why = said.contains("process 1 (crossrate-1.crossrate:2101) was interrupted");
        let is_asked = index == 1;
        let expected = if is_asked { 0 } else { 130 };
        assert!(code == expected && knows_why != is_asked, "process {index}, {code}: {said}");
    }

    let pods = networks.job(&job);
    networks.produce(1, &[trade("XVGBTC", 2, 17.0), heartbeat(30.0)]);
    networks.produce(0, &[trade("BTCUSDT", 3, 21.0), heartbeat(30.0)]);
    networks.produce(2, &[heartbeat(30.0)]);
    networks.waits_for_a_rate_of(10);
    let mut of_files = crossrate(["run", "--window", "10s"]);
    of_files.args([0, 1, 2].map(|partition| folder.path().join(format!("{partition}.jsonl"))));
    let (expected, committed) = (rows(of_files), networks.committed());
    assert!(committed.lines().count() >= 8 && expected.starts_with(&committed), "{committed}\n{expected}");

    // All are asked, one after the other: none takes the second request for its own second one.
    pods.iter().for_each(|pod| signal(pod, "TERM"));
    for (index, (code, _, said)) in pods.map(Live::ends).into_iter().enumerate() {
        assert_eq!(code, 0, "process {index}: {said}");
    }
    drop(server);
    broker.stop();
}
