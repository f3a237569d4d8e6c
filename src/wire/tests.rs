//! The decoder against `serde_json` as the reference for what is JSON, and against the rules of
//! `docs/semantics.md#input` written once more on its tree.

use super::*;
use crossrate_dataflows::market::decimal::{Price, Quantity, parse_scaled};
use crossrate_dataflows::market::trade::IdRange;
use proptest::prelude::*;
use serde_json::Value;

/// What a test sees of a record.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Trade(String, TradeKind, Trade),
    Heartbeat(EventTime),
    Ignored,
    Bad,
}

fn seen(record: Record<'_>) -> Seen {
    match record {
        Record::Trade { symbol, kind, trade } => {
            Seen::Trade(String::from_utf8(symbol.to_vec()).unwrap(), kind, trade)
        }
        Record::Heartbeat(time) => Seen::Heartbeat(time),
        Record::Ignored => Seen::Ignored,
        Record::Bad(_) => Seen::Bad,
    }
}

/// The reference.
fn expected(bytes: &[u8]) -> Seen {
    let value = match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => value,
        // A number that no float can hold is JSON all the same: what is asked is whether a smaller one would
        // do.
        Err(error) if error.to_string().contains("number out of range") => {
            return expected(&smaller_numbers(bytes));
        }
        Err(_) => return Seen::Bad,
    };
    let Value::Object(mut object) = value else { return Seen::Bad };
    if object.contains_key("stream") && object.contains_key("data") {
        match object.remove("data") {
            Some(Value::Object(data)) => object = data,
            _ => return Seen::Ignored,
        }
    }
    let field = |key: &str| object.get(key);
    let time = || EventTime::from_exchange(field("T")?.as_u64()?);
    let trade = |id: &str| {
        let strange = |c: char| c.is_whitespace() || c.is_control() || "*/=,|\"".contains(c);
        let is_name = |name: &&str| (1..=64).contains(&name.len()) && !name.chars().any(strange);
        let symbol = field("s")?.as_str().filter(is_name)?;
        let dated = symbol.len() >= 6 && symbol.is_char_boundary(symbol.len() - 6) && {
            let (pair, date) = symbol.split_at(symbol.len() - 6);
            pair.ends_with("USD_") && date.chars().all(|c| c.is_ascii_digit())
        };
        if dated || symbol.ends_with("USD_PERP") {
            return None;
        }
        let number = field(id)?.as_u64().filter(|id| *id < 1 << 63)?;
        let ends = [field("f"), field("l")].map(|end| end.and_then(Value::as_u64).filter(|id| *id < 1 << 63));
        let ids = match ends {
            [Some(first), Some(last)] if id == "a" && first <= last => IdRange { first, last },
            _ => IdRange::one(number),
        };
        let price = Price::from_scaled(parse_scaled(field("p")?.as_str()?.as_bytes(), 8).ok()?)?;
        let quantity = Quantity::from_scaled(parse_scaled(field("q")?.as_str()?.as_bytes(), 8).ok()?)?;
        let side = Side::of_maker(field("m").and_then(Value::as_bool));
        let trade = Trade { ids, side, ..Trade::new(number, price, quantity, time()?) };
        Some((symbol.to_owned(), trade))
    };
    let of_kind = |id, kind| trade(id).map_or(Seen::Bad, |(symbol, trade)| Seen::Trade(symbol, kind, trade));
    match field("e").and_then(Value::as_str) {
        Some("trade") if field("X").is_some_and(|origin| origin != "MARKET") => Seen::Ignored,
        Some("trade") => of_kind("t", TradeKind::Trade),
        Some("aggTrade") => of_kind("a", TradeKind::Aggregate),
        Some("heartbeat") => time().map_or(Seen::Bad, Seen::Heartbeat),
        _ => Seen::Ignored,
    }
}

/// Exponents cut to their first digit, but in strings.
fn smaller_numbers(bytes: &[u8]) -> Vec<u8> {
    let mut smaller = Vec::new();
    let (mut in_string, mut escaped, mut in_exponent) = (false, false, false);
    for (at, &byte) in bytes.iter().enumerate() {
        let after_e = !in_string && at > 0 && matches!(bytes[at - 1], b'e' | b'E' | b'+');
        in_exponent = byte.is_ascii_digit() && (after_e || in_exponent);
        if !in_exponent || after_e {
            smaller.push(byte);
        }
        if byte == b'"' && !escaped {
            in_string = !in_string;
        }
        escaped = in_string && byte == b'\\' && !escaped;
    }
    assert_ne!(smaller, bytes, "which number is out of range?");
    smaller
}

fn decoded(bytes: &[u8]) -> Seen {
    seen(decode(bytes, &mut Scratch::default()))
}

fn decoded_slowly(bytes: &[u8]) -> Seen {
    seen(binance::decode(bytes, &mut Scratch::default()))
}

/// Texts of values: mostly what belongs there, now and then something else.
fn value(usual: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let odd = prop::sample::select(vec![
        "1",
        "0",
        "-1",
        "01",
        "1.0",
        "1.5",
        "1e3",
        "1e999",
        "-0",
        "true",
        "false",
        "null",
        "tru",
        "\"\"",
        "\"x\"",
        "\"\\u0041\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\udc00\"",
        "\"\\x\"",
        "\"é\"",
        "\"BTC USDT\"",
        "\"BTC-USDT\"",
        "\"=BTC\"",
        "\"B,C\"",
        "\"A|BUSDT\"",
        "\"A\u{7f}BUSDT\"",
        "\"A\\u007fBUSDT\"",
        "\"\\u3000USDT\"",
        "\"\u{3000}USDT\"",
        "[]",
        "{}",
        "[1,[2]]",
        "{\"e\":\"trade\"}",
        "[",
        "\"",
        "\"\t\"",
        "18446744073709551616",
        "9223372036854775807",
        "9223372036854775808",
        "12345678",
        "123456789012345678",
        "\"0.0\"",
        "\"1\"",
        "\"1.\"",
        "\".1\"",
        "\"1.000000001\"",
        "\"1.0000000010\"",
        "\"1.00000000\"",
        "\"1.000000000\"",
        "\"1234567.12345678\"",
        "\"12345678.5\"",
        "\"92233720368.54775807\"",
        "\"92233720368.54775808\"",
        "\"1e5\"",
        "\"-1\"",
        "\"8\\u0038.5\"",
        "1525022020361",
        "1525022020361123",
        "1230767999999",
        "\"trade\"",
        "\"aggTrade\"",
        "\"heartbeat\"",
        "\"heartbeats\"",
        "\"tr\\u0061de\"",
        "\"trade \"",
        "\"depthUpdate\"",
        "[[\"1.5\",\"0\"],[]]",
        "[[\"1.5\",2],3,\"\"]",
        "[[[1]]]",
        "[1,]",
        "[01]",
        "[\"a\nb\"]",
        "[\"é\",1]",
        "",
    ])
    .prop_map(str::to_owned);
    prop_oneof![12 => usual, 1 => odd].boxed()
}

fn field() -> impl Strategy<Value = (String, String)> {
    let text = |pattern: &str| proptest::string::string_regex(pattern).unwrap().boxed();
    let decimal = || text("\"(0|[1-9][0-9]{0,7})(\\.[0-9]{1,9})?\"");
    let number = || text("[1-9][0-9]{0,18}");
    let time = || text("15250[0-9]{8}([0-9]{3})?");
    let pair = |key: &'static str, usual| value(usual).prop_map(move |value| (key.to_owned(), value));
    prop_oneof![
        pair("e", text("\"(trade|trade|aggTrade|heartbeat)\"")),
        pair("s", text("\"([A-Z0-9]{1,20}|[ -!#-~]{1,18}|[A-Z]{63,65})\"")),
        pair("s", text("\"[A-Z0-9]{1,8}(USD_PERP|USD_[0-9]{5,6}|USDT_PERP|_[A-Z]{3})\"")),
        pair("X", text("\"(MARKET|MARKET|INSURANCE_FUND|NA)\"")),
        pair("t", number()),
        pair("a", number()),
        pair("p", decimal()),
        pair("q", decimal()),
        pair("T", time()),
        pair("E", time()),
        pair("m", text("true|false")),
        pair("M", text("true|false")),
        pair("b", number()),
        pair("stream", text("\"[a-z]{1,9}@trade\"")),
        pair("data", text("1|\\{\\}|\\{\"e\":\"trade\"\\}|null")),
        pair("\\u0065", text("\"trade\"")),
        pair("x\\u00e9\\n", text("[0-9]")),
        pair("ee", text("\"trade\"")),
        pair("u", number()),
        pair("A", decimal()),
        pair("lastUpdateId", number()),
        pair(
            "bids",
            text("\\[(\\[\"[0-9.]{1,12}\",\"[0-9.]{1,12}\"\\](,\\[\"[0-9]\",\"[0-9]\"\\]){0,2})?\\]")
        ),
    ]
}

/// A record that has all that it needs, and now and then more, less, and other white space.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let needed = |key: &'static str, usual: &'static str| {
        (value(Just(usual.to_owned()).boxed())).prop_map(move |value| (key.to_owned(), value))
    };
    let needed = [
        needed("e", "\"trade\"").boxed(),
        needed("E", "1525022020366").boxed(),
        needed("s", "\"BTCUSDT\"").boxed(),
        needed("t", "39982779").boxed(),
        needed("p", "\"8888.15120000\"").boxed(),
        needed("q", "\"0.01937446\"").boxed(),
        needed("a", "95437532").boxed(),
        needed("T", "1525022020361").boxed(),
        needed("m", "true").boxed(),
    ];
    let more = prop::collection::vec(field(), 0..3);
    let space = prop::sample::select(vec!["", "", "", "", "", " ", "\r\n", "\t ", "\u{b}"]);
    let wrap = prop::sample::select(vec![
        "*",
        "*",
        "*",
        "{\"stream\":\"btcusdt@trade\",\"data\":*}",
        "{\"data\":*,\"stream\":1}",
        "{\"stream\":\"x\",\"data\":*,\"data\":*}",
        "{\"stream\":\"x\",\"data\":*,\"data\":3}",
        "{\"data\":*}",
        "[*]",
        "{\"data\":[*],\"stream\":0}",
        "{\"stream\":{\"data\":*}}",
        "*}",
        "\u{feff}*",
        "**",
        "{\"stream\":\"\",\"data\":*,\"e\":\"trade\"}",
    ]);
    (needed, more, space, wrap, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(needed, more, space, wrap, at, shuffled)| {
            let mut fields: Vec<(String, String)> = needed.into_iter().chain(more).collect();
            if shuffled {
                let middle = at.index(fields.len());
                fields.rotate_left(middle);
            }
            let fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{space}\"{key}\"{space}:{space}{value}")).collect();
            wrap.replace('*', &format!("{{{}{space}}}", fields.join(","))).into_bytes()
        },
    )
}

/// Hours of this where somebody has them: `CROSSRATE_FUZZ_CASES=10000000 cargo test --release --lib wire`.
fn cases() -> ProptestConfig {
    let asked = std::env::var("CROSSRATE_FUZZ_CASES").ok();
    ProptestConfig::with_cases(asked.map_or(4_000, |n| n.parse().expect("CROSSRATE_FUZZ_CASES is a number")))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn records_are_what_the_reference_says(record in record()) {
        let expected = expected(&record);
        prop_assert_eq!(decoded_slowly(&record), expected.clone());
        prop_assert_eq!(decoded(&record), expected);
    }

    /// Of a job with other decimals, both ways and in a chunk.
    #[test]
    fn numbers_of_any_scale_are_what_the_sure_way_says(
        price in "[0-9]{1,8}([.][0-9]{1,11}0{0,2})?", quantity in "[0-9]{1,3}([.][0-9]{1,8})?",
        price_places in 0u8..19, places in 0u8..19,
    ) {
        let decimals = Decimals { price: price_places, quantity: places };
        let record = format!(
            r#"{{"e":"trade","E":1,"s":"BTCUSDT","t":7,"p":"{price}","q":"{quantity}","T":1525022020361,"m":true}}"#
        );
        let scaled = (parse_scaled(price.as_bytes(), price_places), parse_scaled(quantity.as_bytes(), places));
        let expected = match scaled {
            (Ok(price), Ok(quantity)) => {
                let numbers = (Price::from_scaled(price).unwrap(), Quantity::from_scaled(quantity).unwrap());
                let time = EventTime::from_exchange(1_525_022_020_361).unwrap();
                let trade = Trade { side: Side::Sell, ..Trade::new(7, numbers.0, numbers.1, time) };
                Seen::Trade("BTCUSDT".into(), TradeKind::Trade, trade)
            }
            _ => Seen::Bad,
        };
        prop_assert_eq!(seen(binance::decode(record.as_bytes(), &mut Scratch::of(decimals))), expected.clone());
        prop_assert_eq!(seen(decode(record.as_bytes(), &mut Scratch::of(decimals))), expected.clone());
        let lines = Framing::Lines(LineFormat::Json);
        let chunk = Chunk { bytes: format!("{record}\n").into_bytes(), framing: lines, ..Chunk::default() };
        decode_chunk(&chunk, &mut Scratch::of(decimals), |_, record| assert_eq!(seen(record), expected));
        let line = format!("7,{price},{quantity},0,1525022020361,true");
        let archived = archive::decode(line.as_bytes(), "BTCUSDT", TradeKind::Trade, decimals).map(seen);
        prop_assert!(archive::is_line(line.as_bytes()) || expected == Seen::Bad);
        prop_assert_eq!(archived, Some(expected));
    }

    /// One byte is changed, lost or added, anywhere.
    #[test]
    fn damaged_records_are_what_the_reference_says(
        record in record(), at: prop::sample::Index, byte in prop_oneof![any::<u8>(), prop::sample::select(b"\"\\,:{}[]0189.eE+- \n\x1f\x7f\x80".to_vec())], how in 0..3
    ) {
        let mut record = record;
        let at = at.index(record.len());
        match how {
            0 => record[at] = byte,
            1 => drop(record.remove(at)),
            _ => record.insert(at, byte),
        }
        let expected = expected(&record);
        prop_assert_eq!(decoded_slowly(&record), expected.clone());
        prop_assert_eq!(decoded(&record), expected);
    }

    /// The head of one record on the tail of another, with some bytes of either elsewhere: far from anything
    /// that was meant, but with much in it that looks right.
    #[test]
    fn spliced_records_are_what_the_reference_says(
        head in record(), tail in record(), cuts: [prop::sample::Index; 2],
        moves in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1..12usize), 0..4)
    ) {
        let mut record = head[..cuts[0].index(head.len())].to_vec();
        record.extend_from_slice(&tail[cuts[1].index(tail.len())..]);
        for (from, to, length) in moves {
            if record.is_empty() { break }
            let from = from.index(record.len());
            let piece = record[from..record.len().min(from + length)].to_vec();
            let to = to.index(record.len());
            record.splice(to..to, piece);
        }
        let expected = expected(&record);
        prop_assert_eq!(decoded_slowly(&record), expected.clone());
        prop_assert_eq!(decoded(&record), expected);
    }

    /// Neighbours in a chunk do not change what a record is, as a line or as a message.
    #[test]
    fn neighbours_never_change_a_record(records in prop::collection::vec(record(), 1..6), cuts in prop::collection::vec(any::<prop::sample::Index>(), 6)) {
        // Some of them end in the middle, so that what follows could be taken for the rest.
        let records: Vec<Vec<u8>> = records.into_iter().zip(cuts).map(|(mut record, cut)| {
            if record.len() % 3 == 0 { record.truncate(cut.index(record.len())); }
            record
        }).collect();
        let mut chunk = Chunk::default();
        let mut messages = Vec::new();
        for (offset, record) in (0..).zip(&records) {
            chunk.bytes.extend_from_slice(b"key");
            chunk.bytes.extend_from_slice(record);
            let end = chunk.bytes.len() as u32;
            messages.push(ChunkMessage { offset, timestamp_ms: 7, end, null: false, key: Some(3) });
        }
        chunk.framing = Framing::Messages(messages);
        let mut got = Vec::new();
        decode_chunk(&chunk, &mut Scratch::default(), |raw, record| got.push((raw.bytes().to_vec(), raw.key().map(<[u8]>::to_vec), seen(record))));
        let want: Vec<_> = records.iter().map(|r| (r.clone(), Some(b"key".to_vec()), expected(r))).collect();
        prop_assert_eq!(got, want);

        let lines: Vec<u8> = records.join(&b'\n');
        let chunk = Chunk { bytes: lines.clone(), framing: Framing::Lines(LineFormat::Json), ..Chunk::default() };
        let mut got = Vec::new();
        decode_chunk(&chunk, &mut Scratch::default(), |raw, record| got.push((raw.bytes().to_vec(), seen(record))));
        let want: Vec<_> = lines.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty()).map(|l| (l.to_vec(), expected(l))).collect();
        prop_assert_eq!(got, want);
    }
}

fn lines(text: &str) -> Vec<(String, Seen)> {
    let chunk = Chunk { bytes: text.into(), framing: Framing::Lines(LineFormat::Json), ..Chunk::default() };
    let mut got = Vec::new();
    decode_chunk(&chunk, &mut Scratch::default(), |raw, record| {
        got.push((String::from_utf8(raw.bytes().to_vec()).unwrap(), seen(record)));
    });
    got
}

const TRADE: &str = r#"{"e":"trade","E":1525022020366,"s":"BTCUSDT","t":39982779,"p":"8888.15120000","q":"0.01937446","b":95437558,"a":95437532,"T":1525022020361,"m":false,"M":true}"#;

#[test]
fn the_fast_way_knows_the_exchanges_own_writing() {
    let aggregate = r#"{"e":"aggTrade","E":1672515782136,"s":"BNBBTC","a":12345,"p":"0.001","q":"100","f":100,"l":105,"T":1672515782136,"m":true,"M":true}"#;
    let recent = r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255308,"s":"BTCUSDT","t":3712345678,"p":"61737.63000000","q":"0.00123000","T":1723161255307,"m":true,"M":true}}"#;
    let heartbeat = r#"{"e":"heartbeat","T":1525022020361}"#;
    let quotes = r#"{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}"#;
    let depth = r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255308,"s":"BTCUSDT","U":50093239203,"u":50093239207,"b":[["55653.87000000","0.00000000"]],"a":[["61838.04000000","0.32332000"],["61844.30000000","0.40163000"]]}}"#;
    for record in [quotes, depth] {
        // At the very end of a chunk there are no eight bytes to look at: one record of a chunk goes the slow
        // way.
        let followed = format!("{record}\n{record}");
        let found = swift::decode(followed.as_bytes(), 0);
        assert_eq!(found, Some((Record::Ignored, record.len())), "{record}");
        assert_eq!(expected(record.as_bytes()), Seen::Ignored);
    }
    for record in [TRADE, recent] {
        assert!(swift::decode(record.as_bytes(), 0).is_some_and(|(_, end)| end == record.len()), "{record}");
    }
    for record in [TRADE, recent, aggregate, heartbeat] {
        assert_eq!(decoded(record.as_bytes()), expected(record.as_bytes()));
        assert!(!matches!(decoded(record.as_bytes()), Seen::Bad | Seen::Ignored), "{record}");
    }
}

#[test]
fn a_chunk_of_lines_decodes_to_one_record_a_line() {
    let text = format!("{TRADE}\n\n \t\r\n1723161253937085768 {TRADE}\r\n12 \n12\n7 x\n{TRADE} \n{TRADE}");
    let trade = decoded(TRADE.as_bytes());
    let got = lines(&text);
    let kinds: Vec<&Seen> = got.iter().map(|(_, seen)| seen).collect();
    assert_eq!(kinds, [&trade, &trade, &Seen::Bad, &Seen::Bad, &Seen::Bad, &trade, &trade]);
    assert_eq!(got[1].0, format!("1723161253937085768 {TRADE}\r"), "a capture line is kept whole");
}

#[test]
fn depth_and_length_have_their_limits() {
    let nested = |levels: usize| {
        let inner = levels - 1;
        format!("{{\"x\":{}{}}}", "[".repeat(inner), "]".repeat(inner))
    };
    assert_eq!(decoded(nested(128).as_bytes()), Seen::Ignored);
    assert_eq!(decoded(nested(129).as_bytes()), Seen::Bad);
    let long = |length: usize| {
        let head = TRADE.trim_end_matches('}');
        format!("{head},\"l\":{}1}}", " ".repeat(length - head.len() - 7))
    };
    let text =
        |length: usize| TRADE.replace("{", &format!("{{\"l\":\"{}\",", "B".repeat(length - TRADE.len() - 7)));
    for make in [&long as &dyn Fn(usize) -> String, &text] {
        assert_eq!(make(binance::MOST_BYTES).len(), binance::MOST_BYTES);
        assert!(matches!(decoded(make(binance::MOST_BYTES).as_bytes()), Seen::Trade(..)));
        assert_eq!(decoded(make(binance::MOST_BYTES + 1).as_bytes()), Seen::Bad);
    }
    let symbol = |length: usize| TRADE.replace("BTCUSDT", &"B".repeat(length));
    assert!(matches!(decoded(symbol(64).as_bytes()), Seen::Trade(..)));
    assert_eq!(decoded(symbol(65).as_bytes()), Seen::Bad);
}

#[test]
fn reasons_name_what_is_wrong_and_where() {
    let cases = [
        ("", "not JSON: it ends too early (at byte 0)"),
        ("[]", "not a JSON object (at byte 0)"),
        ("{\"e\":\"trade\"} x", "more after the end of the JSON value (at byte 14)"),
        ("{\"e\":\"heartbeat\"}", "T: not a plain integer"),
        (
            "{\"e\":\"heartbeat\",\"T\":12}",
            "T: no time from 2009 to 2099 in milliseconds or microseconds (at byte 21)",
        ),
    ];
    for (record, reason) in cases {
        match decode(record.as_bytes(), &mut Scratch::default()) {
            Record::Bad(bad) => assert_eq!(bad.to_string(), reason, "{record}"),
            other => panic!("{record}: {other:?}"),
        }
    }
}
