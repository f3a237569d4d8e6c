//! Messages of Protobuf against the same records in JSON, read by the same mapping; hostile bytes; a registry's framing.

use super::*;
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MapKey, ReflectMessage, Value};
use serde_json::json;
use std::collections::HashMap;

const PROTO: &str = r#"
syntax = "proto3";
package a.b;
import "google/protobuf/timestamp.proto";
message Trade {
  enum Side { NONE = 0; BUY = 1; SELL = 2; }
  message Amount { string price = 1; sint64 quantity = 2; double weight = 3; }
  string symbol = 1;
  uint64 id = 2;
  Amount amount = 3;
  fixed64 time = 4;
  Side side = 5;
  bool on = 6;
  map<string, string> tags = 7;
  repeated Amount amounts = 8;
  repeated int32 numbers = 9;
  optional string note = 10;
  google.protobuf.Timestamp at = 11;
  oneof which { string one = 12; Amount two = 13; }
  repeated string texts = 14;
  bytes raw = 15;
}
message Other { int32 x = 1; }
"#;

fn descriptors() -> Vec<u8> {
    pool().encode_to_vec()
}

fn pool() -> DescriptorPool {
    let mut pool = DescriptorPool::global();
    pool.add_file_descriptor_proto(protox_parse::parse("t.proto", PROTO).unwrap()).unwrap();
    pool
}

/// Records that are messages `a.b.Trade`.
fn protobuf(rest: &str) -> Result<Mapping, String> {
    let text = format!("encoding = \"protobuf\"\ndescriptors = \"t.pb\"\nmessage = \"a.b.Trade\"\n{rest}");
    Mapping::parse_with("test.toml", &text, None, Some(&descriptors())).map_err(|error| error.to_string())
}

const FIELDS: &str = r#"
[[record]]
where = { "/on" = true }
symbol = "/symbol"
id = "/id"
price = "/amount/price"
quantity = "/amount/quantity"
time = "/time"
unit = "ms"
side = { at = "/side", buy = ["BUY"], sell = ["SELL"] }
"#;

fn told(mapping: &Mapping, bytes: &[u8]) -> String {
    words(mapping, bytes, Decimals::default()).join("; ")
}

fn without_places(words: &str) -> String {
    words.split(" (at byte").next().unwrap_or_default().to_owned()
}

fn amount(price: &str, quantity: i64, weight: f64) -> DynamicMessage {
    let mut amount = DynamicMessage::new(pool().get_message_by_name("a.b.Trade.Amount").unwrap());
    amount.set_field_by_name("price", Value::String(price.into()));
    amount.set_field_by_name("quantity", Value::I64(quantity));
    amount.set_field_by_name("weight", Value::F64(weight));
    amount
}

fn trade() -> DynamicMessage {
    let mut trade = DynamicMessage::new(pool().get_message_by_name("a.b.Trade").unwrap());
    trade.set_field_by_name("symbol", Value::String("AB".into()));
    trade.set_field_by_name("id", Value::U64(7));
    trade.set_field_by_name("amount", Value::Message(amount("1.5", 2, 0.5)));
    trade.set_field_by_name("time", Value::U64(1_525_022_020_361));
    trade.set_field_by_name("on", Value::Bool(true));
    trade
}

const TRADE: &str = "AB Sequence(7) 150000000x200000000 1525022020361000 None";

proptest! {
    #[test]
    fn a_message_gives_what_the_same_record_in_json_gives(
        symbol in "[A-Z]{0,5}|.{0,3}",
        id in prop_oneof![0u64..1_000_000_000, any::<u64>()],
        price in "[0-9]{1,9}([.][0-9]{1,9})?|",
        quantity in prop_oneof![0i64..1_000, any::<i64>()],
        time in prop_oneof![1_525_022_020_361u64..1_625_022_020_361, any::<u64>()],
        side in 0i32..4,
        (on, has_amount) in (prop::bool::weighted(0.9), prop::bool::weighted(0.9)),
        numbers in prop::collection::vec(any::<i32>(), 0..5),
        note in prop::option::of(any::<String>()),
        cut in any::<prop::sample::Index>(),
        flip in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut message = trade();
        message.set_field_by_name("symbol", Value::String(symbol.clone()));
        message.set_field_by_name("id", Value::U64(id));
        message.clear_field_by_name("amount");
        if has_amount {
            message.set_field_by_name("amount", Value::Message(amount(&price, quantity, 0.1)));
        }
        message.set_field_by_name("time", Value::U64(time));
        message.set_field_by_name("side", Value::EnumNumber(side));
        message.set_field_by_name("on", Value::Bool(on));
        message.set_field_by_name("numbers", Value::List(numbers.iter().map(|n| Value::I32(*n)).collect()));
        if let Some(note) = note {
            message.set_field_by_name("note", Value::String(note));
        }
        let inner = if has_amount { json!({"price": price, "quantity": quantity}) } else { json!(null) };
        let side = ["NONE", "BUY", "SELL"].get(side as usize).map_or(json!(side), |name| json!(name));
        let json = json!({"symbol": symbol, "id": id, "amount": inner, "time": time, "side": side, "on": on});
        let plain = Mapping::parse("test.toml", FIELDS, None).unwrap();
        let expected = without_places(&told(&plain, json.to_string().as_bytes()));
        let mapping = protobuf(FIELDS).unwrap();
        let mut bytes = message.encode_to_vec();
        prop_assert_eq!(without_places(&told(&mapping, &bytes)), expected, "{}", json);

        // Whatever is done to its bytes: once, and what the crate reads as the same message gives the same.
        if !bytes.is_empty() {
            match flip {
                None => bytes.truncate(cut.index(bytes.len())),
                Some((at, by)) => { let at = at.index(bytes.len()); bytes[at] ^= by; }
            }
        }
        let got = words(&mapping, &bytes, Decimals::default());
        prop_assert_eq!(got.len(), 1);
        let descriptor = message.descriptor();
        // The crate takes a field of another wire type that the message is too short for; a message without
        // fields, which passes over all, does not.
        if <()>::decode(bytes.as_slice()).is_ok()
            && let Ok(read) = DynamicMessage::decode(descriptor, bytes.as_slice())
        {
            let again = read.encode_to_vec();
            prop_assert_eq!(without_places(&got[0]), without_places(&told(&mapping, &again)), "{:?}", bytes);
        }
    }
}

#[test]
fn lists_maps_choices_and_times_are_found_by_pointers() {
    let mut message = trade();
    let tags = [("symbol", "XY"), ("other", "Z")];
    let tags: HashMap<MapKey, Value> = tags
        .into_iter()
        .map(|(key, value)| (MapKey::String(key.into()), Value::String(value.into())))
        .collect();
    message.set_field_by_name("tags", Value::Map(tags));
    let amounts = vec![Value::Message(amount("1", 3, 0.1)), Value::Message(amount("2", 0, 1e-7))];
    message.set_field_by_name("amounts", Value::List(amounts));
    message.set_field_by_name("numbers", Value::List(vec![Value::I32(5), Value::I32(-6)]));
    message.set_field_by_name(
        "texts",
        Value::List(vec![Value::String("10".into()), Value::String("11".into())]),
    );
    message.set_field_by_name("two", Value::Message(amount("4", 9, 0.0)));
    let mut at = DynamicMessage::new(pool().get_message_by_name("google.protobuf.Timestamp").unwrap());
    at.set_field_by_name("seconds", Value::I64(1_525_022_020));
    at.set_field_by_name("nanos", Value::I32(361_000_999));
    message.set_field_by_name("at", Value::Message(at));
    let bytes = message.encode_to_vec();
    let rest = "floats = \"shortest\"\n[[record]]\nwhere = { \"/two\" = { exists = true } }\neach = \"/amounts\"\n\
                symbol = \"^/tags/symbol\"\nid = \"^/texts/1\"\nprice = \"/price\"\nquantity = \"/weight\"\n\
                time = \"^/at\"\nunit = \"rfc3339\"\n";
    let mapping = protobuf(rest).unwrap();
    assert_eq!(
        told(&mapping, &bytes),
        "XY Sequence(11) 100000000x10000000 1525022020361000 None; \
         XY Sequence(11) 200000000x10 1525022020361000 None"
    );
    let rest = FIELDS.replace("/id", "/numbers/0").replace("/amount/quantity", "/two/quantity");
    assert_eq!(
        told(&protobuf(&rest).unwrap(), &bytes),
        "AB Sequence(5) 150000000x900000000 1525022020361000 None"
    );
    // A list of scalars that is not packed, an empty list, and the member of a choice that came last.
    let rest = FIELDS.replace("[[record]]", "[[record]]\neach = \"/numbers\"").replace("\"/id\"", "\"\"");
    let rest = ["symbol", "amount/price", "amount/quantity", "time", "side"]
        .iter()
        .fold(rest, |rest, field| rest.replace(&format!("\"/{field}\""), &format!("\"^/{field}\"")));
    let each = protobuf(&rest).unwrap();
    let without = trade().encode_to_vec();
    assert_eq!(told(&each, &without), "ignored");
    let unpacked = [without.clone(), vec![72, 3, 74, 2, 4, 5]].concat();
    let trades: Vec<String> = [3, 4, 5].map(|id| TRADE.replace("(7)", &format!("({id})"))).into();
    assert_eq!(told(&each, &unpacked), trades.join("; "));
    let rest = FIELDS.replace("{ \"/on\" = true }", "{ \"/one\" = { exists = true } }");
    let one = protobuf(
        &(rest.clone()
            + "[[record]]\nkind = \"heartbeat\"\nwhere = { \"/two/quantity\" = 9 }\ntime = \"/time\"\nunit = \"ms\"\n"),
    );
    let one = one.unwrap();
    assert_eq!(told(&one, &[bytes.clone(), vec![98, 1, b'x']].concat()), TRADE);
    assert_eq!(told(&one, &[vec![98, 1, b'x'], bytes.clone()].concat()), "heartbeat 1525022020361000");
}

#[test]
fn messages_are_merged_and_the_last_of_a_field_counts() {
    let mapping = protobuf(FIELDS).unwrap();
    let bytes = trade().encode_to_vec();
    let mut only_price = DynamicMessage::new(pool().get_message_by_name("a.b.Trade.Amount").unwrap());
    only_price.set_field_by_name("price", Value::String("2".into()));
    let inner = only_price.encode_to_vec();
    let more = [vec![26, inner.len() as u8], inner, vec![16, 9]].concat();
    let merged = [bytes, more].concat();
    assert_eq!(told(&mapping, &merged), "AB Sequence(9) 200000000x200000000 1525022020361000 None");
}

/// What a message has of its fields is kept as bits, of which there are 64: those beyond have their values,
/// and those that are not written, all the same.
#[test]
fn more_fields_of_a_message_than_there_are_bits_have_their_values_and_defaults() {
    const KINDS: u32 = 70;
    let fields = |n: u32| format!("string price_{n} = {}; uint64 id_{n} = {};", 10 + 2 * n, 11 + 2 * n);
    let fields: String = (0..KINDS).map(fields).collect();
    let file = format!(
        "syntax = \"proto3\"; package a.b;
         message Trade {{ string symbol = 1; uint32 kind = 2; uint64 time = 3; {fields} }}"
    );
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_proto(protox_parse::parse("t.proto", &file).unwrap()).unwrap();
    let record = |n: u32| {
        format!(
            "[[record]]
             where = {{ \"/kind\" = {n} }}
             symbol = \"/symbol\"
             id = \"/id_{n}\"
             price = \"/price_{n}\"
             quantity = \"/kind\"
             time = \"/time\"
             unit = \"ms\"
             "
        )
    };
    let records: String = (0..KINDS).map(record).collect();
    let text = format!("encoding = \"protobuf\"\ndescriptors = \"t.pb\"\nmessage = \"a.b.Trade\"\n{records}");
    let mapping = Mapping::parse_with("test.toml", &text, None, Some(&pool.encode_to_vec())).unwrap();
    for kind in 1..KINDS {
        for id in [0, 7] {
            let mut trade = DynamicMessage::new(pool.get_message_by_name("a.b.Trade").unwrap());
            trade.set_field_by_name("symbol", Value::String("AB".into()));
            trade.set_field_by_name("kind", Value::U32(kind));
            trade.set_field_by_name("time", Value::U64(1_525_022_020_361));
            trade.set_field_by_name(&format!("price_{kind}"), Value::String("1.5".into()));
            // Nothing is written of a zero.
            trade.set_field_by_name(&format!("id_{kind}"), Value::U64(id));
            let expected = format!("AB Sequence({id}) 150000000x{kind}00000000 1525022020361000 None");
            assert_eq!(told(&mapping, &trade.encode_to_vec()), expected, "kind {kind}");
        }
    }
}

#[test]
fn hostile_bytes_are_bad() {
    let mapping = protobuf(FIELDS).unwrap();
    let groups = [163, 6].repeat(200);
    let cases: [(&[u8], &str); 8] = [
        (&[0], "bad: not Protobuf: no field has that number (at byte 0)"),
        (&[10, 200], "bad: not Protobuf: it ends too early, or a number does not end (at byte 1)"),
        (&[10, 5, b'a'], "bad: not Protobuf: it ends too early, or a number does not end (at byte 2)"),
        (&[10, 1, 0xff], "bad: not Protobuf: a text is not UTF-8 (at byte 2)"),
        (&[13, 1, 2, 3, 4], "bad: not Protobuf: a field is not written as its type is (at byte 1)"),
        (&[167, 6], "bad: not Protobuf: a field is written in no known way (at byte 2)"),
        (&[0xff; 11], "bad: not Protobuf: it ends too early, or a number does not end (at byte 0)"),
        (&groups, "bad: nested more than 128 levels deep (at byte 258)"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(told(&mapping, bytes), expected);
    }
}

#[test]
fn descriptors_that_cannot_serve_are_an_error_of_their_line() {
    let cases = [
        (
            FIELDS.replace("/amount/price", "/amount/prize"),
            "test.toml:9: \"/amount/prize\": t.pb has nothing there",
        ),
        (
            FIELDS.replace("/amount/price", "/amount/weight"),
            "test.toml:9: \"/amount/weight\" is a float in t.pb",
        ),
        (FIELDS.replace("/amount/price", "/raw"), "test.toml:9: \"/raw\" is bytes in t.pb"),
        (FIELDS.replace("/amount/price", "/amount"), "test.toml:9: \"/amount\" is no value in t.pb"),
        (format!("schema = \"x\"\n{FIELDS}"), "test.toml:4: Protobuf has descriptors ="),
    ];
    for (rest, expected) in cases {
        let told = protobuf(&rest).unwrap_err();
        assert!(told.starts_with(expected), "{told}");
    }
    let parse = |head: &str, content: &[u8]| {
        let text = format!("encoding = \"protobuf\"\n{head}{FIELDS}");
        Mapping::parse_with("test.toml", &text, None, Some(content)).unwrap_err().to_string()
    };
    let all = descriptors();
    let wrong = parse("descriptors = \"t.pb\"\nmessage = \"a.b.Trad\"\n", &all);
    assert_eq!(
        wrong,
        "test.toml:2: t.pb: it has no message \"a.b.Trad\"; it has a.b.Trade, a.b.Trade.Amount, \
         a.b.Trade.TagsEntry, a.b.Other"
    );
    let wrong = parse("descriptors = \"t.pb\"\nmessage = \"a.b.Trade\"\n", b"no descriptors");
    assert!(wrong.starts_with("test.toml:2: t.pb: it is no set of descriptors"), "{wrong}");
    assert!(parse("descriptors = \"t.pb\"\n", &all).starts_with("test.toml:2: message: want one"));
    assert!(parse("message = \"a.b.Trade\"\n", &all).starts_with("test.toml:2: message is for descriptors"));
}

#[test]
fn each_message_of_a_registry_is_read_by_its_own_schema() {
    let mapping = Mapping::parse("test.toml", &format!("encoding = \"protobuf\"\n{FIELDS}"), None).unwrap();
    let schema = |text: &str, references: &[(&str, &str)]| SchemaText {
        kind: "PROTOBUF".into(),
        text: text.into(),
        references: references.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect(),
    };
    mapping.learn_schema(1, Some(&schema(PROTO, &[]))).unwrap();
    let body = trade().encode_to_vec();
    let framed = |id: u8, place: &[u8]| [&[0, 0, 0, 0, id], place, &body].concat();
    assert_eq!(told(&mapping, &framed(1, &[0])), TRADE);
    assert_eq!(told(&mapping, &framed(1, &[2, 0])), TRADE);
    assert_eq!(told(&mapping, &framed(1, &[2, 2])), "ignored");
    assert_eq!(
        told(&mapping, &framed(1, &[2, 8])),
        "bad: its schema has no message at that place (at byte 5)"
    );
    for place in [&[200][..], &[1], &[254, 255, 255, 255, 15]] {
        let bytes = [&[0, 0, 0, 0, 1], place].concat();
        assert_eq!(told(&mapping, &bytes), "bad: no place of its message behind the schema id (at byte 5)");
    }
    let inner = "syntax = \"proto3\"; package a.b; message Amount { string price = 1; sint64 quantity = 2; }";
    let outer = "syntax = \"proto3\"; package a.b; import \"amount.proto\"; message Trade { string symbol = 1; \
                 uint64 id = 2; Amount amount = 3; fixed64 time = 4; int32 side = 5; bool on = 6; }";
    mapping.learn_schema(2, Some(&schema(outer, &[("amount.proto", inner)]))).unwrap();
    assert_eq!(told(&mapping, &framed(2, &[0])), TRADE);
    let told = mapping.learn_schema(3, Some(&schema(outer, &[]))).unwrap_err();
    assert!(told.starts_with("its file schema.proto cannot be used: "), "{told}");
    let told = mapping.learn_schema(4, Some(&schema("nonsense", &[]))).unwrap_err();
    assert!(told.starts_with("its file schema.proto is no proto file: "), "{told}");
}
