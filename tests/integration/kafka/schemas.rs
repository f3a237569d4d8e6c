//! Topics of Avro and of Protobuf: bare records, and those of a real schema registry (Apicurio Registry, by
//! `scripts/registry`), which is away for a while, has a schema that evolves, and does not know every id.

use super::rig::{self, Kafka, Live, Record, crossrate, end, rows};
use super::{short, trade};
use crate::proxy::Proxy;
use apache_avro::types::Value as Avro;
use apache_avro::{Schema, to_avro_datum};
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

/// The registry that the tests share; it lives while its standard input does.
struct Registry {
    url: String,
    _script: Child,
    _stdin: ChildStdin,
}

impl Registry {
    fn shared() -> &'static Registry {
        static SHARED: OnceLock<Registry> = OnceLock::new();
        SHARED.get_or_init(|| {
            rig::needed();
            let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/registry"));
            let mut script = command
                .arg("serve")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("scripts/registry starts");
            let stdin = script.stdin.take().expect("piped");
            let mut line = String::new();
            BufReader::new(script.stdout.take().expect("piped")).read_line(&mut line).expect("an address");
            assert!(line.starts_with("http://"), "scripts/registry said {line:?}");
            Registry { url: line.trim().to_owned(), _script: script, _stdin: stdin }
        })
    }

    fn port(&self) -> u16 {
        let (_, rest) = self.url.rsplit_once("127.0.0.1:").expect("a port");
        rest.split('/').next().expect("a port").parse().expect("a port")
    }

    /// Registers a schema: its id.
    fn register(&self, subject: &str, kind: &str, schema: &str, references: serde_json::Value) -> u32 {
        let body = json!({"schema": schema, "schemaType": kind, "references": references});
        let request = ureq::post(format!("{}/subjects/{subject}/versions", self.url))
            .header("content-type", "application/vnd.schemaregistry.v1+json");
        let answer = request.send(body.to_string()).expect("it is registered").body_mut().read_to_string();
        let answer: serde_json::Value = serde_json::from_str(&answer.expect("a text")).expect("JSON");
        answer["id"].as_u64().expect("an id") as u32
    }
}

const FIELDS: &str = r#"
[[record]]
symbol = "/s"
id = "/t"
price = "/p"
quantity = "/q"
time = "/time"
unit = "ms"
side = { at = "/m", buy = [false], sell = [true] }
"#;

/// A mapping's file.
fn mapping(folder: &Path, name: &str, head: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, format!("{head}{FIELDS}")).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

fn avro_schema(price: &str, more: &str) -> String {
    let price = match price {
        "decimal" => r#"{"type":"bytes","logicalType":"decimal","precision":20,"scale":2}"#,
        _ => r#""string""#,
    };
    format!(
        r#"{{"type":"record","name":"Trade","namespace":"a.b","fields":[{more}{{"name":"s","type":"string"}},
        {{"name":"t","type":"long"}},{{"name":"p","type":{price}}},{{"name":"q","type":"string"}},
        {{"name":"time","type":"long"}},{{"name":"m","type":"boolean"}}]}}"#
    )
}

/// The fields of a trade of the venue's own JSON: symbol, id, time and whether the buyer is the maker; the price is 100.5 and
/// the quantity 1.5.
fn fields(json: &str) -> (String, i64, i64, bool) {
    let trade: serde_json::Value = serde_json::from_str(json).expect("a trade");
    let number = |key: &str| trade[key].as_i64().expect("a number");
    (trade["s"].as_str().expect("a symbol").to_owned(), number("t"), number("T"), trade["m"] == true)
}

fn as_avro(json: &str, schema: &str) -> Vec<u8> {
    let (symbol, id, time, maker) = fields(json);
    let price = match schema.contains("decimal") {
        true => Avro::Decimal(10_050i32.to_be_bytes()[..].into()),
        false => Avro::String("100.5".into()),
    };
    let more =
        if schema.contains("venue") { vec![("venue", Avro::String("new".into()))] } else { Vec::new() };
    let trade = [
        ("s", Avro::String(symbol)),
        ("t", Avro::Long(id)),
        ("p", price),
        ("q", Avro::String("1.5".into())),
        ("time", Avro::Long(time)),
        ("m", Avro::Boolean(maker)),
    ];
    let record = more.into_iter().chain(trade).map(|(name, value)| (name.to_owned(), value)).collect();
    to_avro_datum(&Schema::parse_str(schema).expect("a schema"), Avro::Record(record)).expect("fits")
}

const PRICE: &str = "syntax = \"proto3\"; package a.b; message Price { string text = 1; }";
const PROTO: &str = "syntax = \"proto3\"; package a.b; import \"price.proto\"; message Other { int32 x = 1; } message Trade { \
                     string s = 1; uint64 t = 2; Price price = 3; string q = 4; sfixed64 time = 5; bool m = 6; string p = 7; }";

fn pool() -> DescriptorPool {
    let mut pool = DescriptorPool::global();
    for (name, text) in [("price.proto", PRICE), ("trade.proto", PROTO)] {
        pool.add_file_descriptor_proto(protox_parse::parse(name, text).expect("a file")).expect("fits");
    }
    pool
}

fn as_protobuf(json: &str) -> Vec<u8> {
    let (symbol, id, time, maker) = fields(json);
    let mut trade = DynamicMessage::new(pool().get_message_by_name("a.b.Trade").expect("a message"));
    trade.set_field_by_name("s", Value::String(symbol));
    trade.set_field_by_name("t", Value::U64(id as u64));
    trade.set_field_by_name("p", Value::String("100.5".into()));
    trade.set_field_by_name("q", Value::String("1.5".into()));
    trade.set_field_by_name("time", Value::I64(time));
    trade.set_field_by_name("m", Value::Bool(maker));
    trade.encode_to_vec()
}

fn framed(id: u32, place: &[u8], body: Vec<u8>) -> Vec<u8> {
    [&[0], &id.to_be_bytes()[..], place, &body].concat()
}

/// The job on a topic with its format.
fn run(kafka: &Kafka, topic: &str, format: &str, more: &[&str]) -> Command {
    let mut command = crossrate(["run", "-b", &kafka.brokers, "-t"]);
    command.arg(format!("{topic}={format}")).args(["--symbols", "A", "--window", "10s", "--delay", "1s"]);
    command.args(["--rows", "symbol"]).args(more);
    command
}

#[test]
#[ignore = "needs Java"]
fn topics_of_avro_and_protobuf_give_the_rows_of_the_same_topic_in_json() {
    let (kafka, registry) = (rig::kafka(), Registry::shared());
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str, head: &str| mapping(folder.path(), name, head);
    let trades: Vec<String> = (0..40).map(|n| trade("A", n, n as f64)).collect();
    let schema = avro_schema("decimal", "");
    std::fs::write(folder.path().join("trade.avsc"), &schema).expect("written");
    std::fs::write(folder.path().join("trade.pb"), pool().encode_to_vec()).expect("written");
    let avro = registry.register("t-value", "AVRO", &schema, json!([]));
    registry.register("price", "PROTOBUF", PRICE, json!([]));
    let price = json!([{"name": "price.proto", "subject": "price", "version": 1}]);
    let protobuf = registry.register("u-value", "PROTOBUF", PROTO, price);

    let topic = |name: &str, encode: &dyn Fn(&String) -> Vec<u8>| {
        let topic = kafka.topic(name, 2);
        let records =
            (0..2).cycle().zip(&trades).map(|(partition, json)| Record::new(partition, encode(json)));
        kafka.produce(&topic, &records.collect::<Vec<_>>());
        topic
    };
    let json = topic("json", &|json| json.clone().into_bytes());
    let expected = rows(run(&kafka, &json, "binance", &["-e"]));
    assert_eq!(expected.lines().count(), 4, "{expected}");

    let bare_avro = at("bare-avro.toml", "encoding = \"avro\"\nschema = \"trade.avsc\"\n");
    let bare_protobuf = at(
        "bare-protobuf.toml",
        "encoding = \"protobuf\"\ndescriptors = \"trade.pb\"\nmessage = \"a.b.Trade\"\n",
    );
    let topics = [
        (topic("avro", &|json| as_avro(json, &schema)), bare_avro),
        (topic("protobuf", &|json| as_protobuf(json)), bare_protobuf),
        (
            topic("avro-id", &|json| framed(avro, &[], as_avro(json, &schema))),
            at("avro.toml", "encoding = \"avro\"\n"),
        ),
        (
            topic("protobuf-id", &|json| framed(protobuf, &[2, 2], as_protobuf(json))),
            at("protobuf.toml", "encoding = \"protobuf\"\n"),
        ),
    ];
    for (topic, format) in &topics {
        for workers in ["1", "2"] {
            let more = ["-e", "-w", workers, "--registry", &registry.url];
            assert_eq!(rows(run(&kafka, topic, format, &more)), expected, "{format}");
        }
        let inspect = [
            "inspect",
            "-b",
            &kafka.brokers,
            "-t",
            &format!("{topic}={format}"),
            "--registry",
            &registry.url,
        ];
        let told = rows(crossrate(inspect));
        assert!(told.contains("40") && told.contains("--registry") && told.contains("A"), "{told}");
    }
    // Without a registry, with an address that is none, and with files.
    let (topic, format) = &topics[2];
    let (code, _, said) = end(run(&kafka, topic, format, &["-e"]));
    assert!(code == 2 && said.contains("--registry URL") && said.contains("schema = "), "{said}");
    let elsewhere = registry.url.replace("v7", "nowhere");
    let (code, _, said) = end(run(&kafka, topic, format, &["-e", "--registry", &elsewhere]));
    assert!(code == 3 && said.contains("is no address of a schema registry"), "{said}");
    let (code, _, said) = end(crossrate(["run", "a.jsonl", "--format", format]));
    assert!(code == 2 && said.contains("whose records are Avro") && said.contains("a topic"), "{said}");
}

#[test]
#[ignore = "needs Java"]
fn a_registry_that_is_away_is_waited_for_and_a_schema_evolves_while_the_job_runs() {
    let (kafka, registry) = (rig::kafka(), Registry::shared());
    let folder = tempfile::tempdir().expect("a folder");
    let format = mapping(folder.path(), "avro.toml", "encoding = \"avro\"\n");
    let topic = kafka.topic("evolves", 1);
    let first = avro_schema("decimal", "");
    let id = registry.register("evolves-value", "AVRO", &first, json!([]));
    let send = |id: u32, schema: &str, numbers: std::ops::Range<u64>| {
        let record =
            |n: u64| Record::new(0, framed(id, &[], as_avro(&trade("A", n, n as f64 * 10.0 + 1.0), schema)));
        kafka.produce(&topic, &numbers.map(record).collect::<Vec<_>>());
    };
    send(id, &first, 0..2);
    let proxy = Proxy::open();
    let url = registry.url.replace(&registry.port().to_string(), &proxy.port.to_string());
    let letters: PathBuf = folder.path().join("dead.jsonl");
    let more =
        ["--registry", &url, "--idle-timeout", "1s", "--dead-letter", letters.to_str().expect("UTF-8")];
    let mut live = Live::start(run(&kafka, &topic, &format, &more));
    live.hears("no schema registry answers at");
    proxy.lead_to(registry.port());
    live.hears("the schema registry answers again at");
    assert_eq!(live.row()["start_ms"], 1_525_022_000_000u64);
    // The price becomes a text, and a field comes before all others.
    let second = avro_schema("string", r#"{"name":"venue","type":"string","default":"old"},"#);
    let evolved = registry.register("evolves-other", "AVRO", &second, json!([]));
    assert_ne!(evolved, id);
    send(evolved, &second, 2..3);
    send(id, &first, 3..4);
    assert_eq!(live.row()["start_ms"], 1_525_022_010_000u64);
    assert_eq!(live.row()["start_ms"], 1_525_022_020_000u64);
    // An id that the registry does not know: bad, and nothing else waits for it.
    send(1_000_000, &first, 4..6);
    send(id, &first, 6..7);
    live.hears("schema 1000000 of");
    assert_eq!(short(&live.row().to_string()), ["A 30 1 event"]);
    let letter = rig::until("dead letters", || {
        std::fs::read_to_string(&letters).ok().filter(|text| text.lines().count() == 2)
    });
    assert!(letter.lines().all(|line| line.contains("its schema id is not in the registry")), "{letter}");
    assert!(live.said().iter().all(|line| !line.contains("schema 1000000")), "said once");
}

/// `job:secret`, as a request says it.
const CREDENTIALS: &str = "authorization: basic am9ionnly3jlda==";

/// Stands before a registry and lets in requests with the right credentials: 401 without any, 403 with
/// others. Its port.
fn guarded(server: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || admit(client, server));
        }
    });
    port
}

/// One request, and its answer to the end.
fn admit(mut client: TcpStream, server: u16) -> Option<()> {
    let mut head = String::new();
    let mut lines = BufReader::new(client.try_clone().ok()?);
    while !head.ends_with("\r\n\r\n") {
        (lines.read_line(&mut head).ok()? > 0).then_some(())?;
    }
    let lower = head.to_lowercase();
    let refusal = match lower.contains(CREDENTIALS) {
        true => None,
        false if lower.contains("authorization:") => Some("403 Forbidden"),
        false => Some("401 Unauthorized"),
    };
    if let Some(status) = refusal {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return client.write_all(answer.as_bytes()).ok();
    }
    let mut server = TcpStream::connect(("127.0.0.1", server)).ok()?;
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    server.write_all(head.as_bytes()).ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).ok()?;
    client.write_all(&answer).ok()
}

#[test]
#[ignore = "needs Java"]
fn a_registry_that_wants_credentials_is_told_of_with_the_flag_that_gives_them() {
    let (kafka, registry) = (rig::kafka(), Registry::shared());
    let folder = tempfile::tempdir().expect("a folder");
    let format = mapping(folder.path(), "avro.toml", "encoding = \"avro\"\n");
    let topic = kafka.topic("guarded", 1);
    let schema = avro_schema("decimal", "");
    let id = registry.register("guarded-value", "AVRO", &schema, json!([]));
    let records = (0..40).map(|n| trade("A", n, n as f64)).map(|json| as_avro(&json, &schema));
    let records: Vec<_> = records.map(|body| Record::new(0, framed(id, &[], body))).collect();
    kafka.produce(&topic, &records);
    let url = registry.url.replace(&registry.port().to_string(), &guarded(registry.port()).to_string());
    let credentials = |text: &str| {
        let path = folder.path().join("credentials");
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let job = |more: &[&str]| run(&kafka, &topic, &format, &[&["-e", "--registry", &url], more].concat());
    let (code, out, said) = end(job(&[]));
    let wanted =
        "lets nobody in without the right credentials (HTTP status 401 Unauthorized): --registry-user";
    assert!(code == 3 && out.is_empty() && said.contains(wanted), "{code} {said}");
    let (code, out, said) = end(job(&["--registry-user", &credentials("job:wrong")]));
    assert!(code == 3 && out.is_empty() && said.contains("(HTTP status 403 Forbidden)"), "{code} {said}");
    assert!(!said.contains("wrong"), "{said}");
    let told = rows(job(&["--registry-user", &credentials("job:secret")]));
    assert_eq!(told.lines().count(), 4, "{told}");
}
