//! Records and mappings by example, and the walk against a parser that keeps everything.

use super::values::integer;
use super::*;
use proptest::prelude::*;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_128;

#[cfg(feature = "avro")]
mod avro;
#[cfg(feature = "protobuf")]
mod protobuf;
mod reference;
mod venues;

/// The trades and refusals of records, in words.
fn decoded(mapping: &str, record: &str) -> Vec<String> {
    let mapping = Mapping::parse("test.toml", mapping, None).unwrap();
    words(&mapping, record.as_bytes(), Decimals::default())
}

fn words(mapping: &Mapping, record: &[u8], decimals: Decimals) -> Vec<String> {
    words_at(mapping, record, 0..record.len(), decimals, &mut MappingScratch::default())
}

fn words_at(
    mapping: &Mapping,
    all: &[u8],
    place: Range<usize>,
    decimals: Decimals,
    scratch: &mut MappingScratch,
) -> Vec<String> {
    let mut out = Vec::new();
    mapping.decode_at(all, place, decimals, scratch, |mapped| {
        out.push(in_words(mapped));
    });
    out
}

fn in_words(mapped: &MappedRecord<'_>) -> String {
    match mapped {
        MappedRecord::Trade(t) => {
            let symbol = str::from_utf8(t.symbol).unwrap();
            format!("{symbol} {:?} {}x{} {} {:?}", t.id.get(), t.price, t.quantity, t.time.micros(), t.taker)
        }
        MappedRecord::Heartbeat(time) => format!("heartbeat {}", time.micros()),
        MappedRecord::Ignored => "ignored".into(),
        MappedRecord::Bad(bad) => format!("bad: {bad}"),
    }
}

const PLAIN: &str = r#"
[[record]]
where = { "/e" = "trade" }
symbol = "/s"
id = "/t"
price = "/p"
quantity = "/q"
time = "/T"
unit = "ms"
side = { at = "/m", buy = [false], sell = [true] }
"#;

#[test]
fn each_field_is_taken_as_it_is_written() {
    let cases = [
        (
            r#"{"e":"trade","s":"AB","t":7,"p":"1.5","q":2e-3,"T":1525022020361,"m":true}"#,
            "AB Sequence(7) 150000000x200000 1525022020361000 Some(Sell)",
        ),
        (
            r#" {"e":"tr\u0061de" , "s":"\u0041B","t":"7","p":1.50,"q":"2E-3","T":"1525022020361.5","m":null} "#,
            "AB Sequence(7) 150000000x200000 1525022020361500 None",
        ),
        (r#"{"e":"quote","s":"AB"}"#, "ignored"),
        (r#"["e","trade"]"#, "ignored"),
        (
            r#"{"e":"trade","s":"AB","t":7,"p":-1,"q":1,"T":1525022020361}"#,
            "bad: price: not a plain decimal number (at byte 32)",
        ),
        (r#"{"e":"trade","s":"AB","t":7,"p":0,"q":1,"T":1525022020361}"#, "bad: price: zero (at byte 32)"),
        (
            r#"{"e":"trade","s":"AB","t":7,"p":1,"q":0.000000001,"T":1525022020361}"#,
            "bad: quantity: more decimals than --quantity-decimals (at byte 38)",
        ),
        (
            r#"{"e":"trade","s":"AB","t":-7,"p":1,"q":1,"T":1525022020361}"#,
            "bad: id: not an integer below 2^63 (at byte 26)",
        ),
        (
            r#"{"e":"trade","s":"AB","t":"07","p":1,"q":1,"T":1525022020361}"#,
            "bad: id: not an integer below 2^63 (at byte 27)",
        ),
        (
            r#"{"e":"trade","s":"A/B","t":7,"p":1,"q":1,"T":1525022020361}"#,
            "bad: symbol: no name (1 to 64 bytes, no blank and none of * / = , | \") (at byte 18)",
        ),
        (r#"{"e":"trade","t":7,"p":1,"q":1,"T":1525022020361}"#, "bad: symbol: absent, or no text"),
        (r#"{"e":"trade","s":"AB","t":7,"p":1,"q":1,"T":1}"#, "bad: time: outside 2009 to 2099 (at byte 44)"),
        (r#"{"e":"trade""#, "bad: not JSON: it ends too early (at byte 12)"),
        (r#""trade""#, "bad: not a JSON object or array (at byte 0)"),
        (r#"{"e":"trade"} x"#, "bad: more after the end of the JSON value (at byte 14)"),
    ];
    for (record, expected) in cases {
        assert_eq!(decoded(PLAIN, record), [expected], "{record}");
    }
}

#[test]
fn a_flat_record_goes_the_fast_way_where_nothing_is_unusual() {
    let built_in =
        |name: &str| crate::wire::format::BUILT_IN.iter().find(|(known, _)| *known == name).unwrap().1;
    let long = PLAIN.replace("\"/p\"", "\"/aaaaaaaaa\"").replace("\"/q\"", "\"/aaaaaaaaaa\"");
    let cases = [
        (
            PLAIN,
            r#"{"e":"trade","s":"AB","t":7,"p":"1.5","q":2.25,"T":1525022020361,"m":true,"x":[1],"y":-1}"#,
        ),
        (
            PLAIN,
            r#" { "m" : null, "T" : "1525022020361", "q": 1, "p": 0.5, "t": "7", "s":"A-B", "e" : "trade" } "#,
        ),
        // Near the end of all bytes a word cannot be read.
        (PLAIN, r#"{"e":"trade","s":"AB","t":7,"p":"1.5","q":2,"T":1525022020361,"m":false}"#),
        (&long, r#"{"e":"trade","s":"AB","t":7,"aaaaaaaaaa":"1.5","T":1525022020361,"aaaaaaaaa":2}"#),
        (
            built_in("coinbase"),
            r#"{"type":"match","trade_id":1,"product_id":"BTC-USD","price":"1","size":"2","time":"2026-07-07T22:58:16Z"}"#,
        ),
        (
            built_in("coinbase"),
            concat!(
                r#"{"channel":"market_trades","client_id":"","sequence_num":0,"#,
                r#""events":[{"type":"update","trades":["#,
                r#"{"trade_id":"1","product_id":"A-B","price":"1","size":"2","side":"SELL","#,
                r#""time":"2026-07-07T22:58:16Z"},"#,
                r#"{"trade_id":"2","product_id":"A-B","price":"3","size":"4","side":"BUY","#,
                r#""time":"2026-07-07T22:58:17Z"}]},"#,
                r#"{"type":"update","trades":[{"trade_id":"3","product_id":"C-D","price":"1","size":"2","#,
                r#""time":"2026-07-07T22:58:18Z"}]}]}"#
            ),
        ),
        (
            built_in("kraken"),
            concat!(
                r#"{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell","#,
                r#""price":1.5,"qty":0.25,"#,
                r#""ord_type":"limit","trade_id":7,"timestamp":"2026-07-07T22:58:16.156605Z"}]}"#
            ),
        ),
        (
            built_in("okx"),
            concat!(
                r#"{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","#,
                r#""tradeId":"1","px":"2","#,
                r#""sz":"3","side":"buy","ts":"1525022020361"},{"instId":"X-SWAP","tradeId":"2","#,
                r#""px":"2","sz":"3","#,
                r#""side":"sell","ts":"1525022020361"}]}"#
            ),
        ),
        (
            built_in("bybit"),
            concat!(
                r#"{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"#,
                r#""data":[{"T":1525022020361,"s":"BTCUSDT","#,
                r#""S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick","#,
                r#""i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false}]}"#
            ),
        ),
        // What elements have of the whole record may come after them.
        (
            NESTED,
            concat!(
                r#"{"events":[{"trades":[{"b":"A","i":1,"p":1,"q":-1},{"b":"X","i":"u","p":1,"#,
                r#""q":1}]}],"quote":"Q","T":1525022020,"k":1}"#
            ),
        ),
        (
            built_in("bitstamp"),
            concat!(
                r#"{"data":{"id":1,"price_str":"1","amount_str":"2","microtimestamp":"1525022020361000","type":0},"#,
                r#""channel":"live_trades_btcusd","event":"trade"}"#
            ),
        ),
    ];
    for (mapping, record) in cases {
        let mapping = Mapping::parse("test.toml", mapping, None).unwrap();
        let mut scratch = MappingScratch::default();
        // The second time by the keys that the first one has had.
        for _ in 0..2 {
            let fast = fast(&mapping, record, &mut scratch);
            let fast = fast.unwrap_or_else(|| panic!("not the fast way: {record}"));
            // Without what follows it the walk reads it.
            assert_eq!(fast, words(&mapping, record.as_bytes(), Decimals::EIGHT), "{record}");
        }
    }
    let unusual = [
        (PLAIN, r#"{"e":"tr\u0061de","s":"AB","t":7,"p":"1.5","q":2.25,"T":1525022020361,"m":true}"#),
        (NESTED, r#"{"events":[{"trades":[]}],"quote":"Q","T":1525022020,"k":1}"#),
        (
            NESTED,
            r#"{"events":[{"trades":[{"b":"A","i":1,"p":1,"q":1}]},{}],"quote":"Q","T":1525022020,"k":1}"#,
        ),
        // A record before it in the mapping might be meant.
        (
            built_in("coinbase"),
            concat!(
                r#"{"type":"match","channel":"market_trades","events":[{"trades":[{"trade_id":"1","#,
                r#""product_id":"A","#,
                r#""price":"1","size":"2","side":"SELL","time":"2026-07-07T22:58:16Z"}]}]}"#
            ),
        ),
    ];
    for (mapping, record) in unusual {
        let mapping = Mapping::parse("test.toml", mapping, None).unwrap();
        assert_eq!(fast(&mapping, record, &mut MappingScratch::default()), None, "{record}");
    }
}

/// What the fast way gives, in words, of a record that others follow.
fn fast(mapping: &Mapping, record: &str, scratch: &mut MappingScratch) -> Option<Vec<String>> {
    let Encoding::Json(_, Some(ways)) = &mapping.encoding else { panic!("no fast way for {record}") };
    let followed = format!("{record}        ");
    let (place, mut out) = (0..record.len(), Vec::new());
    let MappingScratch { text, symbol, other, day, flat, .. } = scratch;
    let mut texts = Texts { text, symbol, other, day };
    let place = (followed.as_bytes(), &place);
    let mut each = |mapped: &MappedRecord<'_>| out.push(in_words(mapped));
    let is_read = ways.read(&mapping.records, place, Decimals::EIGHT, (&mut texts, flat), &mut each);
    is_read.then_some(out)
}

#[test]
fn keys_in_another_order_than_before_and_records_of_another_kind_are_read_as_well() {
    let coinbase = crate::wire::format::BUILT_IN.iter().find(|(known, _)| *known == "coinbase").unwrap().1;
    let mapping = Mapping::parse("test.toml", coinbase, None).unwrap();
    let fields = r#""product_id":"BTC-USD","price":"1","size":"2","time":"2026-07-07T22:58:16Z""#;
    let channel = r#""channel":"market_trades","timestamp":"x""#;
    let events = |trades: &[String]| format!(r#""events":[{{"trades":[{{{}}}]}}]"#, trades.join("},{"));
    let records = [
        format!(r#"{{"type":"match","trade_id":1,{fields}}}"#),
        format!(r#"{{{fields},"trade_id":2,"type":"last_match"}}"#),
        format!("{{{channel},{}}}", events(&[format!(r#""trade_id":"3",{fields}"#)])),
        format!("{{{},{channel}}}", events(&[4, 5].map(|id| format!(r#"{fields},"trade_id":"{id}""#)))),
        format!(r#"{{"type":"match","sequence":7,"trade_id":6,{fields}}}"#),
    ];
    let mut scratch = MappingScratch::default();
    for record in records.iter().chain(records.iter().rev()) {
        let fast = fast(&mapping, record, &mut scratch);
        assert_eq!(fast, Some(words(&mapping, record.as_bytes(), Decimals::EIGHT)), "{record}");
    }
}

const NESTED: &str = r#"
venue = "v"
[[record]]
where = { "/k" = 1 }
each = ["/events", "/trades"]
symbol = { base = "/b", quote = "^/quote" }
id = "/i"
ids = "unique"
price = "/p"
quantity = { at = "/q", sign = "side" }
time = "^/T"
unit = "s"
contracts = ["X-*"]

[[record]]
kind = "heartbeat"
where = { "/k" = 2 }
time = "/T"
unit = "s"
"#;

#[test]
fn each_element_is_a_trade_of_its_own() {
    let trade = |b: &str, i: &str, q: &str| format!(r#"{{"b":"{b}","i":{i},"p":1,"q":{q}}}"#);
    let (a, b, x) = (trade("A", "1", "-1"), trade("B", "\"u\"", "1"), trade("X", "1", "1"));
    let record = |events: &str| format!(r#"{{"events":{events},"quote":"Q","T":1525022020,"k":1.0}}"#);
    let a_words = "v:A-Q Unique(1) 100000000x100000000 1525022020000000 Some(Sell)".to_owned();
    let b_words = format!("v:B-Q Hashed({}) 100000000x100000000 1525022020000000 Some(Buy)", xxh3_128(b"u"));
    let x_words = "bad: contracts: its quantities are no coins".to_owned();
    let both = vec![a_words.clone(), b_words.clone()];
    let no_array = vec!["bad: each: no array".to_owned()];
    let cases = [
        (format!(r#"[{{"trades":[{a},{b}]}}]"#), both.clone()),
        (format!(r#"[{{"trades":[{a}]}},{{"trades":[]}},{{"trades":[{b}]}}]"#), both.clone()),
        (format!(r#"[{{"trades":[{x}]}}]"#), vec![format!("{x_words} (at byte 28)")]),
        // Of a repeated key the last counts.
        (format!(r#"[{{"trades":[{b},{b}],"trades":[{a},{b}]}}]"#), both),
        (format!(r#"[{{"trades":1,"trades":[{a}]}}]"#), vec![a_words.clone()]),
        (format!(r#"[{{"trades":[{a}],"trades":1}}]"#), no_array.clone()),
        (format!(r#"[{{"trades":[{{"b":"Z","p":3,{}]}}]"#, &a[1..]), vec![a_words]),
        (r#"[{"trades":[]}]"#.into(), vec!["ignored".into()]),
        ("[]".into(), vec!["ignored".into()]),
        (format!(r#"[{{"trades":[{a}]}},{{}}]"#), no_array.clone()),
        ("1".into(), no_array.clone()),
        ("null".into(), no_array),
    ];
    for (events, expected) in cases {
        assert_eq!(decoded(NESTED, &record(&events)), expected, "{events}");
    }
    let repeated =
        format!(r#"{{"k":1,"T":1525022020,"quote":"Q","events":[{{"trades":[{b},{b}]}}],"events":[]}}"#);
    assert_eq!(decoded(NESTED, &repeated), ["ignored"]);
    assert_eq!(decoded(NESTED, r#"{"k":2,"T":1525022020}"#), ["heartbeat 1525022020000000"]);
    assert_eq!(decoded(NESTED, r#"{"k":"1"}"#), ["ignored"]);
}

#[test]
fn a_pointer_may_lead_into_the_array_that_is_taken_apart() {
    let mapping = r#"
        [[record]]
        where = { "/d/0/x" = { exists = true } }
        each = "/d"
        symbol = "^/d/1/s"
        price = "/p"
        quantity = "/p"
        time = "^/T"
        unit = "s"
    "#;
    let record = r#"{"d":[{"x":1,"p":1},{"s":"S","p":2}],"T":1525022020}"#;
    let expected = [1, 2].map(|p| format!("S None {p}00000000x{p}00000000 1525022020000000 None"));
    assert_eq!(decoded(mapping, record), expected);
}

#[test]
fn lines_of_csv_are_read_by_name_and_by_number() {
    let by_name = "encoding = \"csv\"\ndelimiter = \";\"\n[[record]]\nsymbol = \"s\"\nprice = \"p q\"\nquantity = \"q\"\ntime = \"t\"\nunit = \"ms\"\n";
    let mut mapping = Mapping::parse("c.toml", by_name, None).unwrap();
    assert_eq!(mapping.take_header(b"\xef\xbb\xbfq;\"p q\";t;s\r"), Ok(true));
    let expected = "A\"B None 100000000x200000000 1525022020361000 None".replace('"', "b");
    assert_eq!(words(&mapping, b"2;\"1\";1525022020361;\"AbB\"\r", Decimals::default()), [expected]);
    let cases = [
        ("2;1;1525022020361", "bad: symbol: absent, or no text"),
        ("2;1;1525022020361;\"A", "bad: a quoted field does not end (at byte 18)"),
        ("2;1;1525022020361;\"A\"x", "bad: more after the end of a quoted field (at byte 21)"),
        (
            "2;1;1525022020361;\"A\"\"B\"",
            "bad: symbol: no name (1 to 64 bytes, no blank and none of * / = , | \") (at byte 19)",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(words(&mapping, line.as_bytes(), Decimals::default()), [expected], "{line}");
    }
    let lacks = Mapping::parse("c.toml", by_name, None).unwrap().take_header(b"q;t;s");
    assert_eq!(lacks, Err("the header has no column \"p q\"; it has q, t, s".into()));
    let by_number = "encoding = \"csv\"\n[[record]]\nsymbol = { text = \"S\" }\nprice = \"2\"\nquantity = \"3\"\ntime = \"1\"\nunit = \"s\"\n";
    let mut mapping = Mapping::parse("c.toml", by_number, None).unwrap();
    assert_eq!(mapping.take_header(b"1525022020,1,1"), Ok(false));
    assert_eq!(mapping.take_header(b"time,price,size"), Ok(true));
    let expected = ["S None 100000000x300000000 1525022020000000 None"];
    assert_eq!(words(&mapping, b"1525022020,1,3", Decimals::default()), expected);
}

#[test]
fn a_mapping_that_cannot_work_names_its_line_and_what_would_be_right() {
    let with = |line: &str| {
        format!(
            "encoding = \"json\"\n[[record]]\nsymbol = \"/s\"\nprice = \"/p\"\nquantity = \"/q\"\ntime = \"/t\"\nunit = \"s\"\n{line}\n"
        )
    };
    let cases = [
        ("", "m.toml:1: missing field `record`"),
        ("encoding = \"json\"\nrecord = []", "m.toml:2: record: want at least one [[record]]"),
        (
            "encoding = \"xml\"\n[[record]]\n",
            "m.toml:1: encoding: got \"xml\", expected \"json\", \"csv\", \"avro\" or \"protobuf\"",
        ),
        (
            "\nvenue = \"a b\"\n[[record]]\n",
            "m.toml:2: venue: want a name without blanks, colons and any of * / = , | \"",
        ),
        ("delimiter = \";\"\n[[record]]\n", "m.toml:1: delimiter and header are for encoding = \"csv\""),
        (
            &with("id = \"trade_id\""),
            "m.toml:8: \"trade_id\" is no JSON pointer (RFC 6901): want one such as \"/data/price\"",
        ),
        (
            &with("ids = \"sequence\""),
            "m.toml:8: id: want a pointer, such as \"/trade_id\", or ids = \"none\"",
        ),
        (&with("id = \"/i\"\nids = \"uuid\""), "m.toml:9: ids: want \"sequence\", \"unique\" or \"none\""),
        (&with("offset = \"+09:00\""), "m.toml:8: offset is for unit = \"rfc3339\""),
        (&with("excess = \"cut\""), "m.toml:8: excess: got \"cut\", expected \"round\" or no such line"),
        (&with("each = []"), "m.toml:8: each: want a JSON pointer, or a list of them, such as \"/data\""),
        (&with("kind = \"order\""), "m.toml:8: kind: want \"trade\" or \"heartbeat\""),
        (
            &with("where = { \"/e\" = { exists = false } }"),
            "m.toml:8: where: want exists = true; an absent value never holds",
        ),
        (&with("side = { at = \"/m\", buy = [1], sell = [1] }"), "m.toml:8: side: 1 is in both lists"),
        (
            "[[record]]\nsymbol = { name = \"*-x\" }\nprice = \"/p\"\nquantity = \"/q\"\ntime = \"/t\"\nunit = \"s\"",
            "m.toml:2: symbol: name is for files; a topic has none",
        ),
        (
            "[[record]]\nsymbol = { text = \"a/b\" }\nprice = \"/p\"\nquantity = \"/q\"\ntime = \"/t\"\nunit = \"s\"",
            "m.toml:2: symbol: \"a/b\" is no name: 1 to 64 bytes, no blank and none of * / = , | \"",
        ),
        ("[[record]]\nprice = \"/p\"\n", "m.toml:1: unit: want \"s\", \"ms\", \"us\", \"ns\" or \"rfc3339\""),
    ];
    for (text, expected) in cases {
        let error = Mapping::parse("m.toml", text, None).map(drop).unwrap_err().to_string();
        assert_eq!(error, expected, "{text}");
    }
    let unknown = Mapping::parse("m.toml", &with("prize = \"/p\""), None).map(drop).unwrap_err().to_string();
    assert!(unknown.starts_with("m.toml:8: unknown field `prize`"), "{unknown}");
}

#[test]
fn each_key_that_is_absent_or_wrong_has_its_own_words() {
    let (symbol, price, quantity) = ("symbol = \"/s\"", "price = \"/p\"", "quantity = \"/q\"");
    let (time, unit) = ("time = \"/t\"", "unit = \"s\"");
    let plain = [symbol, price, quantity, time, unit];
    let record = |lines: &[&str]| format!("[[record]]\n{}\n", lines.join("\n"));
    let instead = |line: &str, other: &str| record(&plain.map(|it| if it == line { other } else { it }));
    let csv = |head: &str| format!("encoding = \"csv\"\n{head}{}", record(&plain).replace("\"/", "\""));
    let symbols = "symbol: want a pointer, { at = .., pattern = .., replace = .. }, { base = .., quote = ..";
    let cases = [
        (instead(symbol, ""), 1, symbols),
        (instead(symbol, "symbol = { base = \"/b\" }"), 2, symbols),
        (
            instead(symbol, "symbol = { at = \"/s\", join = \"-\" }"),
            2,
            "symbol: beside at, want pattern and replace only",
        ),
        (
            instead(symbol, "symbol = { at = \"/s\", replace = { \"\" = \"-\" } }"),
            2,
            "symbol: replace has an empty text",
        ),
        (
            instead(symbol, "symbol = { at = \"/s\", pattern = \"live_trades\" }"),
            2,
            "symbol: \"live_trades\" has no star",
        ),
        (instead(price, ""), 1, "price: want a pointer, such as \"/price\""),
        (instead(quantity, ""), 1, "quantity: want a pointer, such as \"/size\""),
        (
            instead(quantity, "quantity = { at = \"/q\", sign = \"taker\" }"),
            4,
            "quantity: want sign = \"side\", or no sign",
        ),
        (instead(time, ""), 1, "time: want a pointer, such as \"/time\""),
        (instead(unit, "unit = \"minutes\""), 6, "unit: want \"s\", \"ms\", \"us\", \"ns\" or \"rfc3339\""),
        (instead(unit, "unit = \"rfc3339\"\noffset = \"JST\""), 7, "offset: want one such as \"+09:00\""),
        (
            instead(
                quantity,
                "quantity = { at = \"/q\", sign = \"side\" }\nside = { at = \"/m\", buy = [1], sell = [2] }",
            ),
            5,
            "side: the sign of the quantity is the side already; want one of the two",
        ),
        (csv("delimiter = \";;\"\n"), 2, "delimiter: want one ASCII character, such as \";\""),
        (csv("header = \"maybe\"\n"), 2, "header: want \"auto\", true or false"),
        (csv("") + "each = \"/d\"\n", 8, "each is not for encoding = \"csv\""),
        (csv("").replace("\"p\"", "\"0\""), 4, "\"0\": want the name of a column, or its number from 1"),
    ];
    for (text, line, words) in cases {
        let error = Mapping::parse("m.toml", &text, None).map(drop).unwrap_err().to_string();
        assert!(error.starts_with(&format!("m.toml:{line}: {words}")), "{error} of {text}");
    }
    let named = instead(symbol, "symbol = { name = \"*-trades-*\" }");
    let error = Mapping::parse("m.toml", &named, Some("in/BTCUSDT.csv")).map(drop).unwrap_err().to_string();
    let words = "m.toml:2: symbol: the file's name \"BTCUSDT.csv\" is not of the pattern \"*-trades-*\"";
    assert_eq!(error, words);
}

#[test]
fn a_value_of_the_wrong_kind_is_told_with_its_key_and_without_a_type_of_this_program() {
    let plain = [
        "symbol = \"/s\"",
        "price = \"/p\"",
        "quantity = \"/q\"",
        "time = \"/t\"",
        "unit = \"s\"",
        "where = { \"/e\" = 1 }",
    ];
    let instead = |other: &str| {
        let key = other.split(' ').next().expect("a key");
        let mut lines: Vec<&str> =
            plain.iter().map(|it| if it.starts_with(key) { other } else { it }).collect();
        if !lines.contains(&other) {
            lines.push(other);
        }
        format!("[[record]]\n{}\n", lines.join("\n"))
    };
    let conditions = "where: want a text, an integer, true or false, a list of such, or { exists = true }";
    let symbols = "symbol: want a pointer, { at = .., pattern = .., replace = .. }, { base = .., quote = .., \
                   join = .. }, { text = .. } or { name = .. }";
    let quantities = "quantity: want a pointer, or { at = .., sign = \"side\" }";
    let cases = [
        (instead("where = { \"/x\" = 1.5 }"), 7, conditions),
        (instead("where = { \"/x\" = [1, 1.5] }"), 7, conditions),
        (instead("where = { \"/x\" = { exists = true, foo = 1 } }"), 7, conditions),
        (instead("where = { \"/x\" = { exists = \"yes\" } }"), 7, conditions),
        (instead("where = \"/x\""), 7, "where: got a text \"/x\", want a table"),
        (instead("price = 3"), 3, "price: got an integer `3`, want a text"),
        (instead("time = [\"/t\"]"), 5, "time: got a list, want a text"),
        (instead("unit = true"), 6, "unit: got a boolean `true`, want a text"),
        (instead("symbol = 3"), 2, symbols),
        (instead("symbol = { at = \"/s\", foo = 1 }"), 2, symbols),
        (instead("quantity = 1.5"), 4, quantities),
        (instead("quantity = { at = \"/q\", sign = \"side\", foo = 1 }"), 4, quantities),
        (instead("side = \"/m\""), 8, "side: got a text \"/m\", want { at = .., buy = [..], sell = [..] }"),
        (instead("side = { at = \"/m\", buy = [1.5] }"), 8, "side: want texts, integers, true or false"),
        (instead("side = { at = \"/m\", buy = \"b\" }"), 8, "side: got a text \"b\", want a list"),
        (instead("side = { buy = [\"b\"] }"), 8, "side: missing field `at`"),
        (instead("each = 3"), 8, "each: want a JSON pointer, or a list of them, such as \"/data\""),
        (instead("contracts = \"*-SWAP\""), 8, "contracts: got a text \"*-SWAP\", want a list"),
        ("encoding = 1\n".to_owned() + &instead(plain[0]), 1, "encoding: got an integer `1`, want a text"),
        (
            "encoding = \"csv\"\nheader = 1\n".to_owned() + &instead(plain[0]),
            2,
            "header: want \"auto\", true or false",
        ),
        ("record = 3\n".into(), 1, "record: got an integer `3`, want a list"),
        ("record = [3]\n".into(), 1, "record: got an integer `3`, want a table of keys, such as [[record]]"),
    ];
    for (text, line, words) in cases {
        let error = Mapping::parse("m.toml", &text, None).map(drop).unwrap_err().to_string();
        assert_eq!(error, format!("m.toml:{line}: {words}"), "{text}");
    }
}

#[test]
fn a_mapping_that_can_give_no_trade_is_refused_by_its_line() {
    let fields = "symbol = \"/s\"\nprice = \"/p\"\nquantity = \"/q\"\ntime = \"/t\"\nunit = \"s\"\n";
    let record = |more: &str| format!("[[record]]\n{fields}{more}\n");
    let instead = |from: &str, to: &str| record("").replace(from, to);
    let csv = record("").replace("\"/", "\"");
    let long = |bytes: usize| format!("venue = \"{}\"\n", "v".repeat(bytes));
    let fixed = long(61) + &instead("\"/s\"", "{ text = \"ABC\" }");
    let whole = "is the whole record, which is no value: want one such as \"/data/price\"";
    let behind = "record: the one before it has no `where` and takes all; want a `where` there, \
                  or the one without last";
    let cases = [
        (
            format!("encoding = \"csv\"\nheader = false\n{csv}"),
            7,
            "\"t\": with header = false columns have no names: want its number, from 1",
        ),
        (
            record("where = { \"/x\" = [] }"),
            7,
            "where: an empty list never holds; want a value in it, or { exists = true }",
        ),
        (record("") + &record("where = { \"/x\" = 1 }"), 8, behind),
        (record("where = {}") + &record(""), 8, behind),
        (
            "[[record]]\nkind = \"heartbeat\"\ntime = \"/t\"\nunit = \"s\"\nprice = \"/p\"\n".into(),
            5,
            "price is for trades: a heartbeat has where, each, time, unit and offset, no more",
        ),
        (
            record("kind = \"heartbeat\""),
            2,
            "symbol is for trades: a heartbeat has where, each, time, unit and offset, no more",
        ),
        (long(64) + &record(""), 1, "venue: 64 bytes; want 62 at most, since a name has 64 with it"),
        (long(63) + &record(""), 1, "venue: 63 bytes; want 62 at most, since a name has 64 with it"),
        (instead("\"/p\"", "\"\""), 3, &format!("\"\" {whole}")),
        (instead("\"/q\"", "{ at = \"\", sign = \"side\" }"), 4, &format!("\"\" {whole}")),
        (instead("\"/s\"", "{ base = \"/b\", quote = \"\" }"), 2, &format!("\"\" {whole}")),
        (record("each = \"/d\"").replace("\"/t\"", "\"^\""), 5, &format!("\"^\" {whole}")),
        (record("where = { \"\" = 1 }"), 7, &format!("\"\" {whole}")),
    ];
    for (text, line, words) in cases {
        let error = Mapping::parse("m.toml", &text, None).map(drop).unwrap_err().to_string();
        assert_eq!(error, format!("m.toml:{line}: {words}"), "{text}");
    }
    let error = Mapping::parse("m.toml", &fixed, None).map(drop).unwrap_err().to_string();
    assert!(error.starts_with("m.toml:3: symbol: ") && error.ends_with("want 64 at most"), "{error}");
    for works in [
        long(62) + &record(""),
        record("where = { \"\" = { exists = true } }"),
        record("where = { \"^/x\" = 1 }"),
        // An element may be a value.
        record("each = \"/d\"").replace("\"/p\"", "\"\""),
        record("where = { \"/x\" = 1 }") + &record(""),
    ] {
        assert!(Mapping::parse("m.toml", &works, None).is_ok(), "{works}");
    }
}

#[test]
fn a_record_that_is_an_array_is_taken_apart_itself() {
    let mapping = "[[record]]\neach = \"\"\nwhere = { \"^/0/e\" = \"trade\" }\n\
                   symbol = \"/s\"\nprice = \"/p\"\nquantity = \"/p\"\n\
                   time = \"/t\"\nunit = \"s\"\n";
    let record = r#"[{"e":"trade","s":"A","p":1,"t":1525022020},{"s":"B","p":2,"t":1525022021}]"#;
    let expected = [
        "A None 100000000x100000000 1525022020000000 None",
        "B None 200000000x200000000 1525022021000000 None",
    ];
    assert_eq!(decoded(mapping, record), expected);
}

/// The value under a pointer, found by another parser: of a repeated key the last.
fn looked_up<'a>(raw: &'a RawValue, path: &[&str]) -> Option<&'a RawValue> {
    let Some((key, rest)) = path.split_first() else { return Some(raw) };
    let text = raw.get();
    let inside = match text.as_bytes()[0] {
        b'{' => serde_json::from_str::<BTreeMap<String, &RawValue>>(text).ok()?.remove(*key)?,
        b'[' => serde_json::from_str::<Vec<&RawValue>>(text).ok()?.into_iter().nth(key.parse().ok()?)?,
        _ => return None,
    };
    looked_up(inside, rest)
}

/// JSON with small keys that repeat, blanks, escapes, and arrays.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "1",
        "\"a\"",
        "\"\\u0061\"",
        "null",
        "true",
        "2.50",
        "\"1525022020\"",
        "0",
        "{}",
        "[]",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 24, 4, |inner| {
        let key = prop::sample::select(vec!["a", "b", "\\u0061", "0", "c"]);
        prop_oneof![
            prop::collection::vec((key, inner.clone()), 0..4).prop_map(|entries| {
                let entries: Vec<_> =
                    entries.iter().map(|(key, value)| format!("\"{key}\" : {value}")).collect();
                format!("{{{}}}", entries.join(" ,"))
            }),
            prop::collection::vec(inner, 0..4).prop_map(|values| format!("[ {}]", values.join(", "))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A walk finds what a parser that keeps everything finds, of the record and of each element of arrays in arrays.
    #[test]
    fn a_walk_finds_what_a_tree_has(
        record in json(),
        paths in prop::collection::vec(prop::collection::vec(prop::sample::select(vec!["a", "b", "0", "1"]), 0..4), 1..4),
        each in prop::collection::vec(prop::collection::vec(prop::sample::select(vec!["a", "b", "0"]), 0..2), 1..3),
    ) {
        let tokens = |path: &[&str]| paths::parse(&path.iter().map(|key| format!("/{key}")).collect::<String>()).unwrap();
        let mut tree = Paths::new();
        let cells: Vec<_> = paths.iter().map(|path| tree.cell(&tokens(path))).collect();
        let elements = tree.elements(&each.iter().map(|path| tokens(path)).collect::<Vec<_>>());
        let inside: Vec<_> = paths.iter().map(|path| tree.cell_in(&elements, &tokens(path))).collect();
        tree.finish();
        let mut finds = Finds::default();
        let is_container = record.starts_with(['{', '[']);
        prop_assert_eq!(walk::walk(record.as_bytes(), &tree, &mut finds).is_ok(), is_container);
        if !is_container {
            return Ok(());
        }
        let raw: &RawValue = serde_json::from_str(&record).unwrap();
        let text = |found: FoundValue| match found {
            FoundValue::Absent => None,
            FoundValue::Text { from, to, .. } => Some(record[from as usize - 1..=to as usize].to_owned()),
            FoundValue::Number { from, to } => Some(record[from as usize..to as usize].to_owned()),
            FoundValue::Bool(value) => Some(value.to_string()),
            FoundValue::Null { .. } => Some("null".into()),
            FoundValue::Container { at } => Some(record[at as usize..=at as usize].to_owned()),
            other => Some(format!("{other:?}")),
        };
        let expected = |raw: &RawValue, path: &[&str]| looked_up(raw, path).map(|raw| match raw.get() {
            container if container.starts_with(['{', '[']) => container[..1].to_owned(),
            value => value.to_owned(),
        });
        for (path, cell) in paths.iter().zip(&cells) {
            prop_assert_eq!(text(finds.get(*cell, 0)), expected(raw, path), "{:?}", path);
        }
        // The elements, level by level; nothing where one of them has no array.
        let mut level = Some(vec![raw.to_owned()]);
        for path in &each {
            level = level.and_then(|level| level.iter().map(|raw| {
                let array = looked_up(raw, path).filter(|raw| raw.get().starts_with('['))?;
                let elements: Vec<&RawValue> = serde_json::from_str(array.get()).ok()?;
                Some(elements.into_iter().map(|element| element.to_owned()).collect::<Vec<_>>())
            }).collect::<Option<Vec<_>>>()).map(|level| level.into_iter().flatten().collect());
        }
        prop_assert_eq!(finds.rows(&elements.levels), level.as_ref().map(Vec::len));
        for (row, element) in level.iter().flatten().enumerate() {
            for (path, cell) in paths.iter().zip(&inside) {
                prop_assert_eq!(text(finds.get(*cell, row)), expected(element, path), "{:?} of {}", path, row);
            }
        }
    }

    /// What is JSON is JSON for both of our readers, whatever was done to its bytes.
    #[test]
    fn mutated_bytes_are_refused_by_both_readers_or_by_none(
        record in json(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut bytes = format!("{{\"a\":{record}}}").into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let mapping = Mapping::parse("m.toml", PLAIN, None).unwrap();
        let got = words(&mapping, &bytes, Decimals::default());
        let expected = match super::super::json::scan(&bytes) {
            Ok(_) => "ignored".to_owned(),
            Err(bad) => format!("bad: {bad}"),
        };
        let array = bytes.starts_with(b"[");
        prop_assert!(array || got == [expected.replace("not a JSON object", "not a JSON object or array")], "{got:?} {expected}");
    }
}
