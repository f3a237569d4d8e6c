//! Texts that name places: files, brokers, topics, offsets, sinks. The other values are in `values`.

use super::usage::InvalidValue;
use super::values::{self, count};
use crate::config::query::Query;
use crate::config::{DayForm, DeadLetterTarget, SinkTarget, StartOffset, sink_forms};
use crate::config::{database, moment};
use crate::nearest::nearest;
use crate::wire::format::Format;
use crossrate_dataflows::market::event_time::EventTime;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// A path.
pub(super) fn path(text: &str) -> Result<PathBuf, InvalidValue> {
    if text.is_empty() {
        return Err(InvalidValue::new(text, "the path of a file"));
    }
    Ok(PathBuf::from(text))
}

/// An address to listen on. A port alone, or after a colon, is one of this machine only.
pub(super) fn listen(text: &str) -> Result<Vec<SocketAddr>, InvalidValue> {
    let expected = "an address and a port, such as 127.0.0.1:8080, localhost:8080 or [::1]:8080";
    let wrong = || InvalidValue::new(text, expected);
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(match text.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => wrong().perhaps(Some(&format!("[{ip}]:8080"))),
            _ if text.contains("://") => wrong().hint("without http://"),
            _ => wrong(),
        });
    }
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let (v4, v6) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
    let hosts = match host {
        "" => vec![v4],
        "localhost" => vec![v4, v6],
        "*" => return Err(wrong().hint("0.0.0.0 or [::] stand for all addresses of this machine")),
        _ => {
            let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let ip = match inner {
                Some(inner) => inner.parse().map(IpAddr::V6),
                None => host.parse().map(IpAddr::V4),
            };
            vec![ip.map_err(|_| wrong())?]
        }
    };
    Ok(hosts.into_iter().map(|host| SocketAddr::new(host, port)).collect())
}

/// The base address of a websocket.
pub(super) fn websocket(text: &str) -> Result<String, InvalidValue> {
    address(text, ["ws://", "wss://"], "the address of a websocket, such as wss://data-stream.binance.vision")
}

/// The base address of a REST interface.
pub(super) fn rest(text: &str) -> Result<String, InvalidValue> {
    address(
        text,
        ["http://", "https://"],
        "the address of a REST interface, such as https://data-api.binance.vision",
    )
}

/// The base address of a schema registry.
pub(super) fn registry(text: &str) -> Result<String, InvalidValue> {
    let expected = "the address of a schema registry, such as http://localhost:8081";
    address(text, ["http://", "https://"], expected).map_err(|wrong| {
        if text.contains('@') {
            wrong.hint("user and password stand in a file: --registry-user")
        } else {
            wrong
        }
    })
}

/// An address without a query, which the collector adds.
fn address(text: &str, schemes: [&str; 2], expected: &str) -> Result<String, InvalidValue> {
    let rest = schemes.into_iter().find_map(|scheme| text.strip_prefix(scheme));
    let host = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    let strange = |c: char| c.is_whitespace() || matches!(c, '?' | '#' | '@');
    match host {
        Some(host) if !host.is_empty() && !host.starts_with(':') && !text.contains(strange) => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        // What stands before an @ may be a password.
        _ if text.contains('@') => Err(InvalidValue::told("an address with an @", expected)),
        _ => Err(InvalidValue::new(text, expected)),
    }
}

/// Brokers, joined by commas.
pub(super) fn brokers(text: &str) -> Result<String, InvalidValue> {
    const EXPECTED: &str = "host:port, joined by commas, such as localhost:9092";
    for broker in text.split(',').map(str::trim) {
        // The protocol that librdkafka allows before the host says nothing about the port.
        let address = broker.split_once("://").map_or(broker, |(_, address)| address);
        let (host, port) = match address.rsplit_once(':') {
            // An IPv6 address without a port ends in a bracket.
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (address, "9092"),
        };
        let port_is_right =
            port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0);
        if host.is_empty() || host.contains(char::is_whitespace) || !port_is_right {
            return Err(InvalidValue::new(text, EXPECTED));
        }
    }
    Ok(text.split(',').map(str::trim).collect::<Vec<_>>().join(","))
}

/// A name that Kafka takes for a topic.
pub(super) fn topic(text: &str) -> Result<String, InvalidValue> {
    let expected = "a topic: 1 to 249 of the characters A-Z a-z 0-9 . _ -";
    name_of(text, 249, expected)
}

/// Topics of trades, each with its own format where it has one, in order of their names.
pub(super) fn topics(texts: &[String]) -> Result<Vec<(String, Option<Format>)>, InvalidValue> {
    let mut topics = BTreeMap::new();
    for text in texts {
        let (name, format) = match text.split_once('=') {
            Some((name, format)) => (name, Some(values::format(format)?)),
            None => (text.as_str(), None),
        };
        if topics.insert(topic(name)?, format).is_some() {
            return Err(InvalidValue::new(text, "each topic once"));
        }
    }
    Ok(topics.into_iter().collect())
}

/// A job's name; the transactional id and the checkpoint's keys are made from it.
pub(super) fn job_name(text: &str) -> Result<String, InvalidValue> {
    name_of(text, 200, "a name: 1 to 200 of the characters A-Z a-z 0-9 . _ -")
}

fn name_of(text: &str, longest: usize, expected: &str) -> Result<String, InvalidValue> {
    let right = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if text.is_empty() || text.len() > longest || text == "." || text == ".." || !text.bytes().all(right) {
        return Err(InvalidValue::new(text, expected));
    }
    Ok(text.to_owned())
}

/// Origins of pages, as browsers send them.
pub(super) fn origins(texts: &[String]) -> Result<Vec<String>, InvalidValue> {
    texts.iter().map(|text| origin(text)).collect()
}

fn origin(text: &str) -> Result<String, InvalidValue> {
    let wrong =
        || InvalidValue::new(text, "a scheme and a host, with its port, such as https://desk.example:8443");
    if matches!(text, "*" | "null") {
        return Err(wrong().hint("each origin is named: any other page could read what this machine can"));
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let bare = rest.trim_end_matches('/').to_ascii_lowercase();
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if !is_scheme(scheme) || bare.is_empty() || !bare.chars().all(is_host) {
        return Err(wrong());
    }
    // Browsers send no port where it is the usual one.
    let scheme = scheme.to_ascii_lowercase();
    let usual = [("http", ":80"), ("https", ":443")].iter().find(|(known, _)| *known == scheme);
    let sent = usual.and_then(|(_, port)| bare.strip_suffix(port)).unwrap_or(&bare);
    match format!("{scheme}://{sent}") {
        sent if sent == text => Ok(sent),
        sent => Err(wrong().perhaps(Some(&sent))),
    }
}

/// Where to begin in a log.
pub(super) fn start(text: &str) -> Result<StartOffset, InvalidValue> {
    let expected = "beginning, end, an offset, or @ and milliseconds since the epoch";
    let wrong = || InvalidValue::new(text, expected);
    if let Some(ms) = text.strip_prefix('@') {
        let ms: u64 = count(ms, 0, i64::MAX as u64).map_err(|_| wrong())?;
        if ms < EventTime::TOO_LATE.millis() {
            // Seconds for milliseconds is the usual slip, and would read the whole log without a word.
            if ms > 0 && ms < EventTime::EARLIEST.millis() && ms * 1_000 >= EventTime::EARLIEST.millis() {
                return Err(wrong().perhaps(Some(&format!("@{ms}000"))));
            }
            return Ok(StartOffset::Timestamp(ms as i64));
        }
        let meant = EventTime::from_exchange(ms).map(|time| format!("@{}", time.millis()));
        return Err(wrong().perhaps(meant.as_deref()));
    }
    match text {
        "beginning" => Ok(StartOffset::Beginning),
        "end" => Ok(StartOffset::End),
        "earliest" | "start" => Err(wrong().perhaps(Some("beginning"))),
        "latest" => Err(wrong().perhaps(Some("end"))),
        "stored" => Err(wrong().hint("without this flag a run goes on from its checkpoint")),
        _ if text.strip_prefix('-').is_some_and(|tail| tail.parse::<u64>().is_ok()) => {
            Err(wrong().hint("offsets count from the beginning of the log"))
        }
        _ => match count(text, 0, i64::MAX as u64) {
            Ok(offset) => Ok(StartOffset::Offset(offset as i64)),
            Err(_) => Err(wrong().perhaps(nearest(text, ["beginning", "end"]))),
        },
    }
}

/// A moment of event time: milliseconds since the epoch, or a date with or without a time of day, in UTC
/// where no offset is given.
pub(super) fn time(text: &str) -> Result<EventTime, InvalidValue> {
    let expected = "milliseconds since the epoch, or a time in UTC such as 2018-04-29T17:13:40Z";
    let wrong = || InvalidValue::new(text, expected);
    let digits = text.strip_prefix('@').unwrap_or(text);
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        return match EventTime::from_exchange(number) {
            Some(time) => Ok(time),
            // Seconds for milliseconds is the usual slip.
            None if EventTime::from_exchange(number.saturating_mul(1_000)).is_some() => {
                Err(wrong().perhaps(Some(&format!("{number}000"))))
            }
            None => Err(wrong()),
        };
    }
    let moment = moment::read(text).ok_or_else(wrong)?;
    let time = u64::try_from(moment.as_microsecond()).map(EventTime::from_micros).map_err(|_| wrong())?;
    if time < EventTime::EARLIEST || time >= EventTime::TOO_LATE { Err(wrong()) } else { Ok(time) }
}

/// A file to read: a place of another kind is none, and may hold a password that is not to be repeated.
pub(super) fn input(text: &str) -> Result<(), InvalidValue> {
    let Some((scheme, rest)) = text.split_once(':') else { return Ok(()) };
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let is_url = rest.starts_with("//") && !scheme.is_empty() && scheme.chars().all(named);
    let wrong = InvalidValue::told(format!("{scheme}:.."), "a file");
    match scheme {
        "kafka" => Err(wrong.hint(format!("a topic is read by --from kafka --topic {rest}"))),
        "postgres" | "postgresql" => Err(wrong.hint(
            "a database of Postgres is asked by psql, and served by crossrate serve --from postgres:URL",
        )),
        _ if is_url => Err(wrong.hint("fetch it first, or pipe it in: curl -s URL | crossrate .. -")),
        _ => Ok(()),
    }
}

/// What a question is asked of: people type the place before the question, too.
pub(super) fn asked(query: &Query) -> Result<(), InvalidValue> {
    let files = query.files.iter().filter_map(|file| file.to_str());
    query.sql.as_deref().into_iter().chain(files).try_for_each(input)
}

/// What may stand before a colon.
const SCHEMES: [&str; 6] = ["kafka", "sqlite", "postgres", "postgresql", "csv", "parquet"];

/// Whether this is the name of a kind of places, ours or another program's: a path whose colon comes after
/// one word begins with `./`, so that a place that we do not know becomes no file.
fn is_scheme(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    begins && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+')
}

/// Tells files from schemes.
fn place(text: &str, expected: &str) -> Result<SinkTarget, InvalidValue> {
    // A last slash would put the checkpoint into the folder, not beside it.
    let days = |form, folder: &str| Ok(SinkTarget::Days(form, PathBuf::from(folder).components().collect()));
    let (scheme, rest) = text.split_once(':').map_or((text, None), |(scheme, rest)| (scheme, Some(rest)));
    match (scheme, rest) {
        ("kafka", Some(rest)) => topic(rest)
            .map(SinkTarget::Kafka)
            .map_err(|wrong| InvalidValue::new(text, format!("kafka:TOPIC, with {}", wrong.expected))),
        // What follows may hold a password and is not repeated.
        ("sqlite", Some(path)) if !path.is_empty() => Ok(SinkTarget::Sqlite(path.into())),
        ("sqlite", _) => Err(InvalidValue::new(text, "sqlite:PATH")),
        ("csv", Some(folder)) if !folder.is_empty() => days(DayForm::Csv, folder),
        ("parquet", Some(folder)) if !folder.is_empty() => days(DayForm::Parquet, folder),
        ("csv" | "parquet", Some(_)) => Err(InvalidValue::new(text, format!("{scheme}:FOLDER"))),
        // A library would take nothing for a server here; who writes nothing has forgotten something.
        ("postgres" | "postgresql", Some("")) => {
            Err(InvalidValue::new(text, "postgres:URL, such as postgres://user@host/database"))
        }
        ("postgres" | "postgresql", Some(rest)) => {
            let url = if rest.starts_with("//") { text } else { rest };
            // What was typed may hold a password and is not repeated.
            match database::check(url) {
                Ok(()) => Ok(SinkTarget::Postgres(url.to_owned())),
                Err(why) => Err(InvalidValue::told(
                    format!("{scheme}:.. ({why})"),
                    "postgres:URL, such as postgres://user@host/database",
                )),
            }
        }
        ("", _) => Err(InvalidValue::new(text, expected)),
        (scheme, Some(rest)) if rest.starts_with("//") => {
            Err(InvalidValue::told(format!("{scheme}://.."), expected))
        }
        (slip, Some(rest)) if nearest(slip, SCHEMES).is_some() => {
            let scheme = nearest(slip, SCHEMES).unwrap_or_default();
            // What follows may hold a password.
            let (got, rest) = if scheme.starts_with("postgres") { ("..", "..") } else { (rest, rest) };
            Err(InvalidValue::told(format!("\"{slip}:{got}\""), expected)
                .hint(format!("did you mean {scheme}:{rest}? a file of that name is ./{slip}:{got}")))
        }
        ("kafka", None) => {
            Err(InvalidValue::new(text, expected)
                .hint("the topic is missing; a file of that name is ./kafka"))
        }
        // What follows may hold a password here, too.
        (scheme, Some(_)) if is_scheme(scheme) => Err(InvalidValue::told(format!("{scheme}:.."), expected)
            .hint(format!("{scheme}: is none of these; the name of a file begins with ./{scheme}:"))),
        _ => Ok(SinkTarget::File(text.into())),
    }
}

/// Where rows go.
pub(super) fn sink(text: &str) -> Result<SinkTarget, InvalidValue> {
    const EXPECTED: &str = sink_forms!();
    if text == "stdout" || text == "-" {
        return Ok(SinkTarget::Stdout);
    }
    if !text.contains('.') && nearest(text, ["stdout"]).is_some() {
        return Err(InvalidValue::new(text, EXPECTED)
            .hint(format!("did you mean stdout? a file of that name is ./{text}")));
    }
    match place(text, EXPECTED)? {
        SinkTarget::Days(DayForm::Parquet, _) if !cfg!(feature = "parquet") => {
            Err(InvalidValue::new(text, "a sink of this program, which was built without parquet")
                .hint("build it with --features parquet, or write csv:FOLDER"))
        }
        target => Ok(target),
    }
}

/// Where rows are that somebody has written.
pub(super) fn results(text: &str, expected: &str) -> Result<SinkTarget, InvalidValue> {
    match text {
        "-" => {
            Err(InvalidValue::new(text, expected)
                .hint("standard input ends; write rows to a file and name that"))
        }
        "kafka" => Err(InvalidValue::new(text, expected)
            .hint("the topic is missing, kafka:vwap say; a file of that name is ./kafka")),
        _ => place(text, expected),
    }
}

/// The same for people: what follows `postgres:` may hold a password.
pub(super) fn shown_sink(text: &str) -> String {
    match sink(text) {
        Ok(database @ SinkTarget::Postgres(_)) => database.to_string(),
        _ => text.to_owned(),
    }
}

/// Where rows go, all places.
pub(super) fn sinks(texts: &[String]) -> Result<Vec<SinkTarget>, InvalidValue> {
    texts.iter().map(|text| sink(text)).collect()
}

/// Where refused records go.
pub(super) fn dead_letter(text: &str) -> Result<DeadLetterTarget, InvalidValue> {
    const EXPECTED: &str = "a file, or kafka:TOPIC";
    if matches!(text, "stdout" | "-") {
        return Err(
            InvalidValue::new(text, EXPECTED).hint("standard output is for rows; /dev/stderr is a file too")
        );
    }
    match place(text, EXPECTED)? {
        SinkTarget::File(path) => Ok(DeadLetterTarget::File(path)),
        SinkTarget::Kafka(topic) => Ok(DeadLetterTarget::Kafka(topic)),
        SinkTarget::Days(..) => Err(InvalidValue::new(text, EXPECTED).hint("files by day are for rows")),
        SinkTarget::Sqlite(_) => {
            Err(InvalidValue::new(text, EXPECTED).hint("an sqlite: sink keeps refused records by itself"))
        }
        SinkTarget::Postgres(_) => Err(InvalidValue::told("postgres:..", EXPECTED)
            .hint("a postgres: sink keeps refused records by itself")),
        SinkTarget::Stdout => Err(InvalidValue::new(text, EXPECTED)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_or_an_address_parses_to_listen_on() {
        for (text, address) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            (":8080", "127.0.0.1:8080"),
            ("8080", "127.0.0.1:8080"),
            ("localhost:0", "127.0.0.1:0"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::]:80", "[::]:80"),
        ] {
            assert_eq!(listen(text).unwrap()[0].to_string(), address, "{text}");
        }
        for wrong in ["", "127.0.0.1", "::1", "[::1]", "a.org:80", "*:80", "http://localhost:80", ":65536"] {
            assert!(listen(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn exchange_urls_parse_with_their_scheme_only() {
        for good in ["wss://stream.binance.com:9443", "ws://127.0.0.1:80/base", "ws://[::1]:80"] {
            assert_eq!(websocket(good), Ok(good.to_owned()));
        }
        assert_eq!(rest("https://a.org/"), Ok("https://a.org".to_owned()));
        for wrong in
            ["", "a.org", "https://a.org", "wss://", "wss://:80", "wss://a?b", "wss://a b", "wss://u:p@a"]
        {
            let error = websocket(wrong).expect_err(wrong);
            assert!(!error.got.contains("u:p"));
        }
        assert!(rest("wss://a.org").is_err());
    }

    #[test]
    fn times_in_millis_and_rfc3339_parse_to_millis() {
        for (text, ms) in [
            ("1525022020000", 1_525_022_020_000),
            ("@1525022020000", 1_525_022_020_000),
            ("2018-04-29T17:13:40Z", 1_525_022_020_000),
            ("2018-04-29 17:13:40.25", 1_525_022_020_250),
            ("2018-04-29T19:13:40+02:00", 1_525_022_020_000),
            ("2018-04-29T12:13-05", 1_525_021_980_000),
            ("2020-02-29", 1_582_934_400_000),
            ("2024-12-31T23:59Z", 1_735_689_540_000),
        ] {
            assert_eq!(time(text).map(EventTime::millis), Ok(ms), "{text}");
        }
        assert_eq!(time("1525022020").unwrap_err().hint.as_deref(), Some("did you mean 1525022020000?"));
        for wrong in [
            "",
            "yesterday",
            "2019-02-29",
            "2018-13-01",
            "2018-04-29T24:00",
            "2018-4-29",
            // Its microseconds are the milliseconds of another time.
            "1970-01-20",
            "2018-04-29T17:13[Europe/Berlin]",
            "2018-04-29+02:00",
        ] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn start_offsets_and_timestamps_parse() {
        assert_eq!(start("5"), Ok(StartOffset::Offset(5)));
        assert_eq!(start("@0"), Ok(StartOffset::Timestamp(0)));
        assert_eq!(start("@1525022020000"), Ok(StartOffset::Timestamp(1_525_022_020_000)));
        let wrong = [
            ("@1525022020", Some("did you mean @1525022020000?")),
            ("@1525022020000000", Some("did you mean @1525022020000?")),
            ("begining", Some("did you mean beginning?")),
            ("latest", Some("did you mean end?")),
            ("-5", Some("offsets count from the beginning of the log")),
            ("@", None),
            ("@yesterday", None),
            ("9223372036854775808", None),
            ("", None),
        ];
        for (text, hint) in wrong {
            assert_eq!(start(text).unwrap_err().hint.as_deref(), hint, "{text}");
        }
    }

    #[test]
    fn a_target_parses_to_its_kind_of_sink() {
        assert_eq!(sink("rows-12:00.jsonl"), Ok(SinkTarget::File("rows-12:00.jsonl".into())));
        assert_eq!(sink("kafka:vwap"), Ok(SinkTarget::Kafka("vwap".to_owned())));
        assert_eq!(sink("sqlite:a.db"), Ok(SinkTarget::Sqlite("a.db".into())));
        assert_eq!(sink("csv:out/"), Ok(SinkTarget::Days(DayForm::Csv, "out".into())));
        assert_eq!(sink("parquet:out").is_ok(), cfg!(feature = "parquet"));
        assert_eq!(sink("csv"), Ok(SinkTarget::File("csv".into())));
        assert!(dead_letter("csv:out").is_err());
        assert_eq!(sink("./kafka"), Ok(SinkTarget::File("./kafka".into())));
        for text in ["kafka", "kafka:", "kafka:a b", "kafak:vwap", "stdot", "", "http://x", "sqlite:", "csv:"]
        {
            assert!(sink(text).is_err(), "{text}");
        }
        assert_eq!(sink("./clickhouse:x"), Ok(SinkTarget::File("./clickhouse:x".into())));
        assert_eq!(sink("out/a:b"), Ok(SinkTarget::File("out/a:b".into())));
        for text in ["clickhouse:x", "mysql:me:hunter2@h/d", "s3:bucket", "jdbc+x:1"] {
            for refused in [sink(text).unwrap_err(), dead_letter(text).unwrap_err()] {
                let (scheme, refused) = (text.split(':').next().unwrap_or_default(), refused.to_string());
                assert!(refused.contains(&format!("./{scheme}:")), "{refused}");
                assert!(!refused.contains("hunter2"), "{refused}");
            }
        }
        assert!(sink("cvs:out").unwrap_err().to_string().contains("did you mean csv:out?"));
        assert!(sink("sqlite3:a.db").unwrap_err().to_string().contains("did you mean sqlite:a.db?"));
        assert!(!sink("postgre:u:hunter2@h/d").unwrap_err().to_string().contains("hunter2"));
        let url = "postgres://me:secret@h/d";
        for text in [url.to_owned(), format!("postgres:{url}")] {
            assert_eq!(sink(&text), Ok(SinkTarget::Postgres(url.to_owned())));
        }
        for text in ["postgres:u:hunter2@h/d", "postgresql://u:hunter2@h:port/d", "postgres:"] {
            let refused = sink(text).unwrap_err().to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        assert!(dead_letter(url).unwrap_err().to_string().contains("by itself"));
        assert!(dead_letter("-").is_err());
    }

    #[test]
    fn a_file_name_parses_as_input_and_a_scheme_does_not() {
        for file in ["a.jsonl", "rows-12:00.jsonl", "./kafka:trades", "-", "sqlite:rows.db", ":a", "a b://c"]
        {
            assert_eq!(input(file), Ok(()), "{file}");
        }
        for (place, word) in [
            ("kafka:trades", "--topic trades"),
            ("postgres://me:hunter2@h/d", "serve --from postgres:URL"),
            ("postgresql:me:hunter2@h/d", "psql"),
            ("https://me:hunter2@h/d.gz", "curl"),
        ] {
            let wrong = input(place).unwrap_err().to_string();
            assert!(wrong.contains(word) && !wrong.contains("hunter2"), "{wrong}");
        }
    }

    #[test]
    fn broker_lists_parse_with_and_without_ports() {
        for text in
            ["localhost:9092", "a:1,b:65535", "localhost", "[::1]:9092", "[::1]", "SSL://a:9093", "a:1, b:2"]
        {
            assert!(brokers(text).is_ok(), "{text}");
        }
        for text in ["", "a:1,", ":9092", "a:0", "a:65536", "a:port", "a b:1", "a:"] {
            assert!(brokers(text).is_err(), "{text}");
        }
    }
}
