//! The command line as its users meet it: the program itself, without a network. What each text may hold is
//! tested beside `src/cli/values.rs`; here it is what the process says and how it ends.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn crossrate<I: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossrate"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    crate::program::without_settings(&mut command);
    command
}

fn end(mut command: Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (status.code().expect("it ends by itself"), text(stdout), text(stderr))
}

/// What `crossrate config --json` says, by setting: the value and where it came from.
fn settings(mut command: Command) -> BTreeMap<String, (serde_json::Value, String)> {
    let (code, stdout, stderr) = end({
        command.arg("--json");
        command
    });
    assert_eq!((code, stderr.as_str()), (0, ""));
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("a JSON object");
    let lines = report["settings"].as_array().expect("a list");
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    lines.iter().map(|line| (text(&line["name"]), (line["value"].clone(), text(&line["source"])))).collect()
}

#[test]
fn usage_errors_name_the_flag_what_was_given_and_what_would_be_right() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.jsonl"), "").expect("written");
    std::fs::write(folder.path().join("legs.toml"), "[crosses]\nA = \"B*C\"\nB = \"C\"\n").expect("written");
    std::fs::write(folder.path().join("kafka.properties"), "# mine\nclient.id=a\nacks=1\n").expect("written");
    #[cfg(unix)]
    std::os::unix::fs::symlink("a.jsonl", folder.path().join("link.jsonl")).expect("linked");
    let cases: &[(&str, &[&str])] = &[
        ("--window 0s", &["--window", "\"0s\"", "above zero"]),
        ("--window 30", &["--window", "\"30\"", "one unit", "did you mean 30s?"]),
        ("--window 1h30m", &["--window", "did you mean 90m?"]),
        ("--window 9000h", &["--window", "8760h"]),
        ("--window 10s --slide 20s", &["--slide", "20s with a window of 10s", "did you mean 10s?"]),
        ("--window 1m --slide 25s", &["--slide", "divides the window", "did you mean 20s?"]),
        ("--window 1h --slide 1ms", &["--slide", "100000 slides", "36ms"]),
        ("--window 1500ms --slide 1s", &["--slide", "did you mean 750ms?"]),
        ("--slide 0s", &["--slide", "above zero"]),
        (
            "--to rows.jsonl --dead-letter rows.jsonl.recovery",
            &["--dead-letter", "--to", "does not name too"],
        ),
        ("--tick 0s", &["--tick", "above zero"]),
        ("--delay -5s", &["--delay", "\"-5s\""]),
        ("--delay=-5s", &["--delay", "\"-5s\""]),
        ("--idle-timeout never", &["--idle-timeout", "or off"]),
        ("--idle-timeout 0s", &["--idle-timeout", "did you mean off?"]),
        ("--emit finl", &["--emit", "final or changes", "did you mean final?"]),
        ("--at-end kep", &["--at-end", "close or keep", "did you mean keep?"]),
        ("--price-decimals 19", &["--price-decimals", "\"19\"", "0 to 18"]),
        ("--quantity-decimals 2.5", &["--quantity-decimals", "0 to 18"]),
        ("--fill prev", &["--fill", "none, null or previous"]),
        ("--missing-leg carrry", &["--missing-leg", "null, carry or withhold", "did you mean carry?"]),
        ("--dedup on", &["--dedup", "partition or off"]),
        ("--progress sometimes", &["--progress", "auto, always or never"]),
        ("--rows symbols", &["--rows", "symbol,cross,stats,basis", "did you mean symbol?"]),
        ("--stats-last 0", &["--stats-last", "\"0\"", "from 1"]),
        ("-w 0", &["-w/--threads", "\"0\"", "from 1 to 1024"]),
        ("-w 1025", &["-w/--threads", "1024"]),
        ("-w two", &["-w/--threads", "\"two\""]),
        ("-n 0", &["-n/--processes", "from 1"]),
        ("-p 0", &["-p/--process", "-n N"]),
        ("-n 2 -p 2", &["-p/--process", "from 0 to 1", "-n is 2"]),
        ("-n 2 -p -1", &["-p/--process", "\"-1\""]),
        ("--hostfile hosts", &["--hostfile", "-n N"]),
        ("--cluster-secret-file secret", &["--cluster-secret-file", "-n N"]),
        ("-n 2 --hostfile hosts", &["--hostfile", "no -p", "-p I"]),
        ("-n 2 --cluster-secret-file secret", &["--cluster-secret-file", "no -p", "-p I"]),
        ("--cross XVGUSDT", &["--cross", "NAME=LEG*LEG", "there is no ="]),
        ("--cross A=B", &["--cross", "one leg only"]),
        ("--cross XVGUSDT=XVGBTC*", &["--cross", "leg 2 is empty"]),
        ("--cross =A*B", &["--cross", "the name is empty"]),
        ("--cross A=B*C --cross A=C*B", &["--cross", "A=C*B", "A=B*C already"]),
        ("--crosses legs.toml", &["legs.toml:3", "B=C", "one leg only"]),
        ("--crosses none.toml", &["--crosses", "none.toml", "can be read"]),
        ("--symbols A,,B", &["--symbols", "A,,B", "empty"]),
        ("--symbols all,A", &["--symbols", "all stands alone"]),
        ("--symbol= a.jsonl", &["--symbol"]),
        ("--to kafka:", &["--to", "\"kafka:\"", "kafka:TOPIC"]),
        ("--to kafka", &["--to", "the topic is missing"]),
        ("--to kafak:vwap", &["--to", "did you mean kafka:vwap?"]),
        ("--to sqlit:rows.db", &["--to", "did you mean sqlite:rows.db?"]),
        ("--to stdout --to stdout", &["--to", "stdout twice"]),
        ("--to out --to ./out", &["--to", "./out"]),
        ("--to out --summary out", &["--summary", "--to"]),
        ("--to out --dead-letter out", &["--dead-letter", "--to"]),
        ("--to kafka:trades", &["--to", "kafka:trades", "-t/--topic"]),
        ("--to kafka:a --dead-letter kafka:a", &["--dead-letter", "--to"]),
        ("a.jsonl --to a.jsonl", &["--to", "a.jsonl", "--from"]),
        #[cfg(unix)]
        ("a.jsonl --dead-letter link.jsonl", &["--dead-letter", "link.jsonl", "--from"]),
        ("--dead-letter stdout", &["--dead-letter", "a file, or kafka:TOPIC"]),
        ("--from kafka a.jsonl", &["--from", "kafka stands alone"]),
        ("--from kakfa", &["--from", "did you mean kafka?"]),
        ("--from - -", &["--from", "- is there twice"]),
        ("a.jsonl -o end", &["-o/--offset", "--from kafka"]),
        ("a.jsonl -e", &["-e/--exit-at-end", "--from kafka"]),
        ("a.jsonl -t trades", &["-t/--topic", "\"trades\"", "--from kafka"]),
        ("a.jsonl -b localhost:9092", &["-b/--brokers", "--from kafka"]),
        ("a.jsonl -X client.id=a", &["-X/--property", "--from kafka"]),
        ("-o yesterday", &["-o/--offset", "\"yesterday\"", "milliseconds since the epoch"]),
        ("-o -5", &["-o/--offset", "\"-5\"", "from the beginning"]),
        ("-o @1525022020", &["-o/--offset", "did you mean @1525022020000?"]),
        ("-t a/b", &["-t/--topic", "A-Z a-z 0-9"]),
        ("-b localhost:port", &["-b/--brokers", "host:port"]),
        ("-X isolation.level=read_uncommitted", &["-X/--property", "read_committed", "aborted"]),
        ("-X transactional.id=me", &["-X/--property", "transactional.id", "--name"]),
        ("-X group.id=me", &["-X/--property", "group.id", "consumer group"]),
        ("-X enable.auto.commit=true", &["-X/--property", "checkpoint"]),
        ("-X auto.offset.reset=latest", &["-X/--property", "-o"]),
        ("-X client.id", &["-X/--property", "KEY=VALUE"]),
        ("--kafka-config kafka.properties", &["kafka.properties:3", "acks=1", "acks=all"]),
        ("--kafka-config none.properties", &["--kafka-config", "none.properties"]),
        ("--config none.toml", &["--config", "none.toml", "can be read"]),
        ("--name a/b", &["--name", "\"a/b\""]),
        ("-q -v", &["-v/--verbose", "-q and -v", "one of them"]),
        ("--batch-records 0", &["--batch-records", "from 1 to 1048576"]),
        ("--windw 10s", &["--windw", "--window"]),
        ("--window", &["--window"]),
        ("--window 60s --window 1m", &["--window", "1m again", "each window once"]),
        ("--window 2d", &["--window", "1d, 1w or 1mo", "did you mean 1d?"]),
        ("--window 1d@Berlin", &["--window", "IANA", "did you mean 1d@Europe/Berlin?"]),
        ("--window 1m/25s", &["--window", "divides the window", "did you mean 1m/20s?"]),
        ("--window anchored:1d", &["--window", "anchored:PERIOD/STEP", "did you mean anchored:1d/1m?"]),
        ("--window anchored:1h/2h", &["--window", "no longer than the period"]),
        ("--window 10s --window 1m --slide 5s", &["--slide", "--window SIZE/5s"]),
        ("--time-zone europe/berln", &["--time-zone", "Europe/Berlin"]),
    ];
    for (line, fragments) in cases {
        for command in ["run", "config"] {
            let arguments = std::iter::once(command).chain(line.split_whitespace());
            let (code, stdout, stderr) = end(crossrate(folder.path(), arguments));
            assert_eq!((code, stdout.as_str()), (2, ""), "{command} {line}: {stderr}");
            assert!(stderr.starts_with("crossrate: error: "), "{command} {line}: {stderr}");
            for fragment in *fragments {
                assert!(stderr.contains(fragment), "{command} {line}: {stderr} lacks {fragment}");
            }
        }
    }
    for (line, fragment) in
        [("--speed 0", "or max"), ("--from a.jsonl", "--from"), ("--duration 0s", "above zero")]
    {
        let (code, _, stderr) = end(crossrate(folder.path(), ["demo"].into_iter().chain(line.split(' '))));
        assert!(code == 2 && stderr.contains(fragment), "demo {line}: {code} {stderr}");
    }
}

#[test]
fn a_summary_that_cannot_be_written_is_told_before_the_first_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let trade = r#"{"e":"trade","s":"BTCUSDT","t":1,"p":"1","q":"1","T":1525022020000}"#;
    std::fs::write(folder.path().join("a.jsonl"), trade).expect("written");
    for (place, why) in [("none/s.json", "No such file"), (".", "directory")] {
        let (code, stdout, stderr) = end(crossrate(folder.path(), ["run", "a.jsonl", "--summary", place]));
        assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
        assert!(stderr.contains(why) && stderr.contains("hint: name a file"), "{stderr}");
    }
    // What was there stays until there is something to say; what was not there is not made.
    std::fs::write(folder.path().join("s.json"), "of yesterday").expect("written");
    for place in ["s.json", "new.json"] {
        let run = crossrate(folder.path(), ["run", "a.jsonl", "none.jsonl", "--summary", place]);
        assert_eq!(end(run).0, 3);
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("s.json")).expect("read"), "of yesterday");
    assert!(!folder.path().join("new.json").exists());
}

#[test]
fn a_flag_is_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = "window = \"1m\"\ndelay = \"1s\"\n\n# A list is taken whole.\ncross = [\"A=B*C\", \"D=E/F\"]\nthreads = 3\nstrict = true\nverbose = true\n";
    std::fs::write(folder.path().join("job.toml"), file).expect("written");
    let mut command = crossrate(
        folder.path(),
        [
            "config",
            "--config",
            "job.toml",
            "--slide",
            "5s",
            "--no-strict",
            "--from",
            "b",
            "a",
            "--grace",
            "1s",
            "c",
        ],
    );
    command.env("CROSSRATE_DELAY", "2s").env("CROSSRATE_SLIDE", "2s").env("CROSSRATE_QUIET", "1");
    command.env("CROSSRATE_SYMBOLS", "").env("CROSSRATE_TO", "stdout rows.jsonl");
    let settings = settings(command);
    let cases = [
        ("window", serde_json::json!(["1m"]), "job.toml:1"),
        ("delay", "2s".into(), "environment CROSSRATE_DELAY"),
        ("slide", "5s".into(), "flag --slide"),
        ("strict", "false".into(), "flag --strict"),
        ("cross", serde_json::json!(["A=B*C", "D=E/F"]), "job.toml:5"),
        ("threads", "3".into(), "job.toml:6"),
        ("quiet", "1".into(), "environment CROSSRATE_QUIET"),
        ("from", serde_json::json!(["b", "a", "c"]), "flag --from"),
        ("to", serde_json::json!(["stdout", "rows.jsonl"]), "environment CROSSRATE_TO"),
        ("config", "job.toml".into(), "flag --config"),
        ("grace", "1s".into(), "flag --grace"),
        ("symbols", serde_json::Value::Null, "default"),
        ("tick", "250ms".into(), "default"),
    ];
    for (name, value, source) in cases {
        assert_eq!(settings[name], (value, source.to_owned()), "{name}");
    }
}

#[test]
fn every_setting_may_stand_in_a_file_and_in_the_environment() {
    let folder = tempfile::tempdir().expect("a folder");
    let defaults = settings(crossrate(folder.path(), ["config"]));
    assert!(defaults.len() > 40, "{}", defaults.len());
    // Values that differ from the default where that must be shown, else the default itself.
    let other = BTreeMap::from([
        ("offset", "end"),
        ("property", "client.id=a"),
        ("kafka-config", "p"),
        ("registry", "http://a"),
        ("registry-user", "u"),
        ("symbol", "A"),
        ("slide", "10s"),
        ("max-carry", "5m"),
        ("fill", "null"),
        ("max-fill", "5m"),
        ("symbols", "A,B"),
        ("cross", "A=B*C"),
        ("crosses", "c"),
        ("changes", "l"),
        ("basis", "X"),
        ("quote", "USDT"),
        ("pairs", "q"),
        ("rate-metrics", "5"),
        ("dead-letter", "d"),
        ("summary", "s"),
        ("process", "0"),
        ("hostfile", "h"),
        ("cluster-secret-file", "s2"),
        ("listen", "127.0.0.1:8080"),
        ("history", "2h"),
        ("token-file", "t"),
        ("allow-origin", "https://a.example"),
    ]);
    std::fs::write(folder.path().join("p"), "").expect("written");
    std::fs::write(folder.path().join("q"), "symbol,base,quote\n").expect("written");
    std::fs::write(folder.path().join("l"), r#"{"log":[]}"#).expect("written");
    std::fs::write(folder.path().join("c"), "[crosses]\nX = \"Y*Z\"\n").expect("written");
    for (name, (default, _)) in &defaults {
        if name == "config" {
            continue;
        }
        let value = match (other.get(name.as_str()), default) {
            (Some(value), _) => (*value).to_owned(),
            (None, serde_json::Value::Array(texts)) => texts[0].as_str().expect("a text").to_owned(),
            (None, value) => value.as_str().expect("a text, or an example above").to_owned(),
        };
        let variable = format!("CROSSRATE_{}", name.to_uppercase().replace('-', "_"));
        // Some settings ask for the number of processes beside them, or for the index of this one, one for a
        // cross.
        let beside = match name.as_str() {
            "basis" => Some(("CROSSRATE_CROSS", "X=Y*Z")),
            "max-fill" => Some(("CROSSRATE_FILL", "null")),
            "pairs" | "quote-assets" | "path-every" | "path-lookback" => Some(("CROSSRATE_QUOTE", "USDT")),
            _ => None,
        };
        let mut by_environment = crossrate(folder.path(), ["config"]);
        by_environment.envs(beside);
        by_environment.env("CROSSRATE_PROCESSES", "1").env("CROSSRATE_PROCESS", "0").env(&variable, &value);
        let found = settings(by_environment);
        assert_eq!(found[name].1, format!("environment {variable}"), "{name}");

        let switch = matches!(value.as_str(), "true" | "false");
        let line = if switch { format!("{name} = {value}\n") } else { format!("{name} = {value:?}\n") };
        std::fs::write(folder.path().join("one.toml"), line).expect("written");
        let mut by_file = crossrate(folder.path(), ["config", "--config", "one.toml"]);
        by_file.envs(beside);
        for (needed, value) in [("processes", "1"), ("process", "0")] {
            if name != needed && name != "processes" {
                by_file.env(format!("CROSSRATE_{}", needed.to_uppercase()), value);
            }
        }
        let found_in_file = settings(by_file);
        assert_eq!(found_in_file[name], (found[name].0.clone(), "one.toml:1".to_owned()), "{name}");
    }
}

#[test]
fn a_file_is_read_strictly() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases = [
        ("windw = \"10s\"\n", &["job.toml:1", "\"windw\"", "did you mean window?"][..]),
        ("\nwindow = 10\n", &["job.toml:2", "window", "did you mean 10s?"]),
        ("window = \"10s\"\nstrict = \"yes\"\n", &["job.toml:2", "strict", "true or false"]),
        ("threads = [1, 2]\n", &["job.toml:1", "threads"]),
        ("cross = []\n", &["job.toml:1", "cross", "empty list"]),
        ("window = \n", &["job.toml:1", "TOML"]),
        ("config = \"other.toml\"\n", &["job.toml:1", "\"config\""]),
        ("[run]\nwindow = \"10s\"\n", &["job.toml:1", "\"run\""]),
    ];
    for (file, fragments) in cases {
        std::fs::write(folder.path().join("job.toml"), file).expect("written");
        let (code, _, stderr) = end(crossrate(folder.path(), ["run", "--config", "job.toml"]));
        assert_eq!(code, 2, "{file}: {stderr}");
        for fragment in fragments {
            assert!(stderr.contains(fragment), "{file}: {stderr} lacks {fragment}");
        }
    }
}

#[test]
fn an_environment_error_names_the_variable_and_a_slip_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = crossrate(folder.path(), ["config"]);
    command.env("CROSSRATE_EMIT", "chnges");
    let (code, _, stderr) = end(command);
    assert!(code == 2 && stderr.contains("CROSSRATE_EMIT: got \"chnges\""), "{code} {stderr}");
    let mut command = crossrate(folder.path(), ["config"]);
    command.env("CROSSRATE_WINDWO", "10s").env("CROSSRATE_SOMETHING_ELSE", "1");
    let (code, _, stderr) = end(command);
    assert_eq!(code, 0);
    assert!(
        stderr.contains("CROSSRATE_WINDWO") && stderr.contains("did you mean CROSSRATE_WINDOW?"),
        "{stderr}"
    );
    assert!(!stderr.contains("SOMETHING_ELSE"), "{stderr}");
}

#[test]
fn a_standing_setting_of_kafka_does_not_forbid_to_read_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("job.toml"), "topic = \"t\"\nexit-at-end = true\n").expect("written");
    let mut command = crossrate(folder.path(), ["config", "--config", "job.toml", "a.jsonl"]);
    command.env("CROSSRATE_BROKERS", "kafka:9092");
    let (code, _, stderr) = end(command);
    assert_eq!((code, stderr.as_str()), (0, ""));
    // Beside the files it is a contradiction.
    std::fs::write(folder.path().join("job.toml"), "topic = \"t\"\nfrom = [\"a.jsonl\"]\n").expect("written");
    let (code, _, stderr) = end(crossrate(folder.path(), ["config", "--config", "job.toml"]));
    assert!(code == 2 && stderr.contains("job.toml:1: topic"), "{code} {stderr}");
}

#[test]
fn the_report_shows_no_secret_and_where_each_property_came_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = "bootstrap.servers=broker:9093\nsasl.password=hunter2\nclient.id = me\nacks=all\n";
    std::fs::write(folder.path().join("kafka.properties"), file).expect("written");
    let arguments = [
        "config",
        "--kafka-config",
        "kafka.properties",
        "-X",
        "ssl.key.password=hunter2",
        "-X",
        "client.id=other",
    ];
    let (code, text, stderr) = end(crossrate(folder.path(), arguments));
    assert_eq!((code, stderr.as_str()), (0, ""));
    let (_, json, _) = end(crossrate(folder.path(), arguments.into_iter().chain(["--json"])));
    for output in [&text, &json] {
        assert!(!output.contains("hunter2"), "{output}");
    }
    let report: serde_json::Value = serde_json::from_str(&json).expect("a JSON object");
    assert_eq!(
        report["properties"],
        serde_json::json!([
            {"name": "client.id", "value": "other", "source": "-X/--property"},
            {"name": "sasl.password", "value": "(hidden)", "source": "kafka.properties:2"},
            {"name": "ssl.key.password", "value": "(hidden)", "source": "-X/--property"},
        ])
    );
    assert_eq!(report["effective"]["brokers"], "broker:9093");
}

#[test]
fn config_prints_every_setting_as_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, text, stderr) = end(crossrate(
        folder.path(),
        ["config", "--window", "1m", "--slide", "10s", "--cross", "A=B/C", "-w", "2"],
    ));
    assert_eq!((code, stderr.as_str()), (0, ""));
    for line in [
        "window               1m                    flag --window",
        "threads              2                     flag -w/--threads",
        "cross                A=B/C                 flag --cross",
        "slide                10s                   flag --slide",
        "offset               (the checkpoint, else beginning)",
        "symbols              B,C",
        "max-drift            1m",
        "windows              1m/10s",
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(
            text.lines().any(|found| found.split_whitespace().take(words.len()).eq(words.iter().copied())),
            "{line} is not in\n{text}"
        );
    }
}

#[test]
fn the_help_lists_what_there_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, help, stderr) = end(crossrate(folder.path(), ["run", "-h"]));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(end(crossrate(folder.path(), ["run", "--help"])).1, help);
    for heading in ["Input:", "Windows:", "Crosses:", "Output:", "Job:", "Cluster:", "Logging:", "Examples:"]
    {
        assert!(help.lines().any(|line| line == heading), "{heading}");
    }
    for (name, (default, _)) in settings(crossrate(folder.path(), ["config"])) {
        let shown = help.contains(&format!("--{name}"));
        assert_eq!(shown, name != "batch-records", "--{name}");
        if let (true, serde_json::Value::String(default)) = (shown, default) {
            let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                ["false", "true"].contains(&default.as_str())
                    || flat.contains(&format!("[default: {default}]")),
                "{name}: {default}"
            );
        }
    }
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    assert!(!help.contains('\u{1b}'), "no colours into a pipe");
    let (code, help, _) = end(crossrate(folder.path(), ["-h"]));
    assert_eq!(code, 0);
    for command in ["run", "demo", "config", "bench", "completions", "man"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
    }
    assert!(!help.contains("plain-loop"), "{help}");
    let (code, stdout, stderr) = end(crossrate(folder.path(), [""; 0]));
    assert!(code == 2 && stdout.is_empty() && stderr.contains("Usage: crossrate"), "{code} {stderr}");
    let (code, stdout, _) = end(crossrate(folder.path(), ["-V"]));
    assert_eq!((code, stdout), (0, format!("crossrate {}\n", env!("CARGO_PKG_VERSION"))));
    let (code, stdout, _) = end(crossrate(folder.path(), ["--version"]));
    let mut lines = stdout.lines();
    assert_eq!((code, lines.next()), (0, Some(concat!("crossrate ", env!("CARGO_PKG_VERSION")))), "{stdout}");
    let told: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
    let names: Vec<&str> = told.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["commit", "features", "librdkafka", "time zone database"]);
    assert!(told[2].1.starts_with(|c: char| c.is_ascii_digit()) && told[3].1.starts_with("20"), "{told:?}");
    for feature in ["parquet", "top", "avro", "protobuf"] {
        let is_in = match feature {
            "parquet" => cfg!(feature = "parquet"),
            "top" => cfg!(feature = "top"),
            "avro" => cfg!(feature = "avro"),
            _ => cfg!(feature = "protobuf"),
        };
        assert_eq!(told[1].1.split(", ").any(|told| told == feature), is_in, "{feature}");
    }
    // Help by a word, of the program and of a command.
    let help = |words: &[&str]| end(crossrate(folder.path(), words.iter().copied()));
    assert_eq!(help(&["help", "run"]), help(&["run", "--help"]));
    assert_eq!(help(&["help"]), help(&["--help"]));
    let (code, _, said) = help(&["help", "rnu"]);
    assert!(code == 2 && said.contains("rnu"), "{said}");
}

#[test]
fn a_bench_says_on_what_it_ran() {
    let folder = tempfile::tempdir().expect("a folder");
    let lock = include_str!("../../Cargo.lock");
    let line = ["bench", "--trades", "2000", "--partitions", "2", "--rounds", "1", "-w", "1"];
    let (code, report, said) = end(crossrate(folder.path(), line.iter().chain(&["--json"])));
    assert_eq!((code, said.as_str()), (0, ""));
    let report: serde_json::Value = serde_json::from_str(&report).expect("a JSON object");
    assert_eq!((&report["records"], report["figures"].as_array().expect("a list").len()), (&2_000.into(), 2));
    assert!(report["cores"].as_u64() > Some(0), "{report}");
    let version = |name: &str| report["made_of"][name].as_str().unwrap_or_else(|| panic!("{name}: {report}"));
    let (_, table, _) = end(crossrate(folder.path(), line));
    for name in ["timely", "differential-dataflow"] {
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{}\"\n", version(name))), "{report}");
        assert!(table.contains(&format!("{name} {}, ", version(name))), "{table}");
    }
    assert!(version("rustc").split('.').count() >= 3 && table.contains(version("rustc")), "{report} {table}");
}

#[test]
fn a_bench_says_what_it_cannot_read_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.gz"), b"\x1f\x8b\x08").expect("written");
    std::fs::write(folder.path().join("BTCUSDT-trades-2024-08-08.csv"), "1,2,3,4,1525022020000,true,true\n")
        .expect("written");
    for (file, code, words) in [
        ("none.jsonl", 3, "error: cannot open none.jsonl: No such file"),
        (".", 3, "is a directory"),
        ("a.gz", 3, "cannot read a.gz"),
        ("BTCUSDT-trades-2024-08-08.csv", 2, "BTCUSDT-trades-2024-08-08.csv holds no JSON lines"),
    ] {
        let (found, _, said) = end(crossrate(folder.path(), ["bench", file, "--rounds", "1"]));
        assert!(found == code && said.contains(words) && said.contains("hint: "), "{file}: {found} {said}");
    }
    for signal in ["-INT", "-TERM"] {
        for pause in [0, 40, 400] {
            let mut command = crossrate(folder.path(), ["bench", "--trades", "300000", "--rounds", "1000"]);
            let mut child =
                command.env("TMPDIR", folder.path()).stdout(Stdio::null()).spawn().expect("it starts");
            // Its first files are there.
            let made = || std::fs::read_dir(folder.path()).expect("a folder").count() > 2;
            while !made() {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            std::thread::sleep(std::time::Duration::from_millis(pause));
            let id = child.id().to_string();
            Command::new("kill").args([signal, &id]).status().expect("kill is there");
            assert_eq!(child.wait().expect("it ends").code(), Some(130), "{signal} after {pause} ms");
            assert!(!made(), "{signal} after {pause} ms left files behind");
        }
    }
}

#[test]
fn a_place_that_may_hold_a_password_is_not_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    for (line, word) in [
        (&["run", "postgres://me:hunter2@db/x"][..], "expected a file"),
        (&["run", "-q", "kafka", "https://me:hunter2@db/x"], "expected a file"),
        (&["replay", "postgres://me:hunter2@db/x"], "expected a file"),
        (&["query", "select 1", "postgres://me:hunter2@db/x"], "psql"),
        (&["query", "select 1", "--server", "http://me:hunter2@host"], "--token-file"),
        (&["query", "select 1", "--server", "me:hunter2@host"], "--token-file"),
    ] {
        let (code, _, said) = end(crossrate(folder.path(), line));
        assert!(code == 2 && said.contains(word) && !said.contains("hunter2"), "{line:?}: {code} {said}");
    }
}

#[test]
fn a_question_about_a_folder_without_rows_names_what_has_them() {
    let folder = tempfile::tempdir().expect("a folder");
    for (place, words) in [
        (".", "cannot read .: it is a folder, and no files by day are in it"),
        ("csv:.", "cannot read .: it is a folder, and no files by day are in it"),
        ("parquet:days", "cannot read days"),
    ] {
        let (code, _, said) = end(crossrate(folder.path(), ["query", "select 1", place]));
        assert!(code == 3 && said.contains(words), "{code} {said}");
        assert!(said.contains("hint: ") && said.contains("csv:FOLDER"), "{said}");
    }
}

#[test]
fn who_wants_errors_only_gets_no_warnings() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.jsonl"), "").expect("written");
    let line = ["run", "a.jsonl", "--symbols", "A,B", "--cross", "A=B*C"];
    assert!(end(crossrate(folder.path(), line)).2.contains("names a symbol"));
    assert_eq!(end(crossrate(folder.path(), line.iter().chain(&["-q"]))), (0, String::new(), String::new()));
}

#[test]
fn what_is_probably_a_slip_is_warned_of_once() {
    let folder = tempfile::tempdir().expect("a folder");
    for (flags, words) in [
        ("--cross BTCUSDT=A*B --symbols BTCUSDT", "BTCUSDT names a symbol that gets rows too"),
        ("--cross A=B*C --cross B=A*C", "A, B each name a symbol"),
        ("--max-fill 1m", "--max-fill: without --fill nothing is filled"),
        ("--fill null --rows cross", "--fill: without rows of symbols none is filled"),
        (
            "--fill null --window anchored:all/1m",
            "--fill: no window is filled, since all of them are anchored",
        ),
        ("-w 500", "500 workers, and this machine gives the program"),
        ("-n 2 -w 100", "2 processes of 100 make 200 workers"),
    ] {
        // Where there is no input nothing begins, and warnings come before that.
        let words_of_run = ["run", "none.jsonl"].into_iter().chain(flags.split(' '));
        let (_, rows, stderr) = end(crossrate(folder.path(), words_of_run));
        assert!(rows.is_empty() && stderr.matches(words).count() == 1, "{flags}: {stderr}");
    }
}

#[test]
fn completions_know_the_flags() {
    let folder = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = end(crossrate(folder.path(), ["completions", shell]));
        assert!(code == 0 && script.contains("missing-leg"), "{shell}");
    }
}

#[test]
fn manual_pages_know_the_flags() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, page, _) = end(crossrate(folder.path(), ["man"]));
    assert!(code == 0 && page.contains(".TH crossrate 1") && page.contains("crossrate\\-run"), "{page}");
    let (code, page, _) = end(crossrate(folder.path(), ["man", "run"]));
    assert!(code == 0 && page.contains(".TH crossrate-run 1") && page.contains("missing\\-leg"), "{page}");
    let (code, _, said) = end(crossrate(folder.path(), ["man", "walk"]));
    assert!(code == 2 && said.contains("expected one of run, demo"), "{said}");
}

#[test]
fn a_reader_that_went_away_ends_us_quietly() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [&["run", "-h"][..], &["config"], &["config", "--json"], &["completions", "bash"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = crossrate(folder.path(), arguments);
        command.stdout(writer);
        let (code, _, stderr) = end(command);
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

/// What is said to people may not be heard: a full disk, a reader that has gone. The work goes on.
#[test]
#[cfg(target_os = "linux")]
fn nobody_to_hear_is_no_reason_to_end() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.jsonl"), "{\"e\":\"heartbeat\",\"T\":1525022020990}\n")
        .expect("written");
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("it is there").into();
    let (reader, gone) = std::io::pipe().expect("a pipe");
    drop(reader);
    for heard in [std::process::Stdio::from(gone), full()] {
        let mut command = crossrate(folder.path(), ["run", "a.jsonl", "-v", "--to", "rows.jsonl"]);
        let status = command.stderr(heard).status().expect("it starts");
        assert_eq!(status.code(), Some(0));
    }
}
